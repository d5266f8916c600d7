//! Local embedders of the BERT architecture: a directory as sentence-transformers publishes it, the same in our int8
//! format, or the all-MiniLM-L6-v2 inside the binary. A call is tokenised, packed into batches without padding,
//! and encoded on all cores; the vector of a text does not depend, to the last bit, on the texts around it.

mod bert;
mod describe;
mod quantize;
#[cfg(test)]
mod tests;
mod tokenizer;
mod weights;
mod wordpiece;

use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use async_trait::async_trait;
use lorewell_model::{Error, Kind, Result, ResultExt};
use rayon::prelude::*;

use self::bert::{Encoder, Scratch};
#[cfg(test)]
use self::describe::Pooling;
use self::describe::{Description, FORMAT, Prompts, Quantized, read_json};
pub use self::quantize::quantize;
use self::tokenizer::Tokenizer;
use self::weights::Tensors;
use self::wordpiece::WordPiece;
use crate::{Embed, Embedder, Info, Purpose, Vectors};
use lorewell_model::local::Bytes;
use lorewell_model::local::kernels::{Threads, Tier};

/// Tokens of one forward pass: enough rows to amortise the unpacking of weights, few enough that the widest
/// activations (1.5 MB for MiniLM) stay near the core.
const BATCH_TOKENS: usize = 256;

/// Version of what is computed with int8 weights; since 2 activations are rounded too, since 3 to 8 bits. Vectors of another
/// version are close, but not the same, so it is part of the fingerprint that indexes and caches know a model by.
const INT8_ARITHMETIC: u32 = 3;

impl Embedder {
    /// Opens the all-MiniLM-L6-v2 inside the binary, quantised to int8.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> lorewell_model::Result<()> {
    /// use lorewell_embed::{Embedder, Purpose, dot};
    ///
    /// let embedder = Embedder::bundled()?;
    /// let vectors = embedder.embed(&["a cat", "a kitten", "a tax form"], Purpose::Passage).await?;
    /// assert!(dot(vectors.row(0), vectors.row(1)) > dot(vectors.row(0), vectors.row(2)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Corrupt` if the binary is damaged.
    #[cfg(feature = "bundled-minilm")]
    pub fn bundled() -> Result<Self> {
        Local::bundled().map(Self::new)
    }

    /// Opens a directory with a model of the BERT architecture (`model_type` = `bert`): `config.json`, `tokenizer.json`
    /// or `vocab.txt`, and `model.safetensors`; the small files of sentence-transformers are read where present. Also opens what
    /// [`quantize`] wrote. The files may be replaced while they are in use, but must not be rewritten in place.
    ///
    /// # Errors
    /// `NotFound` if a file is missing, `BadInput` if it is another kind of model, `Corrupt` if a file is damaged.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        Local::open(dir).map(Self::new).context(|| format!("opening the embedder `{}`", dir.display()))
    }
}

/// A local embedder.
#[derive(Debug)]
struct Local {
    info: Info,
    engine: Arc<Engine>,
}

/// What the worker threads share.
struct Engine {
    tokenizer: Tokenizer,
    encoder: Encoder,
    prompts: Prompts,
    tokens_max: usize,
    dims: usize,
    /// Buffers of passes that are done, for the next ones; never more than ran at once.
    scratch: Mutex<Vec<Scratch>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("tokenizer", &self.tokenizer).field("dims", &self.dims).finish_non_exhaustive()
    }
}

impl Local {
    #[cfg(feature = "bundled-minilm")]
    fn bundled() -> Result<Self> {
        let config = serde_json::from_slice(lorewell_minilm_0::CONFIG);
        let config =
            config.map_err(|error| Error::new(Kind::Corrupt, "the bundled model is damaged").caused_by(error))?;
        let quantized = Quantized::parse(&config)?;
        let quantized = quantized.ok_or_else(|| Error::new(Kind::Corrupt, "the bundled model has no description"))?;
        let shards = [lorewell_minilm_0::PART, lorewell_minilm_1::PART, lorewell_minilm_2::PART].map(Bytes::from);
        Self::from_quantized(&quantized, lorewell_minilm_0::VOCABULARY.into(), &shards)
    }

