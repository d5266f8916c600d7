//! What the server remembers between requests: what it saw, which sealed blocks it gave out and must get back, stored
//! responses, which calls came before, and whether it is to stop.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use crate::{Seen, Settings};

pub(crate) struct State {
    pub settings: Settings,
    seen: Mutex<Vec<Seen>>,
    /// Blocks that must come back unchanged, by what identifies them.
    seals: Mutex<HashMap<String, Value>>,
    /// For the id of a call: the seal that must come back with it.
    needs: Mutex<HashMap<String, String>>,
    stored: Mutex<HashMap<String, Vec<Value>>>,
    once: Mutex<HashSet<u64>>,
    cached: Mutex<HashSet<u64>>,
    ids: AtomicU64,
    stop: watch::Sender<bool>,
}

impl State {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            seen: Mutex::default(),
            seals: Mutex::default(),
            needs: Mutex::default(),
            stored: Mutex::default(),
            once: Mutex::default(),
            cached: Mutex::default(),
            ids: AtomicU64::new(1),
            stop: watch::Sender::new(false),
        }
    }

    pub(crate) fn record(&self, seen: Seen) {
        lock(&self.seen).push(seen);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    /// Makes an id that no other has: the prefix and 24 letters.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.letters(24))
    }

    /// Makes so many letters that no other id has.
    pub(crate) fn letters(&self, count: usize) -> String {
        format!("{:0count$x}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes a seal: base64 that nobody reads and that must come back as it is.
    pub(crate) fn seal(&self, prefix: &str, value: Value) -> String {
        let mut seal = format!("{prefix}{}+/{}", self.letters(16), "Gj7kQx".repeat(20));
        seal.push_str(&"A".repeat(4 - seal.len() % 4));
        seal.push_str("9w==");
        self.keep(&seal, value);
        seal
    }

    pub(crate) fn keep(&self, key: &str, value: Value) {
        lock(&self.seals).insert(key.to_owned(), value);
    }

    pub(crate) fn kept(&self, key: &str) -> Option<Value> {
        lock(&self.seals).get(key).cloned()
    }

    pub(crate) fn require(&self, call_id: &str, seal: &str) {
        lock(&self.needs).insert(call_id.to_owned(), seal.to_owned());
    }

    pub(crate) fn required(&self, call_id: &str) -> Option<String> {
        lock(&self.needs).get(call_id).cloned()
    }

    pub(crate) fn store(&self, id: &str, items: Vec<Value>) {
        lock(&self.stored).insert(id.to_owned(), items);
    }

    pub(crate) fn stored(&self, id: &str) -> Option<Vec<Value>> {
        lock(&self.stored).get(id).cloned()
    }

    /// Tells whether this is the first of two equal calls.
    pub(crate) fn is_first(&self, key: u64) -> bool {
        let mut once = lock(&self.once);
        once.insert(key) || !once.remove(&key)
    }

    /// Tells whether this was cached before, and caches it.
    pub(crate) fn was_cached(&self, key: impl Hash) -> bool {
        !lock(&self.cached).insert(hash(key))
    }

    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    pub(crate) async fn stopped(&self) {
        // The sender lives as long as `self`.
        let mut watcher = self.stop.subscribe();
        let _closed = watcher.wait_for(|stopped| *stopped).await;
    }

    /// Waits, but not longer than the server lives.
    pub(crate) async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            () = self.stopped() => {}
        }
    }

    pub(crate) async fn hang(&self) {
        self.pause(self.settings.hang).await;
    }
}

pub(crate) fn hash(key: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
