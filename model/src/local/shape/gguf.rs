//! The shape as the metadata of a GGUF file tells it. Names and defaults are those that llama.cpp reads.

use super::rotation::Yarn;
use super::{Activation, CONTEXT_MAX, Family, LAYERS_MAX, LayerShape, Rotation, Shape, WIDTH_MAX, corrupt, scale_of};
use crate::local::gguf::Gguf;
use crate::local::kernels::{Heads, read_row};
use crate::{Error, Kind, Result};

/// The names by which files call families.
const FAMILIES: [(&str, Family); 6] = [
    ("llama", Family::Llama),
    ("qwen2", Family::Qwen2),
    ("qwen3", Family::Qwen3),
    ("gemma3", Family::Gemma3),
    ("phi3", Family::Phi3),
    ("smollm3", Family::SmolLm3),
];
/// Every so many layers of Gemma 3 one sees all tokens.
const GEMMA_STEP: usize = 6;
/// Every so many layers of `SmolLM3` one knows no positions.
const SMOLLM_STEP: usize = 4;

/// Reads the metadata of one architecture.
struct Reader<'a> {
    gguf: &'a Gguf,
    family: &'a str,
    window: usize,
}

/// Returns for how many tokens a model was made.
pub(in super::super) fn context_of(gguf: &Gguf) -> Result<usize> {
    let family = gguf.text("general.architecture")?.unwrap_or_default();
    Family::of(family, &FAMILIES)?;
    Reader { gguf, family, window: 0 }.needed("context_length", CONTEXT_MAX)
}

impl Shape {
    /// Reads the shape of a file, for sequences of at most `window` tokens.
    pub(in super::super) fn of_gguf(gguf: &Gguf, window: usize) -> Result<Self> {
        let name = gguf.text("general.architecture")?;
        let name = name.ok_or_else(|| corrupt("it lacks `general.architecture`".into()))?;
        let family = Family::of(name, &FAMILIES)?;
        let reader = Reader { gguf, family: name, window };
        let width = reader.needed("embedding_length", WIDTH_MAX)?;
        let heads = reader.heads(width)?;
        let layers = reader.needed("block_count", LAYERS_MAX)?;
        let embeddings = gguf.tensor("token_embd.weight");
        let vocabulary = embeddings.filter(|tensor| tensor.shape.len() == 2).map(|tensor| tensor.shape[0]);
        let vocabulary = vocabulary.ok_or_else(|| corrupt("it lacks `token_embd.weight`".into()))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "all are small floats")]
        let shape = Self {
            family,
            layers: reader.layers(family, layers)?,
            width,
            inner: reader.needed("feed_forward_length", WIDTH_MAX)?,
            heads,
            vocabulary,
            epsilon: reader.float("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5) as f32,
            score_scale: score_scale(family, layers, width, heads),
            embedding_scale: if family == Family::Gemma3 { (width as f32).sqrt() } else { 1.0 },
            activation: if family == Family::Gemma3 { Activation::Gelu } else { Activation::Silu },
            rotations: reader.rotations(family, heads)?,
        };
        Ok(shape)
    }
}

/// Gemma 3 of 27 billion parameters, which is told by its 62 layers, scales by the width of a token's share.
fn score_scale(family: Family, layers: usize, width: usize, heads: Heads) -> f32 {
    let is_largest = family == Family::Gemma3 && layers == 62;
    scale_of(if is_largest { width / heads.queries } else { heads.width })
}

/// Whether components that are rotated together lie beside each other, and not half a head apart.
fn rotates_neighbours(family: Family) -> bool {
    matches!(family, Family::Llama | Family::SmolLm3)
}

