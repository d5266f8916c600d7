//! When a snapshot is worth its bytes.

/// Reading a row costs about as much as reading so many bytes of it.
pub(in crate::engine) const ROW_WEIGHT: u64 = 256;
/// Small states are not worth a snapshot every few steps.
const WAIT_MIN: u64 = 64 * 1024;

/// What must be read for the newest state, in bytes: the last snapshot and the updates since. A snapshot takes their place
/// if it is at most half as heavy. So a state that only grows has none, for its updates are the state; all snapshots
/// together weigh no more than the updates; and since it is looked at again when the updates have doubled, a state is read
/// from at most about four times its weight when it was last looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weight {
    snapshot: u64,
    since: u64,
    /// The weight of updates at which a snapshot is tried.
    due: u64,
    /// The next snapshot is stored whatever it weighs.
    is_forced: bool,
}

impl Default for Weight {
    fn default() -> Self {
        Self::after(0)
    }
}

impl Weight {
    /// After a snapshot of so many bytes.
    pub(super) fn after(snapshot: u64) -> Self {
        Self { snapshot, since: 0, due: 2 * snapshot + WAIT_MIN, is_forced: false }
    }

    /// An update of so many bytes was written.
    pub(super) fn add(&mut self, update: u64) {
        self.since += update + ROW_WEIGHT;
    }

    /// Asks for a snapshot at the next checkpoint.
    pub(super) fn force(&mut self) {
        self.is_forced = true;
    }

    pub(super) fn is_due(self) -> bool {
        self.is_forced || self.since > self.due
    }

    /// Decides whether a snapshot of so many bytes is stored; if not, waits until the updates have doubled.
    pub(super) fn takes(&mut self, snapshot: u64) -> bool {
        let takes = self.is_forced || 2 * snapshot <= self.snapshot + self.since;
        if !takes {
            self.due = 2 * self.since;
        }
        takes
    }
}
