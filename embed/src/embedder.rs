//! The contract of an embedder: one trait, one cheap handle, and the matrix that comes back. Index and search know
//! nothing else of models.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use lorewell_model::{Result, semconv as name, span};
use tracing::Instrument as _;
use tracing::field::Empty;

/// What a text is embedded for. Some models expect a different prefix for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// A question that will be compared with passages.
    Query,
    /// A passage that will be stored.
    Passage,
}

/// What an embedder is. Two embedders with the same fingerprint give interchangeable vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The name for people: `all-MiniLM-L6-v2 (int8)`.
    pub name: String,
    /// A digest of weights, tokenizer, pooling and numeric format, in hexadecimal.
    pub fingerprint: String,
    /// Components of a vector.
    pub dims: NonZeroU32,
    /// Tokens of a text that are read; what lies beyond has no influence on its vector.
    pub tokens_max: u32,
}

/// A row-major matrix: one unit vector per text, in the order of the texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    dims: usize,
    data: Vec<f32>,
}

impl Vectors {
    /// Wraps row-major data.
    ///
    /// # Panics
    /// If `data` is not a whole number of rows of `dims` components.
    #[must_use]
    pub fn new(dims: usize, data: Vec<f32>) -> Self {
        assert!(dims > 0 && data.len().is_multiple_of(dims), "{} components are not rows of {dims}", data.len());
        Self { dims, data }
    }

    /// Returns the components of a row.
    #[must_use]
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len() / self.dims
    }

    /// Tells whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Returns one row.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.dims..(index + 1) * self.dims]
    }

    /// Iterates over the rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.data.chunks_exact(self.dims)
    }
}

/// What an embedder implements. Everyone else holds an [`Embedder`].
#[async_trait]
pub trait Embed: Send + Sync + fmt::Debug {
    /// Describes the embedder.
    fn info(&self) -> &Info;

    /// Turns each text into a unit vector, in order. Texts longer than [`Info::tokens_max`] are cut there.
    async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors>;

    /// Counts the tokens of a text, without special tokens. Chunkers size by it, so it must be fast: the cost of one
    /// word must not depend on the text around it.
    fn count_tokens(&self, text: &str) -> usize;
}

/// A handle on an embedder: cheap to clone, shared by all threads.
#[derive(Debug, Clone)]
pub struct Embedder(Arc<dyn Embed>);

impl Embedder {
    /// Wraps an implementation.
    pub fn new(embed: impl Embed + 'static) -> Self {
        Self(Arc::new(embed))
    }

    /// Describes the embedder.
    #[must_use]
    pub fn info(&self) -> &Info {
        self.0.info()
    }

    /// Turns each text into a unit vector, in order.
    ///
    /// # Errors
    /// What the implementation reports.
    pub async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors> {
        let span = self.span(texts.len());
        let embedded = self.0.embed(texts, purpose).instrument(span.clone()).await;
        embedded.inspect_err(|error| span::failed(&span, error))
    }

    /// Whoever implements it is not known, so it counts as a part of this process.
    fn span(&self, texts: usize) -> tracing::Span {
        let info = self.info();
        tracing::info_span!(
            target: span::TARGET,
            "embeddings",
            { name::SPAN_NAME } = %format_args!("embeddings {}", info.name),
            { name::SPAN_KIND } = "internal",
            { name::SPAN_STATUS } = Empty,
            { name::SPAN_STATUS_DESCRIPTION } = Empty,
            { name::OPERATION_NAME } = name::operation::EMBEDDINGS,
            { name::PROVIDER_NAME } = "lorewell",
            { name::REQUEST_MODEL } = info.name,
            { name::EMBEDDINGS_DIMENSION_COUNT } = info.dims.get(),
            { name::EMBEDDINGS_TEXTS } = texts,
            { name::ERROR_TYPE } = Empty,
        )
    }

    /// Counts the tokens of a text, without special tokens.
    #[must_use]
    pub fn count_tokens(&self, text: &str) -> usize {
        self.0.count_tokens(text)
    }
}
