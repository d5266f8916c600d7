//! The weights of a decoder, taken from a file or a folder, packed for the kernels and held against the shape. A tensor that nobody
//! asks for is an error: it would change what the model says.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;

use super::gguf::{Gguf, TensorView};
use super::kernels::{Matrix, read_row};
use super::shape::{Family, Shape};
use crate::{Error, Kind, Result};

/// The tensors of a model, by the names that GGUF gives them.
pub(super) trait Tensors {
    /// Returns what the model itself calls a tensor.
    fn called<'a>(&self, name: &'a str) -> Cow<'a, str>;

    /// Returns a tensor.
    fn tensor(&self, name: &str) -> Option<TensorView>;

    /// Returns what the model calls the tensors of which each has to be taken.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;

    /// Returns how many bytes they have.
    fn bytes(&self) -> u64;
}

impl Tensors for Gguf {
    fn called<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(name)
    }

    fn tensor(&self, name: &str) -> Option<TensorView> {
        self.tensor(name)
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        // The factors of rotations were read with the shape.
        Box::new(self.tensor_names().filter(|name| !name.starts_with("rope_f")))
    }

    fn bytes(&self) -> u64 {
        self.tensor_names().filter_map(|name| self.tensor(name)).map(|tensor| tensor.bytes.len() as u64).sum()
    }
}

/// How weights are held where they are used.
pub(super) trait Hold {
    type Matrix;
    type Row;

    /// Takes a matrix.
    fn matrix(&self, tensor: &TensorView) -> Result<Self::Matrix>;

    /// Takes a row.
    fn row(&self, row: Vec<f32>) -> Result<Self::Row>;
}

/// Weights packed for the kernels.
#[derive(Debug)]
pub(super) struct Packed;

impl Hold for Packed {
    type Matrix = Matrix;
    type Row = Vec<f32>;

    fn matrix(&self, tensor: &TensorView) -> Result<Matrix> {
        Ok(Matrix::new(tensor))
    }

    fn row(&self, row: Vec<f32>) -> Result<Vec<f32>> {
        Ok(row)
    }
}

/// The weights of a decoder.
#[derive(Debug)]
pub(super) struct Weights<M = Matrix, R = Vec<f32>> {
    pub(super) embeddings: Embeddings<M>,
    pub(super) layers: Vec<Layer<M, R>>,
    pub(super) norm: R,
    /// None if the embeddings serve for it.
    output: Option<M>,
}

/// What tokens begin as.
#[derive(Debug)]
pub(super) enum Embeddings<M = Matrix> {
    /// Also makes the scores of the next token.
    Packed(M),
    /// Read where they lie.
    Stored(TensorView),
}

/// The weights of a layer.
#[derive(Debug)]
pub(super) struct Layer<M = Matrix, R = Vec<f32>> {
    pub(super) attention_norm: R,
    /// Queries, keys and values: one matrix each, or one for all.
    pub(super) attention_in: Vec<M>,
    /// Beside each of them.
    pub(super) attention_bias: Option<[R; 3]>,
    pub(super) query_norm: Option<R>,
    pub(super) key_norm: Option<R>,
    pub(super) attention_out: M,
    pub(super) attention_post_norm: Option<R>,
    pub(super) inner_norm: R,
    /// Gate and value: one matrix each, or one for both.
    pub(super) inner_in: Vec<M>,
    pub(super) inner_out: M,
    pub(super) inner_post_norm: Option<R>,
}

impl<M, R> Weights<M, R> {
    /// Takes the weights of a model.
    pub(super) fn new(tensors: &dyn Tensors, shape: &Shape, hold: &dyn Hold<Matrix = M, Row = R>) -> Result<Self> {
        let source = Source { tensors, hold, taken: RefCell::default() };
        let layers = (0..shape.layers.len()).map(|layer| Layer::new(&source, shape, layer)).collect::<Result<_>>()?;
        let output = source.matrix_if("output.weight", shape.vocabulary, shape.width)?;
        let embeddings = source.tensor("token_embd.weight", &[shape.vocabulary, shape.width])?;
        let embeddings = match &output {
            Some(_) => Embeddings::Stored(embeddings),
            None => Embeddings::Packed(hold.matrix(&embeddings)?),
        };
        let norm = source.row("output_norm.weight", shape.width)?;
        source.finish(shape)?;
        Ok(Self { embeddings, layers, norm, output })
    }

    /// Returns what makes the scores of the next token.
    pub(super) fn output(&self) -> &M {
        match (&self.output, &self.embeddings) {
            (Some(output), _) | (None, Embeddings::Packed(output)) => output,
            (None, Embeddings::Stored(_)) => unreachable!("`new` packs embeddings that serve for the output"),
        }
    }
}

impl Embeddings {
    /// Reads the row of a token.
    pub(super) fn row(&self, token: usize, out: &mut [f32]) {
        match self {
            Self::Packed(matrix) => matrix.row(token, out),
            Self::Stored(tensor) => tensor_row(tensor, token, out),
        }
    }
}

