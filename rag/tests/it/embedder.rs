//! An embedder for tests: each word adds to one component, so texts that share words lie close. It remembers the
//! passages it embedded, can be told to fail, and can be held up at a gate.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lorewell_embed::{Embed, Embedder, Info, Purpose, Vectors};
use lorewell_model::{Error, Kind, Result};
use tokio::sync::Semaphore;

const PERMITS: usize = Semaphore::MAX_PERMITS / 2; // a gate that is open

/// A test that fails before it opens the gate again is to end all the same.
const SHUT_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub(crate) struct Words(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    info: Info,
    passages: Mutex<Vec<String>>,
    calls_left: AtomicUsize,
    gate: Semaphore,
}

impl Words {
    pub(crate) fn new(name: &str, dims: u32) -> Self {
        let dims = NonZeroU32::new(dims).unwrap();
        let info = Info { name: name.to_owned(), fingerprint: format!("{name}/{dims}"), dims, tokens_max: 512 };
        let calls_left = AtomicUsize::new(usize::MAX);
        Self(Arc::new(Inner { info, passages: Mutex::default(), calls_left, gate: Semaphore::new(PERMITS) }))
    }

    pub(crate) fn embedder(&self) -> Embedder {
        Embedder::new(self.clone())
    }

    /// Returns the passages embedded since it was last asked.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.passages.lock().unwrap())
    }

    /// Lets so many more calls for passages succeed.
    pub(crate) fn fail_after(&self, calls: usize) {
        self.0.calls_left.store(calls, Ordering::SeqCst);
    }

    /// Holds up all calls for passages from now on.
    pub(crate) fn shut(&self) {
        self.0.gate.forget_permits(PERMITS);
    }

    pub(crate) fn unshut(&self) {
        self.0.gate.add_permits(PERMITS);
    }

    fn row(&self, text: &str) -> Vec<f32> {
        let dims = u64::from(self.0.info.dims.get());
        let mut row = vec![0.0_f32; usize::try_from(dims).unwrap()];
        row[0] = 0.1; // a text without words is a unit vector too
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            // FNV-1a (Fowler, Noll and Vo): the same on every machine.
            let hash = word
                .to_lowercase()
                .bytes()
                .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
            row[usize::try_from(hash % dims).unwrap()] += 1.0;
        }
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row.iter().map(|x| x / length).collect()
    }
}

#[async_trait]
impl Embed for Words {
    fn info(&self) -> &Info {
        &self.0.info
    }

    async fn embed(&self, texts: &[&str], purpose: Purpose) -> Result<Vectors> {
        if purpose == Purpose::Passage {
            let permit = tokio::time::timeout(SHUT_MAX, self.0.gate.acquire()).await;
            let _permit = permit.map_err(|_| Error::new(Kind::Timeout, "the gate stayed shut"))?;
            let left = |calls: usize| calls.checked_sub(1);
            if self.0.calls_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_err() {
                return Err(Error::new(Kind::Unavailable, "the embedder was told to fail"));
            }
            self.0.passages.lock().unwrap().extend(texts.iter().map(|text| (*text).to_owned()));
        }
        let rows = texts.iter().flat_map(|text| self.row(text)).collect();
        Ok(Vectors::new(usize::try_from(self.0.info.dims.get()).unwrap(), rows))
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}
