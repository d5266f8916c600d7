//! The weights of a model: safetensors shards, read through candle, and the two shapes the encoder needs them in, [`Matrix`]
//! (packed for the kernels) and [`Table`] (rows that are looked up). Both come as floats of a published model or as int8 of
//! ours, where scales make up for the range: `value = scale * int8`.
//!
//! candle owns tensors while they are read and converted. The hot path works on packed weights and plain slices, because it
//! never needs a shape that is not known when the model is opened.

use std::collections::HashMap;

use candle_core::safetensors::SliceSafetensors;
use candle_core::{DType, Device, Tensor};
use lorewell_model::{Error, Kind, Result};

use lorewell_model::local::Bytes;
use lorewell_model::local::kernels::{BYTE_INPUTS, BYTE_OUTPUTS, Matrix, Tier};

/// The tensors of a model by name.
#[derive(Debug)]
pub(super) struct Tensors {
    entries: HashMap<String, Entry>,
    prefix: &'static str,
}

#[derive(Debug)]
struct Entry {
    dtype: DType,
    shape: Vec<usize>,
    bytes: Bytes,
}

/// What exporters put before the names of the encoder's tensors.
const PREFIXES: [&str; 4] = ["", "bert.", "model.", "0.auto_model."];

fn corrupt(what: impl Into<String>) -> Error {
    Error::new(Kind::Corrupt, what)
}

impl Tensors {
    /// Reads the headers of the shards.
    pub(super) fn open(shards: &[Bytes]) -> Result<Self> {
        let mut entries = HashMap::new();
        for shard in shards {
            let file = SliceSafetensors::new(shard).map_err(|error| {
                corrupt("the weights are not a whole safetensors file; fetch them again").caused_by(error)
            })?;
            for (name, view) in file.tensors() {
                // Published files carry integer tensors such as `position_ids`, some of kinds candle lacks.
                let Ok(dtype) = DType::try_from(view.dtype()) else { continue };
                let start = view.data().as_ptr().addr() - shard.as_ptr().addr();
                let bytes = shard.slice(start..start + view.data().len());
                entries.insert(name, Entry { dtype, shape: view.shape().to_vec(), bytes });
            }
        }
        let has_words = |prefix: &&str| {
            entries.keys().any(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(WORDS)))
        };
        let prefix = PREFIXES.into_iter().find(has_words);
        let prefix = prefix.ok_or_else(|| {
            Error::new(Kind::BadInput, format!("the weights have no `{WORDS}`; only BERT encoders can embed"))
        })?;
        Ok(Self { entries, prefix })
    }

    fn has(&self, name: &str) -> bool {
        self.entries.contains_key(&format!("{}{name}", self.prefix))
    }

    fn entry(&self, name: &str, shape: &[usize]) -> Result<&Entry> {
        let entry = self.entries.get(&format!("{}{name}", self.prefix));
        let entry = entry.ok_or_else(|| corrupt(format!("the weights lack `{name}`")))?;
        if entry.shape != shape {
            let found = &entry.shape;
            return Err(corrupt(format!("`{name}` has shape {found:?}, but `config.json` asks for {shape:?}")));
        }
        Ok(entry)
    }

    /// Reads a tensor as floats, whatever float type it is stored in.
    pub(super) fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let entry = self.entry(name, shape)?;
        let read = || -> candle_core::Result<Vec<f32>> {
            let tensor = Tensor::from_raw_buffer(&entry.bytes, entry.dtype, shape, &Device::Cpu)?;
            tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()
        };
        read().map_err(|error| corrupt(format!("`{name}` cannot be read as floats")).caused_by(error))
    }

    fn int8(&self, name: &str, shape: &[usize]) -> Result<Option<Bytes>> {
        match self.entries.get(&format!("{}{name}", self.prefix)) {
            Some(entry) if entry.dtype == DType::U8 => Ok(Some(self.entry(name, shape)?.bytes.clone())),
            _ => Ok(None),
        }
    }

    /// Reads a layer: `{name}.weight` and `{name}.bias`, or our panels with `{name}.scale`.
    pub(super) fn linear(&self, name: &str, inputs: usize, outputs: usize) -> Result<Matrix> {
        let panels = outputs.div_ceil(BYTE_OUTPUTS);
        let bias = self.floats(&format!("{name}.bias"), &[outputs])?;
        if let Some(bytes) = self.int8(&format!("{name}.weight"), &[panels, inputs, BYTE_OUTPUTS])? {
            let groups = inputs.div_ceil(BYTE_INPUTS);
            let scales = self.floats(&format!("{name}.scale"), &[panels, groups, BYTE_OUTPUTS])?;
            let matrix = Matrix::from_bytes(&bytes, &scales, outputs, inputs);
            bytes.let_go();
            return Ok(matrix.bias(&bias));
        }
        let weight = self.floats(&format!("{name}.weight"), &[outputs, inputs])?;
        Ok(Matrix::from_floats(&weight, outputs).bias(&bias))
    }

    /// Reads query, key and value as one layer: `{name}.qkv`, or the three of a published model.
    pub(super) fn qkv(&self, name: &str, hidden: usize) -> Result<Matrix> {
        if self.has(&format!("{name}.qkv.weight")) {
            return self.linear(&format!("{name}.qkv"), hidden, 3 * hidden);
        }
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for part in ["query", "key", "value"] {
            weight.extend(self.floats(&format!("{name}.{part}.weight"), &[hidden, hidden])?);
            bias.extend(self.floats(&format!("{name}.{part}.bias"), &[hidden])?);
        }
        Ok(Matrix::from_floats(&weight, 3 * hidden).bias(&bias))
    }
}