/// Reads a row of a tensor where it lies.
pub(super) fn tensor_row(tensor: &TensorView, row: usize, out: &mut [f32]) {
    let size = tensor.bytes.len() / tensor.shape[0];
    read_row(tensor.kind, &tensor.bytes[row * size..(row + 1) * size], out);
}

impl<M, R> Layer<M, R> {
    fn new(source: &Source<'_, M, R>, shape: &Shape, layer: usize) -> Result<Self> {
        let name = |name: &str| format!("blk.{layer}.{name}");
        let (width, inner, heads) = (shape.width, shape.inner, shape.heads);
        let (queries, keys) = (heads.queries * heads.width, heads.keys * heads.width);
        let matrix = |part: &str, outputs, inputs| source.matrix(&name(&format!("{part}.weight")), outputs, inputs);
        let row_if = |part: &str, len| source.row_if(&name(part), len);
        let attention_in = match source.matrix_if(&name("attn_qkv.weight"), queries + 2 * keys, width)? {
            Some(all) => vec![all],
            None => {
                vec![matrix("attn_q", queries, width)?, matrix("attn_k", keys, width)?, matrix("attn_v", keys, width)?]
            }
        };
        let bias = [row_if("attn_q.bias", queries)?, row_if("attn_k.bias", keys)?, row_if("attn_v.bias", keys)?];
        let attention_bias = match bias {
            [Some(query), Some(key), Some(value)] => Some([query, key, value]),
            [None, None, None] => None,
            _ => return Err(Error::new(Kind::Corrupt, format!("layer {layer} has some of its biases only"))),
        };
        // The gate of Phi 3 is the first half of what others call the value.
        let inner_in = match shape.family {
            Family::Phi3 => vec![matrix("ffn_up", 2 * inner, width)?],
            _ => vec![matrix("ffn_gate", inner, width)?, matrix("ffn_up", inner, width)?],
        };
        Ok(Self {
            attention_norm: source.row(&name("attn_norm.weight"), width)?,
            attention_in,
            attention_bias,
            query_norm: row_if("attn_q_norm.weight", heads.width)?,
            key_norm: row_if("attn_k_norm.weight", heads.width)?,
            attention_out: matrix("attn_output", width, queries)?,
            attention_post_norm: row_if("post_attention_norm.weight", width)?,
            inner_norm: source.row(&name("ffn_norm.weight"), width)?,
            inner_in,
            inner_out: matrix("ffn_down", width, inner)?,
            inner_post_norm: row_if("post_ffw_norm.weight", width)?,
        })
    }
}

/// A model, and what was taken of it.
struct Source<'a, M, R> {
    tensors: &'a dyn Tensors,
    hold: &'a dyn Hold<Matrix = M, Row = R>,
    taken: RefCell<BTreeSet<String>>,
}

impl<M, R> Source<'_, M, R> {
    fn tensor_if(&self, name: &str, shape: &[usize]) -> Result<Option<TensorView>> {
        let Some(tensor) = self.tensors.tensor(name) else { return Ok(None) };
        let called = self.tensors.called(name);
        if tensor.shape != shape {
            let found = &tensor.shape;
            let message = format!("tensor `{called}` has the shape {found:?}, and its metadata asks for {shape:?}");
            return Err(Error::new(Kind::Corrupt, message));
        }
        self.taken.borrow_mut().insert(called.into_owned());
        Ok(Some(tensor))
    }

    fn lacks(&self, name: &str) -> Error {
        Error::new(Kind::Corrupt, format!("it lacks the tensor `{}`", self.tensors.called(name)))
    }

    fn tensor(&self, name: &str, shape: &[usize]) -> Result<TensorView> {
        self.tensor_if(name, shape)?.ok_or_else(|| self.lacks(name))
    }

    fn matrix_if(&self, name: &str, outputs: usize, inputs: usize) -> Result<Option<M>> {
        self.tensor_if(name, &[outputs, inputs])?.map(|tensor| self.hold.matrix(&tensor)).transpose()
    }

    fn matrix(&self, name: &str, outputs: usize, inputs: usize) -> Result<M> {
        self.hold.matrix(&self.tensor(name, &[outputs, inputs])?)
    }

    fn row_if(&self, name: &str, len: usize) -> Result<Option<R>> {
        let Some(tensor) = self.tensor_if(name, &[len])? else { return Ok(None) };
        let mut row = vec![0.0; len];
        read_row(tensor.kind, &tensor.bytes, &mut row);
        self.hold.row(row).map(Some)
    }

    fn row(&self, name: &str, len: usize) -> Result<R> {
        self.row_if(name, len)?.ok_or_else(|| self.lacks(name))
    }

    /// Names a tensor that was not taken.
    fn finish(&self, shape: &Shape) -> Result<()> {
        let taken = self.taken.borrow();
        let left = self.tensors.names().find(|name| !taken.contains(*name));
        let Some(name) = left else { return Ok(()) };
        let message = format!("a model of the form {:?} has no tensor `{name}`; it cannot be run", shape.family);
        Err(Error::new(Kind::BadInput, message))
    }
}
