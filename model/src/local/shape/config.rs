//! The shape as `config.json` of a folder tells it. Names and defaults are those that transformers reads, and so is what
//! layers see: a window that GGUF files of the same model are run without counts here.

use serde_json::{Map, Value};

use super::rotation::Yarn;
use super::{
    Activation, CONTEXT_MAX, Family, LAYERS_MAX, LayerShape, Rotation, Shape, WIDTH_MAX, corrupt, heads, scale_of,
};
use crate::{Error, Kind, Result};

/// The names by which folders call families.
const FAMILIES: [(&str, Family); 8] = [
    ("llama", Family::Llama),
    ("mistral", Family::Llama),
    ("qwen2", Family::Qwen2),
    ("qwen3", Family::Qwen3),
    ("gemma3", Family::Gemma3),
    ("gemma3_text", Family::Gemma3),
    ("phi3", Family::Phi3),
    ("smollm3", Family::SmolLm3),
];
/// What changes a model in a way that cannot be run, unless it is null or false.
const REFUSED: [&str; 4] =
    ["attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention", "quantization_config"];

/// What `config.json` says of the part of a model that reads and writes text.
#[derive(Debug)]
pub(in super::super) struct Config {
    family: Family,
    /// What the file calls the family.
    form: String,
    fields: Fields,
}

/// The fields of an object.
#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

/// Kinds of layers, as the lists of transformers name them.
const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

impl Fields {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn wrong(name: &str, value: &Value, wanted: &str) -> Error {
        let value = value.to_string().chars().take(80).collect::<String>();
        corrupt(format!("`{name}` is {value} and should be {wanted}"))
    }

    fn number(&self, name: &str, most: u64) -> Result<Option<usize>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_u64().filter(|number| *number <= most).and_then(|number| usize::try_from(number).ok());
        number.map(Some).ok_or_else(|| Self::wrong(name, value, &format!("a whole number of at most {most}")))
    }

    fn needed(&self, name: &str, most: u64, default: Option<usize>) -> Result<usize> {
        match self.number(name, most)?.or(default) {
            Some(0) => Err(corrupt(format!("`{name}` is 0"))),
            Some(number) => Ok(number),
            None => Err(corrupt(format!("it lacks `{name}`"))),
        }
    }

    fn float(&self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let number = value.as_f64().filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| Self::wrong(name, value, "a number"))
    }

    /// A number above zero.
    fn positive(&self, name: &str) -> Result<Option<f64>> {
        let number = self.float(name)?;
        match number.filter(|number| *number <= 0.0) {
            Some(number) => Err(corrupt(format!("`{name}` is {number} and should be above 0"))),
            None => Ok(number),
        }
    }

    /// A number from 1 on, by which positions are stretched.
    fn factor(&self) -> Result<f32> {
        #[expect(clippy::cast_possible_truncation, reason = "factors are small floats")]
        let factor =
            self.float("factor")?.ok_or_else(|| corrupt("its scaling of positions lacks `factor`".into()))? as f32;
        if factor < 1.0 { Err(corrupt(format!("`factor` of positions is {factor}"))) } else { Ok(factor) }
    }

    fn flag(&self, name: &str) -> Result<Option<bool>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| Self::wrong(name, value, "true or false"))
    }

    fn text(&self, name: &str) -> Result<Option<&str>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or_else(|| Self::wrong(name, value, "text"))
    }

    fn list(&self, name: &str) -> Result<Option<&[Value]>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_array().map(|list| Some(&list[..])).ok_or_else(|| Self::wrong(name, value, "a list"))
    }

    fn floats(&self, name: &str) -> Result<Option<Vec<f32>>> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        #[expect(clippy::cast_possible_truncation, reason = "factors are small floats")]
        let float = |value: &Value| value.as_f64().map(|number| number as f32).filter(|number| number.is_normal());
        let floats = list.iter().map(|value| float(value).ok_or_else(|| Self::wrong(name, value, "a number but 0")));
        floats.collect::<Result<_>>().map(Some)
    }

    fn object(&self, name: &str) -> Result<Option<Self>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_object().map(|object| Some(Self(object.clone()))).ok_or_else(|| Self::wrong(name, value, "an object"))
    }
}

