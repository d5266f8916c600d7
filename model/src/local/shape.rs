//! The shape of a decoder, read from the metadata of a GGUF file: how many layers, how wide, and where the relatives of
//! Llama differ from it (Touvron et al. 2023). Names and defaults of the metadata are those that llama.cpp reads.

use super::gguf::Gguf;
use super::kernels::Heads;
use crate::{Error, Kind, Result};

/// Layers that a model may have; the largest have some hundred.
const LAYERS_MAX: u64 = 1024;
/// Components of a row, or of a layer between, that a model may have.
const WIDTH_MAX: u64 = 1 << 20;

/// The shape of a decoder.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) family: Family,
    pub(super) layers: usize,
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
    pub(super) rotation: Rotation,
    /// The rotation of layers with a window, where it is another one.
    pub(super) window_rotation: Option<Rotation>,
    /// How many tokens back layers see that do not see all.
    pub(super) window: Option<usize>,
    /// Every so many layers one sees all tokens; the others have the window. 1 if all do as one.
    pub(super) window_step: usize,
    /// Every so many layers one does not rotate; none if all do.
    pub(super) still_step: Option<usize>,
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
    /// The names by which files call them.
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("llama", Self::Llama),
        ("qwen2", Self::Qwen2),
        ("qwen3", Self::Qwen3),
        ("gemma3", Self::Gemma3),
        ("phi3", Self::Phi3),
        ("smollm3", Self::SmolLm3),
    ];

    fn of(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, family)| *family).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|(name, _)| format!("`{name}`")).collect();
            let message = format!("it is a model of the form `{name}`, and {} can be run", known.join(", "));
            Error::new(Kind::BadInput, message)
        })
    }

    /// Whether components that are rotated together lie beside each other in GGUF, and not half a head apart.
    fn rotates_neighbours(self) -> bool {
        matches!(self, Self::Llama | Self::SmolLm3)
    }
}

/// What stands between the gate and the value beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    Silu,
    Gelu,
}

/// How positions turn queries and keys (Su et al. 2021).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rotation {
    /// By how much each pair of components turns with every token.
    pub(super) frequencies: Vec<f32>,
    /// What the turned components are multiplied by.
    pub(super) magnitude: f32,
    /// Whether a pair lies side by side, and not half of what is turned apart.
    pub(super) neighbours: bool,
}

impl Rotation {
    /// Turns `dimensions` components with the base of the frequencies.
    pub(super) fn new(dimensions: usize, base: f64, neighbours: bool) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "frequencies are floats")]
        let frequency = |pair: usize| base.powf(-2.0 * pair as f64 / dimensions as f64) as f32;
        Self { frequencies: (0..dimensions / 2).map(frequency).collect(), magnitude: 1.0, neighbours }
    }

    /// Divides each frequency.
    pub(super) fn divide(&mut self, factors: impl IntoIterator<Item = f32>) {
        self.frequencies.iter_mut().zip(factors).for_each(|(frequency, factor)| *frequency /= factor);
    }

    /// Stretches low frequencies and keeps high ones (`YaRN`, Peng et al. 2023), with the bounds 32 and 1 of that paper.
    pub(super) fn stretch(&mut self, factor: f32, base: f64, original: usize) {
        let dimensions = 2.0 * self.frequencies.len() as f64;
        let bound =
            |turns: f64| dimensions * (original as f64 / (turns * std::f64::consts::TAU)).ln() / (2.0 * base.ln());
        let (low, high) = (bound(32.0).floor().max(0.0), bound(1.0).ceil().min(dimensions - 1.0));
        for (pair, frequency) in self.frequencies.iter_mut().enumerate() {
            #[expect(clippy::cast_possible_truncation, reason = "a share between 0 and 1")]
            let kept = (1.0 - ((pair as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0)) as f32;
            *frequency = *frequency / factor * (1.0 - kept) + *frequency * kept;
        }
        self.magnitude *= 0.1f32.mul_add(factor.ln(), 1.0);
    }
}

/// Reads the metadata of one architecture.
struct Reader<'a> {
    gguf: &'a Gguf,
    family: &'a str,
    window: usize,
}

impl Reader<'_> {
    fn name(&self, name: &str) -> String {
        format!("{}.{name}", self.family)
    }

    fn number(&self, name: &str, most: u64) -> Result<Option<usize>> {
        let name = self.name(name);
        let Some(number) = self.gguf.number(&name)? else { return Ok(None) };
        let fits = usize::try_from(number).ok().filter(|_| number <= most);
        let wrong = || Error::new(Kind::Corrupt, format!("`{name}` is {number}, more than the {most} that can be"));
        fits.map(Some).ok_or_else(wrong)
    }

    fn needed(&self, name: &str, most: u64) -> Result<usize> {
        match self.number(name, most)? {
            Some(0) => Err(Error::new(Kind::Corrupt, format!("`{}` is 0", self.name(name)))),
            Some(number) => Ok(number),
            None => Err(Error::new(Kind::Corrupt, format!("it lacks `{}`", self.name(name)))),
        }
    }

    fn float(&self, name: &str) -> Result<Option<f64>> {
        self.gguf.float(&self.name(name))
    }
}

/// Returns for how many tokens a model was made.
pub(super) fn context_of(gguf: &Gguf) -> Result<usize> {
    let family = gguf.text("general.architecture")?.unwrap_or_default();
    Family::of(family)?;
    Reader { gguf, family, window: 0 }.needed("context_length", u64::from(u32::MAX))
}