    fn open(dir: &Path) -> Result<Self> {
        let config = read_json(dir, "config.json")?;
        let config =
            config.ok_or_else(|| Error::new(Kind::NotFound, "there is no `config.json`; is it a model directory?"))?;
        let shards = find_shards(dir)?.iter().map(|path| Bytes::open(path)).collect::<Result<Vec<_>>>()?;
        if let Some(quantized) = Quantized::parse(&config)? {
            let vocabulary = Bytes::open(&dir.join("vocab.txt"))?;
            let found = fingerprint(&quantized.description, &quantized.tokenizer_parts(&vocabulary), &shards);
            if found != quantized.fingerprint {
                return Err(Error::new(
                    Kind::Corrupt,
                    "the files do not match their fingerprint; convert the model again",
                ));
            }
            return Self::from_quantized(&quantized, vocabulary, &shards);
        }
        let description = Description::read(dir, &config)?;
        let tokenizer = Tokenizer::open(dir)?;
        let fingerprint = fingerprint(&description, &tokenizer::files(dir)?, &shards);
        Self::new(&description, fingerprint, tokenizer, &shards, Tier::chosen()?)
    }

    fn from_quantized(quantized: &Quantized, vocabulary: Bytes, shards: &[Bytes]) -> Result<Self> {
        let tokenizer = Tokenizer::WordPiece(WordPiece::new(vocabulary, quantized.normalizer)?);
        let fingerprint = versioned(&quantized.fingerprint);
        Self::new(&quantized.description, fingerprint, tokenizer, shards, Tier::chosen()?)
    }

    fn new(
        description: &Description,
        fingerprint: String,
        tokenizer: Tokenizer,
        shards: &[Bytes],
        tier: Tier,
    ) -> Result<Self> {
        let shape = &description.architecture;
        if tokenizer.vocabulary_len() > shape.vocab_size {
            let message = format!(
                "the tokenizer has {} tokens, but `config.json` says {}; they belong to different models",
                tokenizer.vocabulary_len(),
                shape.vocab_size
            );
            return Err(Error::new(Kind::BadInput, message));
        }
        let tensors = Tensors::open(shards)?;
        // Weights are packed by several threads, which must not be those that others may keep busy for long.
        let encoder = query_threads()?.install(|| Encoder::read(&tensors, shape, description.pooling, tier))?;
        let too_large = |_| Error::new(Kind::BadInput, "`config.json` has impossible sizes");
        let info = Info {
            name: description.name.clone(),
            fingerprint,
            dims: NonZeroU32::try_from(u32::try_from(shape.hidden_size).map_err(too_large)?)
                .expect("`Description::check` refuses 0"),
            // What is counted for the caller are the tokens of the text, not the two around it.
            tokens_max: u32::try_from(description.tokens_max - 2).map_err(too_large)?,
        };
        let engine = Engine {
            tokenizer,
            encoder,
            prompts: description.prompts.clone(),
            tokens_max: description.tokens_max,
            dims: shape.hidden_size,
            scratch: Mutex::default(),
        };
        Ok(Self { info, engine: Arc::new(engine) })
    }
}

/// Lists `model.safetensors`, or its shards in order.
fn find_shards(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut shards = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("model") && name.ends_with(".safetensors") {
            shards.push(path);
        }
    }
    if shards.is_empty() {
        let message = "there is no `model.safetensors`; models in other formats have to be converted first";
        return Err(Error::new(Kind::NotFound, message));
    }
    shards.sort_unstable();
    Ok(shards)
}

