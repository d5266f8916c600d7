//! The shape of a decoder, read from the metadata of a GGUF file or from the `config.json` of a folder: how many layers, how
//! wide, and where the relatives of Llama differ from it (Touvron et al. 2023).

mod config;
mod gguf;
mod rotation;

pub(super) use config::Config;
pub(super) use gguf::context_of;
pub(super) use rotation::Rotation;

use super::kernels::Heads;
use crate::{Error, Kind, Result};

/// Layers that a model may have; the largest have some hundred.
const LAYERS_MAX: u64 = 1024;
/// Components of a row, or of a layer between, that a model may have.
const WIDTH_MAX: u64 = 1 << 20;
/// Tokens that a model may have been made for.
const CONTEXT_MAX: u64 = u32::MAX as u64;

/// The shape of a decoder.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) family: Family,
    pub(super) layers: Vec<LayerShape>,
    /// Components of a token between layers.
    pub(super) width: usize,
    /// Components inside the feed-forward part.
    pub(super) inner: usize,
    pub(super) heads: Heads,
    pub(super) vocabulary: usize,
    pub(super) epsilon: f32,
    /// What scores of attention are multiplied by.
    pub(super) score_scale: f32,
    /// What embeddings are multiplied by.
    pub(super) embedding_scale: f32,
    pub(super) activation: Activation,
    pub(super) rotations: Vec<Rotation>,
}

/// What is special to a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LayerShape {
    /// How many tokens back it sees; none if all.
    pub(super) window: Option<usize>,
    /// Which rotation it turns queries and keys with; none if it knows no positions.
    pub(super) rotation: Option<usize>,
}

impl LayerShape {
    /// Sees all tokens, turned by the first rotation.
    const PLAIN: Self = Self { window: None, rotation: Some(0) };
}

/// Whose relative a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Llama 1 to 3, Mistral, `SmolLM2` and others of that form.
    Llama,
    /// Qwen 2 and 2.5: biases before attention.
    Qwen2,
    /// Qwen 3: queries and keys are normalised.
    Qwen3,
    /// Gemma 3: norms around each part, layers with a window.
    Gemma3,
    /// Phi 3: weights of attention and of the gate in one matrix each.
    Phi3,
    /// `SmolLM3`: every fourth layer knows no positions.
    SmolLm3,
}

impl Family {
    fn of(name: &str, known: &[(&'static str, Self)]) -> Result<Self> {
        let found = known.iter().find(|(known, _)| *known == name);
        found.map(|(_, family)| *family).ok_or_else(|| {
            let known: Vec<_> = known.iter().map(|(name, _)| format!("`{name}`")).collect();
            let message = format!("it is a model of the form `{name}`, and {} can be run", known.join(", "));
            Error::new(Kind::BadInput, message)
        })
    }
}

/// What stands between the gate and the value beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    Silu,
    Gelu,
}

/// Holds heads against each other.
fn heads(queries: usize, keys: usize, width: usize, value_width: usize) -> Result<Heads> {
    if keys == 0 || !queries.is_multiple_of(keys) || width == 0 || !width.is_multiple_of(2) || value_width != width {
        let message = format!("{queries} heads, {keys} of keys, {width} and {value_width} wide, do not fit together");
        return Err(Error::new(Kind::Corrupt, message));
    }
    Ok(Heads { queries, keys, width })
}

/// What scores are multiplied by where heads of that width say nothing else.
#[expect(clippy::cast_precision_loss, reason = "widths are small")]
fn scale_of(width: usize) -> f32 {
    1.0 / (width as f32).sqrt()
}

fn corrupt(message: String) -> Error {
    Error::new(Kind::Corrupt, message)
}

#[cfg(test)]
mod tests;