impl Reader<'_> {
    fn name(&self, name: &str) -> String {
        format!("{}.{name}", self.family)
    }

    fn number(&self, name: &str, most: u64) -> Result<Option<usize>> {
        let name = self.name(name);
        let Some(number) = self.gguf.number(&name)? else { return Ok(None) };
        let fits = usize::try_from(number).ok().filter(|_| number <= most);
        fits.map(Some).ok_or_else(|| corrupt(format!("`{name}` is {number}, more than the {most} that can be")))
    }

    fn needed(&self, name: &str, most: u64) -> Result<usize> {
        match self.number(name, most)? {
            Some(0) => Err(corrupt(format!("`{}` is 0", self.name(name)))),
            Some(number) => Ok(number),
            None => Err(corrupt(format!("it lacks `{}`", self.name(name)))),
        }
    }

    fn float(&self, name: &str) -> Result<Option<f64>> {
        self.gguf.float(&self.name(name))
    }

    fn heads(&self, width: usize) -> Result<Heads> {
        let queries = self.needed("attention.head_count", WIDTH_MAX)?;
        let keys = self.number("attention.head_count_kv", WIDTH_MAX)?.unwrap_or(queries);
        let head = self.number("attention.key_length", WIDTH_MAX)?.unwrap_or(width / queries);
        let value = self.number("attention.value_length", WIDTH_MAX)?.unwrap_or(head);
        super::heads(queries, keys, head, value)
    }

    fn layers(&self, family: Family, count: usize) -> Result<Vec<LayerShape>> {
        let window = self.number("attention.sliding_window", CONTEXT_MAX)?.filter(|window| *window > 0);
        let layer = |index: usize| match family {
            Family::Gemma3 if window.is_some() && !(index + 1).is_multiple_of(GEMMA_STEP) => {
                LayerShape { window, rotation: Some(1) }
            }
            Family::SmolLm3 if (index + 1).is_multiple_of(SMOLLM_STEP) => LayerShape { window: None, rotation: None },
            // Others that name a window see all tokens in the runtime whose answers are expected.
            _ => LayerShape::PLAIN,
        };
        Ok((0..count).map(layer).collect())
    }

    fn rotations(&self, family: Family, heads: Heads) -> Result<Vec<Rotation>> {
        let neighbours = rotates_neighbours(family);
        let dimensions = self.number("rope.dimension_count", WIDTH_MAX)?.unwrap_or(heads.width);
        if dimensions > heads.width || dimensions % 2 != 0 {
            return Err(corrupt(format!("{dimensions} components cannot be turned of {}", heads.width)));
        }
        let base = self.float("rope.freq_base")?.unwrap_or(10_000.0);
        let mut rotation = Rotation::new(dimensions, base, neighbours);
        self.scale(&mut rotation, base)?;
        self.divide(&mut rotation)?;
        let mut rotations = vec![rotation];
        if family == Family::Gemma3 {
            let base = self.float("rope.freq_base_swa")?.unwrap_or(10_000.0);
            rotations.push(Rotation::new(dimensions, base, neighbours));
        }
        Ok(rotations)
    }

    /// Stretches positions as the file says.
    fn scale(&self, rotation: &mut Rotation, base: f64) -> Result<()> {
        let name = self.name("rope.scaling.type");
        let kind = self.gguf.text(&name)?.unwrap_or("none");
        #[expect(clippy::cast_possible_truncation, reason = "factors are small floats")]
        let factor = self.float("rope.scaling.factor")?.unwrap_or(1.0) as f32;
        if factor.is_nan() || factor < 1.0 {
            return Err(Error::new(Kind::Corrupt, format!("`{}` is {factor}", self.name("rope.scaling.factor"))));
        }
        match kind {
            "none" => {}
            "linear" => rotation.divide(std::iter::repeat(factor)),
            // Its factors are tensors.
            "longrope" => {}
            "yarn" => {
                let original = self.needed("rope.scaling.original_context_length", CONTEXT_MAX)?;
                rotation.stretch(Yarn::new(factor, original), base);
                rotation.magnitude *= Yarn::magnitude(factor, 1.0);
            }
            other => {
                let message = format!("`{name}` is `{other}`; `linear`, `yarn` and `longrope` are known");
                return Err(Error::new(Kind::BadInput, message));
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "factors are small floats")]
        let magnitude = self.float("rope.scaling.attn_factor")?.unwrap_or(1.0) as f32;
        rotation.magnitude *= magnitude;
        Ok(())
    }

    /// Applies the factors of Llama 3.1 and of Phi 3. Of the latter's two sets the long one is for sequences of more tokens
    /// than the model was first made for.
    fn divide(&self, rotation: &mut Rotation) -> Result<()> {
        let original = self.number("rope.scaling.original_context_length", CONTEXT_MAX)?;
        let set = if original.is_some_and(|original| self.window > original) { "long" } else { "short" };
        let names = ["rope_freqs.weight".to_owned(), format!("rope_factors_{set}.weight")];
        let Some((name, tensor)) = names.into_iter().find_map(|name| Some((name.clone(), self.gguf.tensor(&name)?)))
        else {
            return Ok(());
        };
        let mut factors = vec![0.0; tensor.shape.iter().product()];
        read_row(tensor.kind, &tensor.bytes, &mut factors);
        if factors.len() != rotation.frequencies.len() || factors.iter().any(|factor| !factor.is_normal()) {
            return Err(Error::new(Kind::Corrupt, format!("tensor `{name}` does not fit the heads")));
        }
        rotation.divide(factors);
        Ok(())
    }
}
