//! What a model directory says about its model: `config.json` and the small files of sentence-transformers beside it.
//! Everything that the encoder cannot do is refused here, by name, before any weight is read.

use std::path::Path;

use lorewell_model::{Error, Kind, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokenizers::normalizers::BertNormalizer;

use crate::Purpose;

/// Version of the int8 format. It is part of the fingerprint, as is everything that changes a vector.
pub(super) const FORMAT: u32 = 1;

/// The shape of a BERT encoder, by the names of `config.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Architecture {
    pub(super) model_type: String,
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    pub(super) hidden_act: Activation,
    pub(super) max_position_embeddings: usize,
    #[serde(default = "two_types")]
    pub(super) type_vocab_size: usize,
    #[serde(default = "tiny")]
    pub(super) layer_norm_eps: f32,
}

/// What `config.json` means where it says nothing.
fn two_types() -> usize {
    2
}

fn tiny() -> f32 {
    1e-12
}

/// The function between the two halves of a feed-forward layer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Activation {
    #[serde(rename = "gelu")]
    Gelu,
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh", alias = "gelu_fast")]
    GeluTanh,
    #[serde(rename = "relu")]
    Relu,
}

/// How the states of the tokens become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Pooling {
    Mean,
    Cls,
}

/// What some models expect before a text.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Prompts {
    #[serde(default)]
    query: String,
    #[serde(default)]
    passage: String,
}

impl Prompts {
    /// Takes the prompts that sentence-transformers would use by these names.
    fn read(config: &Value) -> Self {
        let prompt = |name: &str| Some(config.get("prompts")?.get(name)?.as_str()?.to_owned());
        let passage = prompt("passage").or_else(|| prompt("document"));
        Self { query: prompt("query").unwrap_or_default(), passage: passage.unwrap_or_default() }
    }

    /// Puts the prompt of a purpose before a text.
    pub(super) fn apply(&self, text: &str, purpose: Purpose) -> String {
        let prompt = match purpose {
            Purpose::Query => &self.query,
            Purpose::Passage => &self.passage,
        };
        format!("{prompt}{text}")
    }
}

/// A model, but for its weights and vocabulary.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Description {
    pub(super) name: String,
    pub(super) architecture: Architecture,
    pub(super) pooling: Pooling,
    /// Tokens that are read, the special ones included.
    pub(super) tokens_max: usize,
    pub(super) prompts: Prompts,
}

/// The whole of our `config.json`, beside `vocab.txt` and int8 shards.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Quantized {
    /// Must be [`FORMAT`].
    pub(super) lorewell_int8: u32,
    /// The digest that stands for this directory, so that opening it need not read all of it.
    pub(super) fingerprint: String,
    pub(super) description: Description,
    pub(super) normalizer: BertNormalizer,
}

impl Quantized {
    /// Reads our `config.json`, or nothing if it is someone else's.
    pub(super) fn parse(config: &Value) -> Result<Option<Self>> {
        let Some(format) = config.get("lorewell_int8") else { return Ok(None) };
        if *format != FORMAT {
            let message =
                format!("int8 format {format} is not the {FORMAT} that this version reads; convert the model again");
            return Err(Error::new(Kind::BadInput, message));
        }
        let quantized: Self = parse(config, "config.json")?;
        quantized.description.check()?;
        Ok(Some(quantized))
    }

    /// Returns what the ids of a text depend on.
    pub(super) fn tokenizer_parts(&self, vocabulary: &[u8]) -> [Vec<u8>; 2] {
        let normalizer = serde_json::to_vec(&self.normalizer).expect("a normaliser is four flags");
        [normalizer, vocabulary.to_vec()]
    }
}

