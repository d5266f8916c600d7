//! The converter to int8: every weight matrix becomes signed bytes with a scale per embedding or group of inputs, laid out as the
//! kernels read them and cut into shards small enough to publish as crates.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use lorewell_model::{Error, Kind, Result, ResultExt};

use super::describe::{Architecture, Description, FORMAT, Quantized, read_json};
use super::tokenizer::Tokenizer;
use super::weights::{Tensors, WORDS};
use super::{find_shards, fingerprint};
use lorewell_model::local::Bytes;
use lorewell_model::local::kernels::{BYTE_INPUTS, BYTE_OUTPUTS};

/// Bytes of a shard. A crate registry takes 10 MB, headers and the vocabulary included.
const SHARD_BYTES_MAX: usize = 9_400_000;

/// Writes an int8 copy of the BERT model in `source` to the new or empty directory `target`, for
/// [`Embedder::open`](crate::Embedder::open). It is a quarter of the size; its vectors have a cosine of about 0.9997
/// to those of the source.
///
/// # Errors
/// `BadInput` if the source is not such a model or has another tokenizer than WordPiece, or if the target is not empty;
/// `Io` if a file cannot be written.
pub fn quantize(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<()> {
    let (source, target) = (source.as_ref(), target.as_ref());
    let run = || -> Result<()> {
        let config = read_json(source, "config.json")?;
        let config = config.ok_or_else(|| Error::new(Kind::NotFound, "there is no `config.json`"))?;
        let mut description = Description::read(source, &config)?;
        let Tokenizer::WordPiece(tokenizer) = Tokenizer::open(source)? else {
            return Err(Error::new(Kind::BadInput, "only models with a WordPiece tokenizer can be converted"));
        };
        let shards = find_shards(source)?.iter().map(|path| Bytes::open(path)).collect::<Result<Vec<_>>>()?;
        let mut writer = Writer::default();
        writer.model(&Tensors::open(&shards)?, &description.architecture)?;
        description.name.push_str(" (int8)");
        std::fs::create_dir_all(target)?;
        if std::fs::read_dir(target)?.next().is_some() {
            let message = "the target is not empty; parts of two models would mix, so name a new folder";
            return Err(Error::new(Kind::BadInput, message));
        }
        let shards = writer.save(target)?;
        let vocabulary = tokenizer.vocabulary().lines();
        std::fs::write(target.join("vocab.txt"), vocabulary)?;
        let normalizer = tokenizer.normalizer();
        let mut quantized = Quantized { lorewell_int8: FORMAT, fingerprint: String::new(), description, normalizer };
        quantized.fingerprint = fingerprint(&quantized.description, &quantized.tokenizer_parts(vocabulary), &shards);
        let json = serde_json::to_vec_pretty(&quantized).expect("a description has string keys and finite numbers");
        Ok(std::fs::write(target.join("config.json"), json)?)
    };
    run().context(|| format!("converting `{}` to `{}`", source.display(), target.display()))
}

/// Tensors by shard.
#[derive(Default)]
struct Writer {
    shards: Vec<HashMap<String, Tensor>>,
    room: usize,
}

impl Writer {
    fn model(&mut self, tensors: &Tensors, shape: &Architecture) -> Result<()> {
        let hidden = shape.hidden_size;
        self.table(tensors, WORDS, shape.vocab_size, hidden)?;
        self.table(tensors, "embeddings.position_embeddings.weight", shape.max_position_embeddings, hidden)?;
        self.copy(tensors, "embeddings.token_type_embeddings.weight", &[shape.type_vocab_size, hidden])?;
        self.norm(tensors, "embeddings", hidden)?;
        for index in 0..shape.num_hidden_layers {
            let layer = format!("encoder.layer.{index}");
            let attention = format!("{layer}.attention.self");
            let parts = ["query", "key", "value"].map(|part| format!("{attention}.{part}"));
            self.linear(tensors, &parts, &format!("{attention}.qkv"), hidden, hidden)?;
            for (name, inputs, outputs) in [
                (format!("{layer}.attention.output.dense"), hidden, hidden),
                (format!("{layer}.intermediate.dense"), hidden, shape.intermediate_size),
                (format!("{layer}.output.dense"), shape.intermediate_size, hidden),
            ] {
                self.linear(tensors, std::slice::from_ref(&name), &name, inputs, outputs)?;
            }
            self.norm(tensors, &format!("{layer}.attention.output"), hidden)?;
            self.norm(tensors, &format!("{layer}.output"), hidden)?;
        }
        Ok(())
    }

    fn norm(&mut self, tensors: &Tensors, name: &str, hidden: usize) -> Result<()> {
        self.copy(tensors, &format!("{name}.LayerNorm.weight"), &[hidden])?;
        self.copy(tensors, &format!("{name}.LayerNorm.bias"), &[hidden])
    }

    fn copy(&mut self, tensors: &Tensors, name: &str, shape: &[usize]) -> Result<()> {
        let values = tensors.floats(name, shape)?;
        self.put(name, Tensor::from_vec(values, shape, &Device::Cpu))
    }

    /// Writes the layers `sources`, one below the other, as the layer `name`.
    fn linear(
        &mut self,
        tensors: &Tensors,
        sources: &[String],
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<()> {
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for source in sources {
            weight.extend(tensors.floats(&format!("{source}.weight"), &[outputs, inputs])?);
            bias.extend(tensors.floats(&format!("{source}.bias"), &[outputs])?);
        }
        // Groups of all inputs of an output, then of the next.
        let (bytes, scale): (Vec<_>, Vec<_>) = weight.chunks_exact(inputs).map(|row| to_int8(row, BYTE_INPUTS)).unzip();
        let (bytes, scale) = (bytes.concat(), scale.concat());
        let rows = bias.len();
        let (panels, groups) = (rows.div_ceil(BYTE_OUTPUTS), inputs.div_ceil(BYTE_INPUTS));
        self.put(
            &format!("{name}.weight"),
            Tensor::from_vec(pack(&bytes, inputs), (panels, inputs, BYTE_OUTPUTS), &Device::Cpu),
        )?;
        self.put(
            &format!("{name}.scale"),
            Tensor::from_vec(pack(&scale, groups), (panels, groups, BYTE_OUTPUTS), &Device::Cpu),
        )?;
        self.put(&format!("{name}.bias"), Tensor::from_vec(bias, rows, &Device::Cpu))
    }

    fn table(&mut self, tensors: &Tensors, name: &str, rows: usize, dims: usize) -> Result<()> {
        let (bytes, scale) = to_int8(&tensors.floats(name, &[rows, dims])?, dims);
        for (index, bytes) in bytes.chunks(SHARD_BYTES_MAX / dims * dims).enumerate() {
            let tensor = Tensor::from_slice(bytes, (bytes.len() / dims, dims), &Device::Cpu);
            self.put(&format!("{name}.{index}"), tensor)?;
        }
        self.put(&format!("{name}.scale"), Tensor::from_vec(scale, rows, &Device::Cpu))
    }

    fn put(&mut self, name: &str, tensor: candle_core::Result<Tensor>) -> Result<()> {
        let tensor =
            tensor.map_err(|error| Error::new(Kind::Internal, format!("`{name}` has no shape")).caused_by(error))?;
        let bytes = tensor.elem_count() * tensor.dtype().size_in_bytes();
        if self.shards.is_empty() || bytes > self.room {
            self.shards.push(HashMap::new());
            self.room = SHARD_BYTES_MAX;
        }
        self.room = self.room.saturating_sub(bytes);
        self.shards.last_mut().expect("a shard was pushed above").insert(name.to_owned(), tensor);
        Ok(())
    }

    fn save(&self, dir: &Path) -> Result<Vec<Bytes>> {
        let mut saved = Vec::new();
        for (index, shard) in self.shards.iter().enumerate() {
            let path = dir.join(format!("model-{index:02}.safetensors"));
            candle_core::safetensors::save(shard, &path)
                .map_err(|error| Error::new(Kind::Io, format!("cannot write `{}`", path.display())).caused_by(error))?;
            saved.push(Bytes::open(&path)?);
        }
        Ok(saved)
    }
}

/// Rounds each group of `len` to signed bytes, as their bit patterns, and returns them with the scale of each group.
fn to_int8(values: &[f32], len: usize) -> (Vec<u8>, Vec<f32>) {
    let mut bytes = Vec::with_capacity(values.len());
    let mut scales = Vec::with_capacity(values.len().div_ceil(len));
    for group in values.chunks(len) {
        let top = group.iter().fold(0.0_f32, |top, value| top.max(value.abs()));
        let scale = top / f32::from(i8::MAX);
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, reason = "the scale brings the group to -127..=127")]
        bytes.extend(group.iter().map(|value| ((value * inverse).round() as i8).cast_unsigned()));
        scales.push(scale);
    }
    (bytes, scales)
}

/// Lays rows out in panels of [`BYTE_OUTPUTS`] rows: for each input, the weights of its 32 outputs beside each other.
fn pack<T: Copy + Default>(weight: &[T], inputs: usize) -> Vec<T> {
    let outputs = weight.len() / inputs;
    let mut packed = vec![T::default(); outputs.next_multiple_of(BYTE_OUTPUTS) * inputs];
    for (output, row) in weight.chunks_exact(inputs).enumerate() {
        let panel = &mut packed[output / BYTE_OUTPUTS * inputs * BYTE_OUTPUTS..];
        for (input, value) in row.iter().enumerate() {
            panel[input * BYTE_OUTPUTS + output % BYTE_OUTPUTS] = *value;
        }
    }
    packed
}
