//! Vectors kept on disk by the digest of their text, so that a text is embedded once even if the index that held it
//! is gone. One file per embedder is a table of sets of slots. A slot is found by arithmetic, so there is no index to
//! load; it is checked by a digest, so that torn or damaged ones are as if they were not there; it is written whole, so
//! that several processes may share the file; and when its set is full one slot is reused, so that the file is bounded.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use lorewell_model::{Error, Kind, Result, ResultExt};

use crate::{Embed, Embedder, Info, Purpose, Vectors};

/// Bytes of a cache file: 85,000 vectors of 384 components, a few shelves of books. It is sparse until it fills.
const FILE_BYTES_MAX: usize = 128 << 20;
/// Slots that a text can be in. With one, two texts of the same slot would drive each other out for ever.
const SET_SLOTS: usize = 4;
const KEY_BYTES: usize = 16;
const DIGEST_BYTES: usize = 16;

/// The digest of a text and its purpose. All zeros marks a slot that was never written; no text has that in practice.
type Key = [u8; KEY_BYTES];

impl Embedder {
    /// Keeps the vectors of this embedder in a file under `dir`, at most 128 MiB, and takes them from there when a text
    /// comes again. Any number of processes may share the directory.
    ///
    /// # Errors
    /// `Io` if the directory or file cannot be made. Later troubles with the file, such as a full disk, cost no more
    /// than what the cache would have saved: they are logged as a warning.
    pub fn cached(self, dir: impl AsRef<Path>) -> Result<Self> {
        let table = Table::open(dir.as_ref(), self.info(), FILE_BYTES_MAX)?;
        Ok(Self::new(Cached { embedder: self, table: Arc::new(table) }))
    }
}

/// An embedder that remembers.
#[derive(Debug)]
struct Cached {
    embedder: Embedder,
    table: Arc<Table>,
}

#[async_trait]
impl Embed for Cached {
    fn info(&self) -> &Info {
        self.embedder.info()
    }

    async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors> {
        let keys: Vec<Key> = texts.iter().map(|text| key(text, purpose)).collect();
        let mut known = self.trying(move |table| table.find_all(keys)).await?;
        let mut missing: HashMap<Key, &str> = HashMap::new();
        for text in texts {
            let key = key(text, purpose);
            if !known.contains_key(&key) {
                missing.insert(key, text);
            }
        }
        if !missing.is_empty() {
            let (keys, texts): (Vec<Key>, Vec<&str>) = missing.into_iter().unzip();
            let vectors = self.embedder.embed(&texts, purpose).await?;
            if vectors.len() != texts.len() {
                let message = format!("the embedder gave {} vectors for {} texts", vectors.len(), texts.len());
                return Err(Error::new(Kind::BadOutput, message));
            }
            let fresh: Vec<(Key, Vec<f32>)> = keys.into_iter().zip(vectors.rows().map(<[f32]>::to_vec)).collect();
            known.extend(fresh.iter().cloned());
            self.trying(move |table| fresh.iter().try_for_each(|(key, vector)| table.put(key, vector))).await?;
        }
        let rows = texts.iter().flat_map(|text| &known[&key(text, purpose)]);
        Ok(Vectors::new(self.table.dims, rows.copied().collect()))
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.embedder.count_tokens(text)
    }
}

impl Cached {
    /// Works on the file, or does without it.
    async fn trying<T: Default + Send + 'static>(
        &self,
        run: impl FnOnce(&Table) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let table = Arc::clone(&self.table);
        let task = tokio::task::spawn_blocking(move || {
            run(&table).unwrap_or_else(|error| {
                tracing::warn!("going on without the embedding cache `{}`: {error}", table.path.display());
                T::default()
            })
        });
        task.await.map_err(|error| Error::new(Kind::Internal, "the embedding cache stopped").caused_by(error))
    }
}

fn key(text: &str, purpose: Purpose) -> Key {
    let tag = match purpose {
        Purpose::Query => b'q',
        Purpose::Passage => b'p',
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[tag]).update(text.as_bytes());
    head(&hasher)
}