impl Shape {
    /// Reads the shape of a file, for sequences of at most `window` tokens.
    pub(super) fn of_gguf(gguf: &Gguf, window: usize) -> Result<Self> {
        let name = gguf.text("general.architecture")?;
        let name = name.ok_or_else(|| Error::new(Kind::Corrupt, "it lacks `general.architecture`"))?;
        let family = Family::of(name)?;
        let reader = Reader { gguf, family: name, window };
        let width = reader.needed("embedding_length", WIDTH_MAX)?;
        let heads = reader.heads(width)?;
        let layers = reader.needed("block_count", LAYERS_MAX)?;
        let embeddings = gguf.tensor("token_embd.weight");
        let vocabulary = embeddings.filter(|tensor| tensor.shape.len() == 2).map(|tensor| tensor.shape[0]);
        let vocabulary = vocabulary.ok_or_else(|| Error::new(Kind::Corrupt, "it lacks `token_embd.weight`"))?;
        let (rotation, window_rotation) = reader.rotations(family, heads)?;
        let sliding = reader.number("attention.sliding_window", u64::from(u32::MAX))?.filter(|window| *window > 0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "all are small floats")]
        let shape = Self {
            family,
            layers,
            width,
            inner: reader.needed("feed_forward_length", WIDTH_MAX)?,
            heads,
            vocabulary,
            epsilon: reader.float("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5) as f32,
            score_scale: score_scale(family, layers, width, heads),
            embedding_scale: if family == Family::Gemma3 { (width as f32).sqrt() } else { 1.0 },
            activation: if family == Family::Gemma3 { Activation::Gelu } else { Activation::Silu },
            rotation,
            window_rotation,
            // Others that name a window see all tokens in the runtime whose answers are expected.
            window: sliding.filter(|_| family == Family::Gemma3),
            window_step: if family == Family::Gemma3 { 6 } else { 1 },
            still_step: (family == Family::SmolLm3).then_some(4),
        };
        Ok(shape)
    }

    /// Whether a layer sees only the window.
    pub(super) fn window_of(&self, layer: usize) -> Option<usize> {
        self.window.filter(|_| !(layer + 1).is_multiple_of(self.window_step))
    }

    /// How a layer turns queries and keys.
    pub(super) fn rotation_of(&self, layer: usize) -> Option<&Rotation> {
        if self.still_step.is_some_and(|step| (layer + 1).is_multiple_of(step)) {
            return None;
        }
        Some(self.window_rotation.as_ref().filter(|_| self.window_of(layer).is_some()).unwrap_or(&self.rotation))
    }
}

/// Gemma 3 of 27 billion parameters, which is told by its 62 layers, scales by the width of a token's share.
fn score_scale(family: Family, layers: usize, width: usize, heads: Heads) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "widths are small")]
    let scale = |width: usize| 1.0 / (width as f32).sqrt();
    if family == Family::Gemma3 && layers == 62 { scale(width / heads.queries) } else { scale(heads.width) }
}

impl Reader<'_> {
    fn heads(&self, width: usize) -> Result<Heads> {
        let queries = self.needed("attention.head_count", WIDTH_MAX)?;
        let keys = self.number("attention.head_count_kv", WIDTH_MAX)?.unwrap_or(queries);
        let head = self.number("attention.key_length", WIDTH_MAX)?.unwrap_or(width / queries);
        let value = self.number("attention.value_length", WIDTH_MAX)?.unwrap_or(head);
        if keys == 0 || queries % keys != 0 || head == 0 || head % 2 != 0 || value != head {
            let message = format!("{queries} heads, {keys} of keys, {head} and {value} wide, do not fit together");
            return Err(Error::new(Kind::Corrupt, message));
        }
        Ok(Heads { queries, keys, width: head })
    }

    fn rotations(&self, family: Family, heads: Heads) -> Result<(Rotation, Option<Rotation>)> {
        let neighbours = family.rotates_neighbours();
        let dimensions = self.number("rope.dimension_count", WIDTH_MAX)?.unwrap_or(heads.width);
        if dimensions > heads.width || dimensions % 2 != 0 {
            let message = format!("{dimensions} components cannot be turned of {}", heads.width);
            return Err(Error::new(Kind::Corrupt, message));
        }
        let base = self.float("rope.freq_base")?.unwrap_or(10_000.0);
        let mut rotation = Rotation::new(dimensions, base, neighbours);
        self.scale(&mut rotation, base)?;
        self.divide(&mut rotation)?;
        let window_base = self.float("rope.freq_base_swa")?.unwrap_or(10_000.0);
        let of_window = (family == Family::Gemma3).then(|| Rotation::new(dimensions, window_base, neighbours));
        Ok((rotation, of_window))
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
                let original = self.needed("rope.scaling.original_context_length", u64::from(u32::MAX))?;
                rotation.stretch(factor, base, original);
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
        let original = self.number("rope.scaling.original_context_length", u64::from(u32::MAX))?;
        let set = if original.is_some_and(|original| self.window > original) { "long" } else { "short" };
        let names = ["rope_freqs.weight".to_owned(), format!("rope_factors_{set}.weight")];
        let Some((name, tensor)) = names.into_iter().find_map(|name| Some((name.clone(), self.gguf.tensor(&name)?)))
        else {
            return Ok(());
        };
        let mut factors = vec![0.0; tensor.shape.iter().product()];
        super::kernels::read_row(tensor.kind, &tensor.bytes, &mut factors);
        if factors.len() != rotation.frequencies.len() || factors.iter().any(|factor| !factor.is_normal()) {
            return Err(Error::new(Kind::Corrupt, format!("tensor `{name}` does not fit the heads")));
        }
        rotation.divide(factors);
        Ok(())
    }
}
