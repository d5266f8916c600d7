//! Folders of models as transformers saves them: `config.json`, weights in safetensors, in one file or several, and beside
//! them a tokenizer, a chat template and how tokens are drawn.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};

use super::bytes::Bytes;
use super::gguf::{TensorKind, TensorView};
use super::kernels::read_row;
use super::sample::Defaults;
use super::shape::{Config, Family};
use super::weights::Tensors;
use crate::{Error, Kind, Result, ResultExt};

/// Bytes of a file beside the weights; the largest `tokenizer.json` known have some 35 million.
const FILE_BYTES_MAX: u64 = 1 << 28;
/// Files that the weights may lie in; the largest models have some hundred.
const SHARDS_MAX: usize = 10_000;
/// Where the weights lie if they lie in one file.
const WEIGHTS: &str = "model.safetensors";
/// Which says in which file each tensor lies, if there are several.
const INDEX: &str = "model.safetensors.index.json";
/// What stands before the names of what reads and writes text, and what makes the scores is called; a model that sees as well
/// has others than one that does not.
const PLACES: [(&str, &str); 4] = [
    ("model.", "lm_head.weight"),
    ("language_model.model.", "language_model.lm_head.weight"),
    ("model.language_model.", "lm_head.weight"),
    ("", "lm_head.weight"),
];
/// What belongs to seeing.
const BESIDE: [&str; 4] =
    ["vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."];

/// What GGUF calls the parts of a layer, and what transformers does.
const PARTS: [(&str, &str); 14] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_qkv", "self_attn.qkv_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

/// A folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    config: Config,
    ties_embeddings: bool,
    place: (&'static str, &'static str),
    tensors: BTreeMap<String, TensorView>,
}

impl Folder {
    /// Reads what `config.json` and the headers of the weights say.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = path.join("config.json");
        let reading = || format!("reading `{}`", file.display());
        let fields = object(&file)?.ok_or_else(|| Error::new(Kind::NotFound, "it is not there")).context(reading)?;
        let config = Config::new(fields).context(reading)?;
        let ties_embeddings = config.ties_embeddings().context(reading)?;
        let mut tensors = BTreeMap::new();
        for shard in shards(path)? {
            let file = path.join(shard);
            read_shard(&Bytes::open(&file)?, &mut tensors).context(|| format!("reading `{}`", file.display()))?;
        }
        let has = |(prefix, _): &(&str, &str)| tensors.contains_key(&format!("{prefix}embed_tokens.weight"));
        let place = PLACES.into_iter().find(has).ok_or_else(|| {
            let message = format!("the weights in `{}` have no `model.embed_tokens.weight`", path.display());
            Error::new(Kind::BadInput, message)
        })?;
        Ok(Self { path: path.to_owned(), config, ties_embeddings, place, tensors })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the chat template: a file of its own, or part of what is said of the tokenizer, where the first one counts
    /// if there are several and none is the default.
    pub(super) fn template(&self) -> Result<Option<String>> {
        let file = self.path.join("chat_template.jinja");
        if file.exists() {
            let text = String::from_utf8(read(&file)?).map_err(|error| Error::from_source(Kind::BadInput, error));
            return text.context(|| format!("reading `{}`", file.display())).map(Some);
        }
        let config = object(&self.path.join("tokenizer_config.json"))?.unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(match config.get("chat_template") {
            Some(Value::Array(several)) => {
                let is_default = |value: &&Value| value.get("name").and_then(Value::as_str) == Some("default");
                several.iter().find(is_default).or(several.first()).and_then(|one| text(one.get("template")?))
            }
            other => other.and_then(text),
        })
    }

    /// Returns how the model wants its tokens drawn.
    pub(super) fn defaults(&self) -> Result<Defaults> {
        let config = object(&self.path.join("generation_config.json"))?;
        config.map_or(Ok(Defaults::default()), |config| Defaults::of(&Value::Object(config)))
    }

    /// Returns what this folder calls what GGUF calls `name`.
    fn own_name(&self, name: &str) -> String {
        let (prefix, head) = self.place;
        match name {
            "token_embd.weight" => return format!("{prefix}embed_tokens.weight"),
            "output_norm.weight" => return format!("{prefix}norm.weight"),
            "output.weight" => return head.to_owned(),
            _ => {}
        }
        let part = |part| match (self.config.family(), part) {
            (Family::Gemma3, "ffn_norm") => Some("pre_feedforward_layernorm"),
            (Family::Phi3, "ffn_up") => Some("mlp.gate_up_proj"),
            // Others have no norm there, and call another one by the same name.
            (family, "post_attention_norm") if family != Family::Gemma3 => None,
            _ => PARTS.iter().find(|(gguf, _)| *gguf == part).map(|(_, own)| *own),
        };
        let translated = || {
            let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
            let (of_gguf, kind) = rest.rsplit_once('.')?;
            Some(format!("{prefix}layers.{layer}.{}.{kind}", part(of_gguf)?))
        };
        translated().unwrap_or_else(|| name.to_owned())
    }
}