impl Config {
    /// Reads the file.
    pub(in super::super) fn new(fields: Map<String, Value>) -> Result<Self> {
        let fields = Fields(fields);
        let form = fields.text("model_type")?.ok_or_else(|| corrupt("it lacks `model_type`".into()))?.to_owned();
        let family = Family::of(&form, &FAMILIES)?;
        if let Some(name) = REFUSED.into_iter().find(|name| fields.get(name).is_some_and(|value| *value != false)) {
            return Err(Error::new(Kind::BadInput, format!("it sets `{name}`, with which a model cannot be run")));
        }
        // A model that sees as well keeps what belongs to text apart.
        let fields = fields.object("text_config")?.unwrap_or(fields);
        Ok(Self { family, form, fields })
    }

    pub(in super::super) fn family(&self) -> Family {
        self.family
    }

    /// Returns for how many tokens a model was made.
    pub(in super::super) fn context(&self) -> Result<usize> {
        let default = (self.family == Family::Gemma3).then_some(131_072);
        self.fields.needed("max_position_embeddings", CONTEXT_MAX, default)
    }

    /// Returns whether embeddings serve for the scores of the next token too, whatever else is stored.
    pub(in super::super) fn ties_embeddings(&self) -> Result<bool> {
        let default = matches!(self.family, Family::Gemma3 | Family::SmolLm3);
        Ok(self.fields.flag("tie_word_embeddings")?.unwrap_or(default))
    }

    fn heads(&self, width: usize) -> Result<super::Heads> {
        let (fields, is_gemma) = (&self.fields, self.family == Family::Gemma3);
        let queries = fields.needed("num_attention_heads", WIDTH_MAX, is_gemma.then_some(8))?;
        let keys = fields.number("num_key_value_heads", WIDTH_MAX)?;
        let default = match self.family {
            Family::Gemma3 => 256,
            Family::Qwen3 => 128,
            _ => width / queries,
        };
        let width = fields.number("head_dim", WIDTH_MAX)?.unwrap_or(default);
        heads(queries, keys.unwrap_or(if is_gemma { 4 } else { queries }), width, width)
    }

    fn activation(&self) -> Result<Activation> {
        let act = self.fields.text("hidden_activation")?;
        let default = if self.family == Family::Gemma3 { "gelu_pytorch_tanh" } else { "silu" };
        match act.or(self.fields.text("hidden_act")?).unwrap_or(default) {
            "silu" => Ok(Activation::Silu),
            "gelu_pytorch_tanh" | "gelu_new" => Ok(Activation::Gelu),
            other => {
                let message = format!("its activation is `{other}`; `silu` and `gelu_pytorch_tanh` can be run");
                Err(Error::new(Kind::BadInput, message))
            }
        }
    }

    /// Returns how far back layers with a window see, if any have one.
    fn window(&self) -> Result<Option<usize>> {
        let window = self.fields.number("sliding_window", CONTEXT_MAX)?.filter(|window| *window > 0);
        let is_used = match self.form.as_str() {
            "mistral" | "phi3" | "gemma3" | "gemma3_text" => true,
            "qwen2" | "qwen3" | "smollm3" => self.fields.flag("use_sliding_window")?.unwrap_or(false),
            _ => false,
        };
        Ok(window.filter(|_| is_used))
    }