/// The table of word embeddings, which every encoder has.
pub(super) const WORDS: &str = "embeddings.word_embeddings.weight";

/// A table of embeddings, one row per token, position or type.
#[derive(Debug)]
pub(super) struct Table {
    dims: usize,
    values: TableValues,
}

#[derive(Debug)]
enum TableValues {
    F32(Vec<f32>),
    /// Floats in the file itself, which is little-endian.
    F32Mapped(Bytes),
    /// Rows in one or more shards of `shard_rows` each, and a scale per row.
    Int8 {
        shards: Vec<Bytes>,
        shard_rows: usize,
        scale: Vec<f32>,
    },
}

impl Table {
    /// Reads a table: `{name}`, or our shards `{name}.0`, `{name}.1`, … with `{name}.scale`.
    pub(super) fn read(tensors: &Tensors, name: &str, rows: usize, dims: usize) -> Result<Self> {
        if tensors.has(&format!("{name}.0")) {
            return Self::read_int8(tensors, name, rows, dims);
        }
        let entry = tensors.entry(name, &[rows, dims])?;
        let values = if entry.dtype == DType::F32 && cfg!(target_endian = "little") {
            TableValues::F32Mapped(entry.bytes.clone())
        } else {
            TableValues::F32(tensors.floats(name, &[rows, dims])?)
        };
        Ok(Self { dims, values })
    }

    fn read_int8(tensors: &Tensors, name: &str, rows: usize, dims: usize) -> Result<Self> {
        let scale = tensors.floats(&format!("{name}.scale"), &[rows])?;
        let mut shards = Vec::new();
        let mut rows_left = rows;
        let mut shard_rows = 0;
        while rows_left > 0 {
            let shard = format!("{name}.{}", shards.len());
            let found = tensors.entries.get(&format!("{}{shard}", tensors.prefix));
            let found =
                found.and_then(|entry| entry.shape.first().copied()).filter(|rows| (1..=rows_left).contains(rows));
            let found =
                found.ok_or_else(|| corrupt(format!("the weights lack `{shard}` with {rows_left} rows or fewer")))?;
            shard_rows = if shards.is_empty() { found } else { shard_rows };
            if found != shard_rows.min(rows_left) {
                return Err(corrupt(format!("`{shard}` has {found} rows where {} are due", shard_rows.min(rows_left))));
            }
            let bytes = tensors.int8(&shard, &[found, dims])?;
            shards.push(bytes.ok_or_else(|| corrupt(format!("`{shard}` does not hold bytes")))?);
            rows_left -= found;
        }
        Ok(Self { dims, values: TableValues::Int8 { shards, shard_rows, scale } })
    }

    /// Adds one row to `out`.
    pub(super) fn add_row(&self, tier: Tier, row: usize, out: &mut [f32]) {
        let range = row * self.dims..(row + 1) * self.dims;
        match &self.values {
            TableValues::F32(values) => tier.add(out, &values[range]),
            TableValues::F32Mapped(bytes) => {
                let (values, _) = bytes[range.start * size_of::<f32>()..range.end * size_of::<f32>()].as_chunks();
                for (out, value) in out.iter_mut().zip(values) {
                    *out += f32::from_le_bytes(*value);
                }
            }
            TableValues::Int8 { shards, shard_rows, scale } => {
                let start = row % shard_rows * self.dims;
                tier.add_scaled(out, &shards[row / shard_rows][start..start + self.dims], scale[row]);
            }
        }
    }
}