impl Tensors for Folder {
    fn called<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Cow::Owned(self.own_name(name))
    }

    fn tensor(&self, name: &str) -> Option<TensorView> {
        if name == "output.weight" && self.ties_embeddings {
            return None;
        }
        let tensor = self.tensors.get(&self.own_name(name))?;
        // Gemma stores its norms less one.
        if self.config.family() == Family::Gemma3 && name.ends_with("norm.weight") {
            return Some(plus_one(tensor));
        }
        Some(tensor.clone())
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        let is_read = |name: &&str| {
            let is_tied = *name == self.place.1 && self.ties_embeddings;
            // Frequencies of positions were stored once; they follow from the configuration.
            !is_tied && !name.ends_with(".rotary_emb.inv_freq") && !BESIDE.iter().any(|part| name.starts_with(part))
        };
        Box::new(self.tensors.keys().map(String::as_str).filter(is_read))
    }

    fn bytes(&self) -> u64 {
        self.names().filter_map(|name| self.tensors.get(name)).map(|tensor| tensor.bytes.len() as u64).sum()
    }
}

fn plus_one(tensor: &TensorView) -> TensorView {
    let mut values = vec![0.0; tensor.shape.iter().product()];
    read_row(tensor.kind, &tensor.bytes, &mut values);
    let bytes: Vec<u8> = values.iter().flat_map(|value| (value + 1.0).to_le_bytes()).collect();
    TensorView { kind: TensorKind::F32, shape: tensor.shape.clone(), bytes: bytes.into() }
}

/// Returns the names of the files that hold the weights.
fn shards(folder: &Path) -> Result<BTreeSet<String>> {
    let file = folder.join(INDEX);
    let Some(index) = object(&file)? else { return Ok(BTreeSet::from([WEIGHTS.to_owned()])) };
    let read = || {
        let map = index.get("weight_map").and_then(Value::as_object);
        let map = map.ok_or_else(|| Error::new(Kind::Corrupt, "it lacks `weight_map`"))?;
        let mut shards = BTreeSet::new();
        for value in map.values() {
            let name = value
                .as_str()
                .filter(|name| is_plain(name))
                .ok_or_else(|| Error::new(Kind::Corrupt, format!("{value} is no name of a file beside it")))?;
            shards.insert(name.to_owned());
        }
        if shards.len() > SHARDS_MAX {
            let message = format!("it names {} files, more than the {SHARDS_MAX} that can be", shards.len());
            return Err(Error::new(Kind::Limit, message));
        }
        Ok(shards)
    };
    read().context(|| format!("reading `{}`", file.display()))
}

/// Whether a name leads nowhere else.
fn is_plain(name: &str) -> bool {
    Path::new(name).components().count() == 1 && Path::new(name).file_name().is_some_and(|last| last == name)
}

/// Finds the tensors of one file.
fn read_shard(bytes: &Bytes, tensors: &mut BTreeMap<String, TensorView>) -> Result<()> {
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| {
        Error::new(Kind::Corrupt, "it is no whole safetensors file; fetch it again").caused_by(error)
    })?;
    // Before the header stands its length, in eight bytes.
    let data = header + 8;
    for (name, info) in metadata.tensors() {
        let kind = match info.dtype {
            Dtype::F32 => TensorKind::F32,
            Dtype::F16 => TensorKind::F16,
            Dtype::BF16 => TensorKind::BF16,
            other => {
                let message = format!("tensor `{name}` is stored as {other}; F32, F16 and BF16 can be read");
                return Err(Error::new(Kind::BadInput, message));
            }
        };
        let (start, end) = info.data_offsets;
        let view = TensorView { kind, shape: info.shape.clone(), bytes: bytes.slice(data + start..data + end) };
        tensors.insert(name, view);
    }
    Ok(())
}

/// Returns the folder that `safetensors:…` names: itself, or where a file of it lies.
pub(crate) fn folder_of(path: &str) -> Result<PathBuf> {
    let path = Path::new(path);
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    let beside = path.parent().filter(|_| path.is_file());
    beside.map(Path::to_owned).ok_or_else(|| {
        Error::new(
            Kind::NotFound,
            format!("there is no folder `{}` with `config.json` and safetensors", path.display()),
        )
    })
}

/// Reads a file beside the weights.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let read = || -> Result<Vec<u8>> {
        let len = fs::metadata(path)?.len();
        if len > FILE_BYTES_MAX {
            let message = format!("it has {len} bytes, more than the {FILE_BYTES_MAX} that can be");
            return Err(Error::new(Kind::Limit, message));
        }
        Ok(fs::read(path)?)
    };
    read().context(|| format!("reading `{}`", path.display()))
}

/// Reads an object from a file that may be missing.
pub(super) fn object(path: &Path) -> Result<Option<Map<String, Value>>> {
    if !path.exists() {
        return Ok(None);
    }
    let parsed = serde_json::from_slice(&read(path)?).map_err(|error| Error::from_source(Kind::BadInput, error));
    parsed.context(|| format!("reading `{}`", path.display())).map(Some)
}

#[cfg(test)]
mod tests;