    fn layers(&self) -> Result<Vec<LayerShape>> {
        let fields = &self.fields;
        let count = fields.needed("num_hidden_layers", LAYERS_MAX, (self.family == Family::Gemma3).then_some(26))?;
        let window = self.window()?;
        let kinds = fields.list("layer_types")?;
        let still = fields.list("no_rope_layers")?;
        for (name, list) in [("layer_types", kinds), ("no_rope_layers", still)] {
            if let Some(list) = list.filter(|list| list.len() != count) {
                return Err(corrupt(format!("`{name}` speaks of {} layers, and there are {count}", list.len())));
            }
        }
        let step = fields.number("sliding_window_pattern", LAYERS_MAX)?.unwrap_or(6);
        let first = fields.number("max_window_layers", CONTEXT_MAX)?.unwrap_or(28);
        let still_step = fields.number("no_rope_layer_interval", LAYERS_MAX)?.unwrap_or(4);
        let layer = |index: usize| -> Result<LayerShape> {
            let is_still = match still {
                _ if self.family != Family::SmolLm3 => false,
                Some(list) => list[index].as_u64() == Some(0),
                None => (index + 1).is_multiple_of(still_step),
            };
            let slides = match kinds.map(|kinds| kinds[index].as_str()) {
                Some(Some(SLIDING)) => true,
                Some(Some(FULL)) => false,
                Some(_) => {
                    let message = format!("layer {index} is none of `{FULL}` and `{SLIDING}`; it cannot be run");
                    return Err(Error::new(Kind::BadInput, message));
                }
                None => match self.family {
                    Family::Gemma3 => !(index + 1).is_multiple_of(step),
                    Family::Qwen2 | Family::Qwen3 => index >= first,
                    Family::SmolLm3 => is_still,
                    Family::Llama | Family::Phi3 => true,
                },
            };
            let rotation = usize::from(slides && self.family == Family::Gemma3);
            Ok(LayerShape { window: window.filter(|_| slides), rotation: Some(rotation).filter(|_| !is_still) })
        };
        (0..count).map(layer).collect()
    }

    /// Returns what is said of the positions of one kind of layers, by the new name or the old ones.
    fn positions(&self, layers: &str) -> Result<Fields> {
        if let Some(both) = self.fields.object("rope_parameters")? {
            return Ok(both.object(layers)?.unwrap_or(both));
        }
        let scaling = self.fields.object("rope_scaling")?.unwrap_or_default();
        Ok(if layers == FULL { scaling } else { Fields::default() })
    }

