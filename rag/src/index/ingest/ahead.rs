//! Work done ahead by threads of their own and handed over in order: results arrive one by one, not in groups, and no
//! thread runs further ahead than a bound on their weight allows.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Items and their results on the way from the threads to the taker.
pub(super) struct Ahead<I, T> {
    items: Vec<I>,
    weight: fn(&I) -> u64,
    weight_max: u64,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// Position of the next item that a thread begins.
    next: usize,
    /// Position of the next result that is taken.
    taken: usize,
    /// Weight of what was begun and not yet taken.
    weight: u64,
    done: BTreeMap<usize, T>,
    working: usize,
    stopped: bool,
}

impl<I, T> Ahead<I, T> {
    /// Allows items of this weight to be under way, or a single one of any weight.
    pub(super) fn new(items: Vec<I>, weight: fn(&I) -> u64, weight_max: u64) -> Self {
        let state = State { next: 0, taken: 0, weight: 0, done: BTreeMap::new(), working: 0, stopped: false };
        Self { items, weight, weight_max, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Works through the items until all are done or someone stops it. Each thread calls this once.
    pub(super) fn work(&self, run: impl Fn(&I) -> T) {
        self.lock().working += 1;
        let _leave = Leave(self);
        while let Some(at) = self.begin() {
            let done = run(&self.items[at]);
            self.lock().done.insert(at, done);
            self.changed.notify_all();
        }
    }

    /// Claims the next item, once there is room for it.
    fn begin(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            let at = state.next;
            if at >= self.items.len() || state.stopped {
                return None;
            }
            let more = state.weight.saturating_add((self.weight)(&self.items[at]));
            if at == state.taken || more <= self.weight_max {
                state.next += 1;
                state.weight = more;
                return Some(at);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the next result in order; none when all are taken, or when no thread is left that could make it.
    pub(super) fn take(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            let at = state.taken;
            if let Some(done) = state.done.remove(&at) {
                state.taken += 1;
                state.weight -= (self.weight)(&self.items[at]);
                self.changed.notify_all();
                return Some(done);
            }
            if at >= self.items.len() || (state.stopped && state.working == 0) {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets no thread begin another item.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Every step under the lock leaves the state whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a thread out, however it ends. After a panic one result is missing, so the others need not go on.
struct Leave<'a, I, T>(&'a Ahead<I, T>);

impl<I, T> Drop for Leave<'_, I, T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.working -= 1;
        state.stopped |= std::thread::panicking();
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_come_in_order_and_not_too_far_ahead() {
        let items: Vec<u64> = (0..500).collect();
        let ahead = Ahead::new(items.clone(), |_| 1, 10);
        let begun = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    ahead.work(|item| {
                        begun.fetch_add(1, Ordering::SeqCst);
                        thread::sleep(Duration::from_micros(item * 7919 % 50)); // so that they finish out of order
                        *item
                    });
                });
            }
            for (taken, expected) in items.iter().enumerate() {
                assert!(begun.load(Ordering::SeqCst) <= taken + 10);
                assert_eq!(ahead.take(), Some(*expected));
            }
            assert_eq!(ahead.take(), None);
        });
    }

    #[test]
    fn an_item_heavier_than_the_bound_passes_alone() {
        let items = [1, 100, 100, 1];
        let ahead = Ahead::new(items.to_vec(), |item| *item, 10);
        thread::scope(|scope| {
            scope.spawn(|| ahead.work(|item| *item));
            assert_eq!(std::iter::from_fn(|| ahead.take()).collect::<Vec<_>>(), items);
        });
    }

    #[test]
    fn it_can_be_stopped() {
        let ahead = Ahead::new(vec![(); 1000], |()| 1, 1000);
        thread::scope(|scope| {
            scope.spawn(|| ahead.work(|()| ahead.stop()));
            assert_eq!(std::iter::from_fn(|| ahead.take()).count(), 1);
        });
    }

    #[test]
    fn a_panic_ends_the_others_too() {
        let ahead = Ahead::new((0..1000).collect::<Vec<u64>>(), |_| 1, 4);
        let panicked = thread::scope(|scope| {
            let threads = [(); 2].map(|()| scope.spawn(|| ahead.work(|item| assert_ne!(*item, 5))));
            assert_eq!(std::iter::from_fn(|| ahead.take()).count(), 5);
            threads.map(|thread| thread.join().is_err())
        });
        assert!(panicked.contains(&true));
    }
}