/// Digests everything a vector depends on, except the name.
fn fingerprint(description: &Description, tokenizer: &[Vec<u8>], shards: &[Bytes]) -> String {
    let nameless = Description { name: String::new(), ..description.clone() };
    let nameless = serde_json::to_vec(&nameless).expect("a description has string keys and finite numbers");
    let mut hasher = blake3::Hasher::new_derive_key("lorewell embedder fingerprint");
    hasher.update(&FORMAT.to_le_bytes());
    let small = std::iter::once(&nameless).chain(tokenizer).map(Vec::as_slice);
    let parts = small.chain(shards.iter().map(|shard| &**shard));
    for part in parts {
        hasher.update(&u64::try_from(part.len()).expect("a length has 64 bits").to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}

/// Adds [`INT8_ARITHMETIC`] to the digest of an int8 model.
fn versioned(fingerprint: &str) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("lorewell int8 arithmetic");
    hasher.update(&INT8_ARITHMETIC.to_le_bytes());
    hasher.update(fingerprint.as_bytes());
    hasher.finalize().to_hex().to_string()
}

#[async_trait]
impl Embed for Local {
    fn info(&self) -> &Info {
        &self.info
    }

    async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors> {
        let texts: Vec<String> = texts.iter().map(|text| self.engine.prompts.apply(text, purpose)).collect();
        let engine = Arc::clone(&self.engine);
        let task = tokio::task::spawn_blocking(move || match purpose {
            Purpose::Passage => engine.embed(&texts),
            Purpose::Query => query_threads()?.install(|| engine.embed(&texts)),
        });
        task.await.map_err(|error| Error::new(Kind::Internal, "the embedder stopped").caused_by(error))?
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.engine.tokenizer.count(text)
    }
}

/// Returns the threads that embed queries. On the threads of everyone else a query would wait until a whole batch of
/// passages is done, which takes seconds while documents are read.
fn query_threads() -> Result<&'static rayon::ThreadPool> {
    static THREADS: LazyLock<Result<rayon::ThreadPool, rayon::ThreadPoolBuildError>> =
        LazyLock::new(|| rayon::ThreadPoolBuilder::new().thread_name(|thread| format!("embed-query-{thread}")).build());
    let started = THREADS.as_ref();
    started.map_err(|error| Error::new(Kind::Io, format!("starting the threads that embed queries: {error}")))
}

impl Engine {
    fn embed(&self, texts: &[String]) -> Result<Vectors> {
        let sentences =
            texts.par_iter().map(|text| self.tokenizer.encode(text, self.tokens_max)).collect::<Result<Vec<_>>>()?;
        let mut data = vec![0.0; texts.len() * self.dims];
        for (index, vector) in self.encode(&sentences) {
            data[index * self.dims..][..self.dims].copy_from_slice(&vector);
        }
        if data.iter().any(|value| !value.is_finite()) {
            return Err(Error::new(
                Kind::BadOutput,
                "the model gives vectors that are not numbers; its weights are damaged",
            ));
        }
        Ok(Vectors::new(self.dims, data))
    }

    /// Encodes sentences in batches and returns each vector with the index of its sentence.
    fn encode(&self, sentences: &[Vec<u32>]) -> Vec<(usize, Vec<f32>)> {
        let threads = rayon::current_num_threads();
        let batches = batches(sentences, threads);
        // With too few batches for all threads, they share the work inside each instead.
        let share = if batches.len() < threads { Threads::All } else { Threads::One };
        let run = |batch: &Vec<usize>| self.encode_batch(sentences, batch, share);
        match share {
            Threads::One => batches.par_iter().flat_map_iter(run).collect(),
            _ => batches.iter().flat_map(run).collect(),
        }
    }

    fn encode_batch(&self, sentences: &[Vec<u32>], batch: &[usize], threads: Threads) -> Vec<(usize, Vec<f32>)> {
        let ids: Vec<&[u32]> = batch.iter().map(|index| sentences[*index].as_slice()).collect();
        let mut scratch = self.lock_scratch().pop().unwrap_or_default();
        let mut vectors = vec![0.0; ids.len() * self.dims];
        self.encoder.encode(&ids, threads, &mut scratch, &mut vectors);
        self.lock_scratch().push(scratch);
        batch.iter().copied().zip(vectors.chunks_exact(self.dims).map(<[f32]>::to_vec)).collect()
    }

    fn lock_scratch(&self) -> std::sync::MutexGuard<'_, Vec<Scratch>> {
        // A panic elsewhere leaves the list whole.
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Groups sentences into batches of about equal cost, the longest sentences first, so that no thread is left with one
/// at the end.
fn batches(sentences: &[Vec<u32>], threads: usize) -> Vec<Vec<usize>> {
    let total: usize = sentences.iter().map(Vec::len).sum();
    let budget = total.div_ceil(threads).min(BATCH_TOKENS);
    // A tokenizer without special tokens may find no token in a text; it keeps the zero vector, which is like nothing.
    let mut order: Vec<usize> = (0..sentences.len()).filter(|index| !sentences[*index].is_empty()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(sentences[*index].len()));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for index in order {
        let tokens = sentences[index].len();
        match batches.last_mut() {
            Some(batch) if tokens <= room => {
                batch.push(index);
                room -= tokens;
            }
            _ => {
                batches.push(vec![index]);
                room = budget.saturating_sub(tokens);
            }
        }
    }
    batches
}