/// Returns the beginning of a digest.
fn head<const N: usize>(hasher: &blake3::Hasher) -> [u8; N] {
    let mut bytes = [0; N];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

/// The file: `sets` times [`SET_SLOTS`] slots of key, vector and digest.
#[derive(Debug)]
struct Table {
    file: File,
    path: PathBuf,
    dims: usize,
    sets: u64,
    /// Binds digests to the embedder, so that a file under the wrong name gives nothing instead of wrong vectors.
    seal: [u8; 32],
}

impl Table {
    fn open(dir: &Path, info: &Info, bytes_max: usize) -> Result<Self> {
        let dims = usize::try_from(info.dims.get()).expect("a `usize` has 32 bits or more");
        let seal = *blake3::Hasher::new_derive_key("lorewell embedding cache 1")
            .update(info.fingerprint.as_bytes())
            .finalize()
            .as_bytes();
        let path =
            dir.join(format!("{}.vectors", blake3::Hash::from(seal).to_hex().get(..32).expect("a digest is longer")));
        let open = || -> Result<File> {
            std::fs::create_dir_all(dir)?;
            Ok(File::options().read(true).write(true).create(true).truncate(false).open(&path)?)
        };
        let file = open().context(|| format!("opening the embedding cache `{}`", path.display()))?;
        let mut table = Self { file, path, dims, sets: 1, seal };
        table.sets = u64::try_from((bytes_max / table.set_bytes()).max(1)).expect("a `usize` has 64 bits or fewer");
        Ok(table)
    }

    fn slot_bytes(&self) -> usize {
        KEY_BYTES + self.dims * size_of::<f32>() + DIGEST_BYTES
    }

    fn set_bytes(&self) -> usize {
        self.slot_bytes() * SET_SLOTS
    }

    fn digest(&self, body: &[u8]) -> [u8; DIGEST_BYTES] {
        head(blake3::Hasher::new_keyed(&self.seal).update(body))
    }

    fn offset(&self, key: &Key) -> u64 {
        let (number, _) = key.split_first_chunk().expect("a key has 16 bytes");
        let set = u64::from_le_bytes(*number) % self.sets;
        set * u64::try_from(self.set_bytes()).expect("a `usize` has 64 bits or fewer")
    }

    /// Reads the set a key belongs to; what lies beyond the end of the file is zero, as in a hole.
    fn read_set(&self, key: &Key) -> Result<Vec<u8>> {
        let mut set = vec![0; self.set_bytes()];
        let mut filled = 0;
        while filled < set.len() {
            let offset = self.offset(key) + u64::try_from(filled).expect("a `usize` has 64 bits or fewer");
            match read_at(&self.file, &mut set[filled..], offset) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(set)
    }

    fn find_all(&self, keys: Vec<Key>) -> Result<HashMap<Key, Vec<f32>>> {
        let mut found = HashMap::new();
        for key in keys {
            if let Some(vector) = self.find(&key)? {
                found.insert(key, vector);
            }
        }
        Ok(found)
    }

    fn find(&self, key: &Key) -> Result<Option<Vec<f32>>> {
        let set = self.read_set(key)?;
        let vector = set.chunks_exact(self.slot_bytes()).filter(|slot| slot.starts_with(key)).find_map(|slot| {
            let (body, digest) = slot.split_at(slot.len() - DIGEST_BYTES);
            let (values, _) = body[KEY_BYTES..].as_chunks();
            (self.digest(body) == digest).then(|| values.iter().map(|value| f32::from_le_bytes(*value)).collect())
        });
        Ok(vector)
    }

    fn put(&self, key: &Key, vector: &[f32]) -> Result<()> {
        let set = self.read_set(key)?;
        let mut slots = set.chunks_exact(self.slot_bytes());
        // Its own slot, if damaged; else a free one; else any: the key is as good as a random number.
        let place = slots.clone().position(|slot| slot.starts_with(key));
        let place = place.or_else(|| slots.position(|slot| slot.starts_with(&[0; KEY_BYTES])));
        let place = place.unwrap_or(usize::from(key[KEY_BYTES - 1]) % SET_SLOTS);
        let mut slot = key.to_vec();
        slot.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
        slot.extend(self.digest(&slot));
        let within = u64::try_from(place * self.slot_bytes()).expect("a `usize` has 64 bits or fewer");
        Ok(write_at(&self.file, &slot, self.offset(key) + within)?)
    }
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    // A short write leaves a slot that its digest refuses.
    std::os::windows::fs::FileExt::seek_write(file, bytes, offset).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const DIMS: usize = 5;

    /// Counts what it is asked for; vectors are digests of the texts, so that each text has its own.
    #[derive(Debug)]
    struct Counting {
        info: Info,
        embedded: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Embed for Counting {
        fn info(&self) -> &Info {
            &self.info
        }

        async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors> {
            self.embedded.fetch_add(texts.len(), Ordering::SeqCst);
            let row =
                |text: &&str| key(text, purpose)[..DIMS].iter().map(|byte| f32::from(*byte) / 3.0).collect::<Vec<_>>();
            Ok(Vectors::new(DIMS, texts.iter().flat_map(row).collect()))
        }

        fn count_tokens(&self, text: &str) -> usize {
            text.len()
        }
    }

    struct Fixture {
        dir: tempfile::TempDir,
        embedded: Arc<AtomicUsize>,
    }

    impl Fixture {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap(), embedded: Arc::default() }
        }

        fn plain(&self, fingerprint: &str) -> Embedder {
            let dims = NonZeroU32::new(5).unwrap();
            let info = Info { name: "counting".into(), fingerprint: fingerprint.into(), dims, tokens_max: 9 };
            Embedder::new(Counting { info, embedded: Arc::clone(&self.embedded) })
        }

        fn cached(&self) -> Embedder {
            self.plain("a").cached(self.dir.path()).unwrap()
        }

        fn small(&self, bytes_max: usize) -> Embedder {
            let embedder = self.plain("a");
            let table = Table::open(self.dir.path(), embedder.info(), bytes_max).unwrap();
            Embedder::new(Cached { embedder, table: Arc::new(table) })
        }

        fn file(&self) -> PathBuf {
            std::fs::read_dir(self.dir.path()).unwrap().next().unwrap().unwrap().path()
        }

        /// Embeds, compares with the truth, and expects this many texts to have been computed.
        async fn check(&self, embedder: &Embedder, texts: &[&str], purpose: Purpose, computed: usize) {
            let expected = self.plain("a").embed(texts, purpose).await.unwrap();
            self.embedded.store(0, Ordering::SeqCst);
            assert_eq!(embedder.embed(texts, purpose).await.unwrap(), expected);
            assert_eq!(self.embedded.load(Ordering::SeqCst), computed, "{texts:?}");
        }
    }

    #[tokio::test]
    async fn a_text_is_embedded_once_per_purpose() {
        let fixture = Fixture::new();
        let embedder = fixture.cached();
        fixture.check(&embedder, &["a", "b", "a"], Purpose::Passage, 2).await;
        fixture.check(&embedder, &["b", "c"], Purpose::Passage, 1).await;
        fixture.check(&embedder, &["a"], Purpose::Query, 1).await;
        fixture.check(&fixture.cached(), &["c", "b", "a"], Purpose::Passage, 0).await;
        fixture.check(&embedder, &[], Purpose::Passage, 0).await;
    }

    #[tokio::test]
    async fn two_handles_see_each_other() {
        let fixture = Fixture::new();
        let (one, two) = (fixture.cached(), fixture.cached());
        fixture.check(&one, &["a"], Purpose::Passage, 1).await;
        fixture.check(&two, &["a", "b"], Purpose::Passage, 1).await;
        fixture.check(&one, &["a", "b"], Purpose::Passage, 0).await;
    }

    #[tokio::test]
    async fn damage_costs_the_damaged_slot_only() {
        let fixture = Fixture::new();
        let embedder = fixture.small(1);
        fixture.check(&embedder, &["a"], Purpose::Passage, 1).await;
        fixture.check(&embedder, &["b"], Purpose::Passage, 1).await;
        let mut bytes = std::fs::read(fixture.file()).unwrap();
        bytes[KEY_BYTES] ^= 1;
        std::fs::write(fixture.file(), &bytes).unwrap();
        fixture.check(&embedder, &["a", "b"], Purpose::Passage, 1).await;
        fixture.check(&embedder, &["a", "b"], Purpose::Passage, 0).await;
    }

    #[tokio::test]
    async fn a_torn_end_is_as_if_it_were_not_there() {
        let fixture = Fixture::new();
        fixture.check(&fixture.small(1), &["a"], Purpose::Passage, 1).await;
        fixture.check(&fixture.small(1), &["b"], Purpose::Passage, 1).await;
        let whole = std::fs::read(fixture.file()).unwrap();
        for len in whole.len() / 2..whole.len() {
            std::fs::write(fixture.file(), &whole[..len]).unwrap();
            fixture.check(&fixture.small(1), &["a", "b"], Purpose::Passage, 1).await;
            fixture.check(&fixture.small(1), &["a", "b"], Purpose::Passage, 0).await;
        }
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_or_read_costs_only_time() {
        let fixture = Fixture::new();
        fixture.check(&fixture.small(1), &["a"], Purpose::Passage, 1).await;
        let path = fixture.file();
        for file in [File::open(&path).unwrap(), File::options().write(true).open(&path).unwrap()] {
            let embedder = fixture.plain("a");
            let table = Table { file, ..Table::open(fixture.dir.path(), embedder.info(), 1).unwrap() };
            let embedder = Embedder::new(Cached { embedder, table: Arc::new(table) });
            embedder.embed(&["a", "b"], Purpose::Passage).await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_embedder_that_gives_too_few_vectors_is_told_so() {
        #[derive(Debug)]
        struct Short(Embedder);
        #[async_trait]
        impl Embed for Short {
            fn info(&self) -> &Info {
                self.0.info()
            }
            async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors> {
                self.0.embed(&texts[1..], purpose).await
            }
            fn count_tokens(&self, text: &str) -> usize {
                self.0.count_tokens(text)
            }
        }
        let fixture = Fixture::new();
        let embedder = Embedder::new(Short(fixture.plain("a"))).cached(fixture.dir.path()).unwrap();
        let error = embedder.embed(&["a", "b"], Purpose::Passage).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::BadOutput, "the embedder gave 1 vectors for 2 texts"));
    }

    #[tokio::test]
    async fn the_file_stays_within_its_limit() {
        let fixture = Fixture::new();
        let embedder = fixture.small(2048);
        for round in 0..200 {
            let text = round.to_string();
            fixture.check(&embedder, &[&text], Purpose::Passage, 1).await;
            fixture.check(&embedder, &[&text], Purpose::Passage, 0).await;
        }
        assert!(std::fs::metadata(fixture.file()).unwrap().len() <= 2048);
    }

    #[tokio::test]
    async fn another_embedder_gets_nothing_even_from_a_renamed_file() {
        let fixture = Fixture::new();
        fixture.check(&fixture.cached(), &["a"], Purpose::Passage, 1).await;
        let from = fixture.file();
        let other = fixture.plain("b").cached(fixture.dir.path()).unwrap();
        let to = std::fs::read_dir(fixture.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| *path != from);
        std::fs::copy(&from, to.unwrap()).unwrap();
        fixture.embedded.store(0, Ordering::SeqCst);
        other.embed(&["a"], Purpose::Passage).await.unwrap();
        assert_eq!(fixture.embedded.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let fixture = Fixture::new();
        let file = fixture.dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = fixture.plain("a").cached(file.join("cache")).unwrap_err();
        assert!(error.to_string().starts_with("opening the embedding cache `"), "{error}");
    }
}
