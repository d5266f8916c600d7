//! What a line of reasoning may use, and what it has used. Lines that run side by side get shares of their own, so that what
//! each of them may do does not depend on which of them is faster; what they leave over comes back when all have ended.

use std::sync::{Mutex, MutexGuard, PoisonError};

use lorewell_model::Usage;
use serde::{Deserialize, Serialize};

use super::solution::Tried;

/// What was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spent {
    pub(super) calls: u64,
    pub(super) usage: Usage,
}

impl Spent {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.usage += other.usage;
    }
}

/// What may be used, and what was.
#[derive(Debug)]
pub(super) struct Allowance {
    calls_max: u64,
    tokens_max: u64,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    spent: Spent,
    /// What is given away to lines that have not ended.
    lent_calls: u64,
    lent_tokens: u64,
    is_cut: bool,
    tried: Vec<Tried>,
}

impl Allowance {
    pub(super) fn new(calls_max: u64, tokens_max: u64) -> Self {
        Self { calls_max, tokens_max, book: Mutex::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self, book: &Book) -> (u64, u64) {
        let calls = self.calls_max.saturating_sub(book.spent.calls).saturating_sub(book.lent_calls);
        let used = book.spent.usage.total_tokens();
        (calls, self.tokens_max.saturating_sub(used).saturating_sub(book.lent_tokens))
    }

    /// Returns how many calls may still be made.
    pub(super) fn calls_left(&self) -> u64 {
        match self.left(&self.book()) {
            (_, 0) => 0,
            (calls, _) => calls,
        }
    }

    /// Takes a call, before it is made.
    pub(super) fn take_call(&self) -> bool {
        let mut book = self.book();
        let (calls, tokens) = self.left(&book);
        let may = calls > 0 && tokens > 0;
        match may {
            true => book.spent.calls += 1,
            false => book.is_cut = true,
        }
        may
    }

    /// Counts the tokens of a call that was taken.
    pub(super) fn add_usage(&self, usage: Usage) {
        self.book().spent.usage += usage;
    }

    pub(super) fn note(&self, tried: Tried) {
        self.book().tried.push(tried);
    }

    pub(super) fn spent(&self) -> Spent {
        self.book().spent
    }

    /// Notes that something was left out for want of calls.
    pub(super) fn cut(&self) {
        self.book().is_cut = true;
    }

    pub(super) fn is_cut(&self) -> bool {
        self.book().is_cut
    }

    /// Takes what was tried out of it.
    pub(super) fn take_tried(&self) -> Vec<Tried> {
        std::mem::take(&mut self.book().tried)
    }

    /// Lends equal shares to `count` lines, or to as many as can have one call each. `keep` calls stay here for what comes
    /// after, except that one line always gets what there is.
    pub(super) fn lend(&self, count: usize, keep: u64) -> Vec<Self> {
        let mut book = self.book();
        let (calls, tokens) = self.left(&book);
        let free = calls.saturating_sub(keep).max(calls.min(1));
        let wanted = count as u64;
        let lines = wanted.min(free).min(tokens);
        book.is_cut |= lines < wanted;
        if lines == 0 {
            return Vec::new();
        }
        let tokens_max = (tokens / lines.saturating_add(keep)).max(1);
        let shares = (0..lines).map(|line| Self::new(free / lines + u64::from(line < free % lines), tokens_max));
        book.lent_calls += free;
        book.lent_tokens += tokens_max * lines;
        shares.collect()
    }

    /// Takes a share back, with what was used of it and what was tried.
    pub(super) fn take_back(&self, share: &Self) {
        let ended = std::mem::take(&mut *share.book());
        self.take_back_lost(share, ended.spent, ended.is_cut);
        self.book().tried.extend(ended.tried);
    }

    /// Takes the share of a line back that came to nothing.
    pub(super) fn take_back_lost(&self, share: &Self, spent: Spent, is_cut: bool) {
        let mut book = self.book();
        book.lent_calls -= share.calls_max;
        book.lent_tokens -= share.tokens_max;
        book.spent.add(spent);
        book.is_cut |= is_cut;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(allowance: &Allowance, count: usize, keep: u64) -> Vec<(u64, u64)> {
        allowance.lend(count, keep).iter().map(|share| (share.calls_max, share.tokens_max)).collect()
    }

    #[test]
    fn shares_are_equal_and_something_is_kept() {
        assert_eq!(shares(&Allowance::new(10, 100), 4, 0), [(3, 25), (3, 25), (2, 25), (2, 25)]);
        assert_eq!(shares(&Allowance::new(10, 100), 4, 1), [(3, 20), (2, 20), (2, 20), (2, 20)]);
        assert_eq!(shares(&Allowance::new(3, 100), 4, 0), [(1, 33); 3]);
        assert_eq!(shares(&Allowance::new(1, 100), 4, 2), [(1, 33)]);
        assert_eq!(shares(&Allowance::new(10, 2), 4, 1), [(5, 1), (4, 1)]);
        assert_eq!(shares(&Allowance::new(0, 100), 4, 0), []);
    }

    #[test]
    fn what_is_lent_cannot_be_spent_twice() {
        let all = Allowance::new(5, u64::MAX);
        let lent = all.lend(2, 1);
        assert!(all.take_call() && !all.take_call());
        assert!(lent[0].take_call() && lent[1].take_call());
        lent.iter().for_each(|share| all.take_back(share));
        assert_eq!((all.spent().calls, all.calls_left(), all.is_cut()), (3, 2, true));
    }

    #[test]
    fn tokens_end_a_line_as_calls_do() {
        let all = Allowance::new(5, 10);
        assert!(all.take_call());
        all.add_usage(Usage { input_tokens: 4, output_tokens: 7, ..Usage::default() });
        assert!(!all.take_call());
        assert_eq!((all.calls_left(), all.lend(1, 0).len(), all.is_cut()), (0, 0, true));
    }
}