    fn rotations(&self, width: usize, window: usize) -> Result<Vec<Rotation>> {
        let full = self.positions(FULL)?;
        let share = full.float("partial_rotary_factor")?.or(self.fields.float("partial_rotary_factor")?).unwrap_or(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "widths are small, and what is cut off is meant to be"
        )]
        let dimensions = (width as f64 * share) as usize;
        if dimensions > width || dimensions == 0 || !dimensions.is_multiple_of(2) {
            return Err(corrupt(format!("{dimensions} components cannot be turned of {width}")));
        }
        let default = match self.family {
            Family::Gemma3 => 1_000_000.0,
            Family::SmolLm3 => 2_000_000.0,
            _ => 10_000.0,
        };
        let base = full.positive("rope_theta")?.or(self.fields.positive("rope_theta")?).unwrap_or(default);
        let mut rotation = Rotation::new(dimensions, base, false);
        self.scale(&full, &mut rotation, base, window)?;
        let mut rotations = vec![rotation];
        if self.family == Family::Gemma3 {
            let sliding = self.positions(SLIDING)?.positive("rope_theta")?;
            let base = sliding.or(self.fields.positive("rope_local_base_freq")?).unwrap_or(10_000.0);
            rotations.push(Rotation::new(dimensions, base, false));
        }
        Ok(rotations)
    }

    /// Stretches positions as the file says.
    fn scale(&self, positions: &Fields, rotation: &mut Rotation, base: f64, window: usize) -> Result<()> {
        let context = self.context()?;
        let original = || -> Result<usize> {
            let name = "original_max_position_embeddings";
            let said = positions.number(name, CONTEXT_MAX)?.or(self.fields.number(name, CONTEXT_MAX)?);
            Ok(said.filter(|original| *original > 1).unwrap_or(context))
        };
        #[expect(clippy::cast_possible_truncation, reason = "factors are small floats")]
        let float = |name: &str| Ok::<_, Error>(positions.float(name)?.map(|number| number as f32));
        match positions.text("rope_type")?.or(positions.text("type")?).unwrap_or("default") {
            // The dynamic one begins past the context, where no sequence comes here.
            "default" | "dynamic" => {}
            "linear" => rotation.divide(std::iter::repeat(positions.factor()?)),
            "llama3" => {
                let (low, high) = (float("low_freq_factor")?.unwrap_or(1.0), float("high_freq_factor")?.unwrap_or(4.0));
                if high <= low {
                    return Err(corrupt(format!("`high_freq_factor` is {high}, no more than the low one, {low}")));
                }
                rotation.stretch_llama3(positions.factor()?, low, high, original()?);
            }
            "yarn" => {
                let factor = positions.factor()?;
                let mut yarn = Yarn::new(factor, original()?);
                yarn.fast = positions.positive("beta_fast")?.unwrap_or(yarn.fast);
                yarn.slow = positions.positive("beta_slow")?.unwrap_or(yarn.slow);
                yarn.truncates = positions.flag("truncate")?.unwrap_or(true);
                rotation.stretch(yarn, base);
                let of_scales = match (float("mscale")?, float("mscale_all_dim")?) {
                    (Some(scale), Some(all)) if scale != 0.0 && all != 0.0 => {
                        Yarn::magnitude(factor, scale) / Yarn::magnitude(factor, all)
                    }
                    _ => Yarn::magnitude(factor, 1.0),
                };
                rotation.magnitude *= float("attention_factor")?.unwrap_or(of_scales);
            }
            "longrope" | "su" => {
                let original = original()?;
                let name = if window > original { "long_factor" } else { "short_factor" };
                let factors = positions.floats(name)?.ok_or_else(|| corrupt(format!("it lacks `{name}`")))?;
                if factors.len() != rotation.frequencies.len() {
                    return Err(corrupt(format!("`{name}` does not fit the heads")));
                }
                rotation.divide(factors);
                #[expect(clippy::cast_precision_loss, reason = "contexts are below 2^24")]
                let (context, original) = (context as f32, original as f32);
                let factor = float("factor")?.unwrap_or(context / original);
                let raised = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() };
                rotation.magnitude *= float("attention_factor")?.unwrap_or(raised);
            }
            other => {
                let known = "`linear`, `llama3`, `yarn` and `longrope` are known";
                let message = format!("its positions are stretched as `{other}`; {known}");
                return Err(Error::new(Kind::BadInput, message));
            }
        }
        Ok(())
    }
}

impl Shape {
    /// Reads the shape of a folder, for sequences of at most `window` tokens.
    pub(in super::super) fn of_config(config: &Config, window: usize) -> Result<Self> {
        let (fields, family) = (&config.fields, config.family);
        let is_gemma = family == Family::Gemma3;
        let width = fields.needed("hidden_size", WIDTH_MAX, is_gemma.then_some(2304))?;
        let heads = config.heads(width)?;
        let epsilon = if family == Family::Phi3 { 1e-5 } else { 1e-6 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "all are small floats")]
        Ok(Self {
            family,
            layers: config.layers()?,
            width,
            inner: fields.needed("intermediate_size", WIDTH_MAX, is_gemma.then_some(9216))?,
            heads,
            vocabulary: fields.needed("vocab_size", CONTEXT_MAX, is_gemma.then_some(262_208))?,
            epsilon: fields.positive("rms_norm_eps")?.unwrap_or(epsilon) as f32,
            score_scale: match fields.positive("query_pre_attn_scalar")?.filter(|_| is_gemma) {
                Some(width) => 1.0 / (width as f32).sqrt(),
                None => scale_of(if is_gemma { 256 } else { heads.width }),
            },
            embedding_scale: if is_gemma { (width as f32).sqrt() } else { 1.0 },
            activation: config.activation()?,
            rotations: config.rotations(heads.width, window)?,
        })
    }
}
