//! Results of nodes that need not run again: kept in memory, by key, for a time. One cache may serve many graphs; the
//! name of the node is part of the key.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Enough for a busy graph; a result is small beside what it took to get it.
const ENTRIES_MAX: usize = 10_000;

/// A cache for results of nodes. Handles share what they hold.
#[derive(Debug, Clone)]
pub struct Cache {
    lifetime: Duration,
    entries_max: usize,
    entries: Arc<Mutex<Entries>>,
}

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<String, (Instant, Arc<str>)>,
    /// Oldest first. A key that was written again stands here again, and the older place no longer counts.
    order: VecDeque<(String, Instant)>,
}

impl Cache {
    /// Keeps results for so long, and not more than 10,000 of them.
    #[must_use]
    pub fn new(lifetime: Duration) -> Self {
        Self { lifetime, entries_max: ENTRIES_MAX, entries: Arc::default() }
    }

    /// Keeps at most so many results; the oldest go first.
    #[must_use]
    pub fn entries_max(mut self, entries: usize) -> Self {
        self.entries_max = entries;
        self
    }

    pub(crate) fn get(&self, key: &str, now: Instant) -> Option<Arc<str>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (written, value) = entries.by_key.get(key)?;
        (now.saturating_duration_since(*written) < self.lifetime).then(|| value.clone())
    }

    pub(crate) fn put(&self, key: String, value: Arc<str>, now: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.by_key.insert(key.clone(), (now, value));
        entries.order.push_back((key, now));
        while entries.by_key.len() > self.entries_max || entries.order.len() > 2 * self.entries_max {
            let Some((key, written)) = entries.order.pop_front() else { break };
            if entries.by_key.get(&key).is_some_and(|(newest, _)| *newest == written) {
                entries.by_key.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_lives_its_time_and_the_oldest_gives_way() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let cache = Cache::new(Duration::from_secs(10)).entries_max(2);
        cache.put("a".to_owned(), "1".into(), at(0));
        assert_eq!(cache.get("a", at(9)).as_deref(), Some("1"));
        assert_eq!(cache.get("a", at(10)), None);
        cache.put("b".to_owned(), "2".into(), at(1));
        cache.put("a".to_owned(), "3".into(), at(2));
        cache.put("c".to_owned(), "4".into(), at(3));
        assert_eq!(cache.get("b", at(3)), None);
        assert_eq!(cache.get("a", at(3)).as_deref(), Some("3"));
        assert_eq!(cache.get("c", at(3)).as_deref(), Some("4"));
    }
}