impl Description {
    /// Reads a directory as published by sentence-transformers.
    pub(super) fn read(dir: &Path, config: &Value) -> Result<Self> {
        let family = config.get("model_type").and_then(Value::as_str).unwrap_or("nothing");
        if family != "bert" {
            let message = format!("`config.json` says `model_type` is `{family}`; only `bert` can embed");
            return Err(Error::new(Kind::BadInput, message));
        }
        let positions = config.get("position_embedding_type").and_then(Value::as_str).unwrap_or("absolute");
        if positions != "absolute" {
            let message = format!("`config.json` asks for `{positions}` positions; only `absolute` is supported");
            return Err(Error::new(Kind::BadInput, message));
        }
        let architecture: Architecture = parse(config, "config.json")?;
        let name = dir.canonicalize()?.file_name().map_or_else(|| "bert".into(), |name| name.display().to_string());
        let sentences = read_json(dir, "sentence_bert_config.json")?.unwrap_or_default();
        let stated = sentences.get("max_seq_length").and_then(Value::as_u64).and_then(|max| usize::try_from(max).ok());
        let tokens_max = stated.unwrap_or(usize::MAX).min(architecture.max_position_embeddings);
        let prompts = Prompts::read(&read_json(dir, "config_sentence_transformers.json")?.unwrap_or_default());
        refuse_extra_modules(dir)?;
        let description = Self { name, architecture, pooling: read_pooling(dir)?, tokens_max, prompts };
        description.check()?;
        Ok(description)
    }

    fn check(&self) -> Result<()> {
        let Architecture { hidden_size, num_attention_heads, intermediate_size, num_hidden_layers, .. } =
            self.architecture;
        let Architecture { type_vocab_size, vocab_size, .. } = self.architecture;
        let sizes =
            [hidden_size, num_attention_heads, intermediate_size, num_hidden_layers, type_vocab_size, vocab_size];
        // Wider than any BERT, and narrow enough that products of two sizes cannot overflow.
        let size_max = usize::from(u16::MAX) << 8;
        let sane = sizes.iter().all(|size| (1..size_max).contains(size)) && hidden_size <= usize::from(u16::MAX);
        if !sane || hidden_size % num_attention_heads != 0 {
            let message =
                format!("`config.json` has impossible sizes: {hidden_size} components in {num_attention_heads} heads");
            return Err(Error::new(Kind::BadInput, message));
        }
        // Two special tokens and at least one of the text.
        if !(3..=self.architecture.max_position_embeddings).contains(&self.tokens_max) {
            let message = format!("a limit of {} tokens leaves no room for text", self.tokens_max);
            return Err(Error::new(Kind::BadInput, message));
        }
        Ok(())
    }
}

fn read_pooling(dir: &Path) -> Result<Pooling> {
    // What sentence-transformers does with a directory that does not say.
    let Some(config) = read_json(dir, "1_Pooling/config.json")? else { return Ok(Pooling::Mean) };
    let on = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or_default();
    let modes = ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"];
    let modes: Vec<&str> = modes.into_iter().filter(|mode| on(&format!("pooling_mode_{mode}"))).collect();
    match modes[..] {
        ["cls_token"] => Ok(Pooling::Cls),
        ["mean_tokens"] => Ok(Pooling::Mean),
        _ => {
            let message =
                format!("`1_Pooling/config.json` asks for {modes:?}; `cls_token` or `mean_tokens` is supported");
            Err(Error::new(Kind::BadInput, message))
        }
    }
}

/// Refuses models with a step beyond encoder, pooling and normalisation, whose vectors would be wrong without it.
fn refuse_extra_modules(dir: &Path) -> Result<()> {
    let modules = read_json(dir, "modules.json")?.unwrap_or_default();
    let kinds = modules.as_array().into_iter().flatten().filter_map(|module| module.get("type")?.as_str());
    for kind in kinds {
        if !["Transformer", "Pooling", "Normalize"].iter().any(|known| kind.ends_with(known)) {
            let message = format!("`modules.json` asks for `{kind}`, which is not supported");
            return Err(Error::new(Kind::BadInput, message));
        }
    }
    Ok(())
}

/// Reads a JSON file, or nothing if there is none.
pub(super) fn read_json(dir: &Path, name: &str) -> Result<Option<Value>> {
    let bytes = match std::fs::read(dir.join(name)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::from(error).context(format!("reading `{}`", dir.join(name).display()))),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| invalid(&error, name))
}

fn parse<T: DeserializeOwned>(value: &Value, name: &str) -> Result<T> {
    T::deserialize(value).map_err(|error| invalid(&error, name))
}

fn invalid(error: &serde_json::Error, name: &str) -> Error {
    Error::new(Kind::BadInput, format!("`{name}` is not what a BERT model has there: {error}"))
}
