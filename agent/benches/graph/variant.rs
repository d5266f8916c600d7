//! Where and when a run is stored, and how its outcome is read: what both sides can do is compared, name by name.

/// One way to run a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Not stored; only the outcome is awaited.
    Await,
    /// Not stored; the events are read, as in all that follow.
    Events,
    /// In memory, at the end.
    MemoryExit,
    /// In memory, while the run goes on.
    MemoryBackground,
    /// In SQLite, while the run goes on.
    SqliteBackground,
    /// In SQLite, each superstep before the next one begins.
    SqliteSync,
}

impl Variant {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [Self; 6] =
        [Self::Await, Self::Events, Self::MemoryExit, Self::MemoryBackground, Self::SqliteBackground, Self::SqliteSync];

    /// Its name in the tables and between processes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Await => "none, awaited",
            Self::Events => "none",
            Self::MemoryExit => "memory, on exit",
            Self::MemoryBackground => "memory, background",
            Self::SqliteBackground => "SQLite, background",
            Self::SqliteSync => "SQLite, sync",
        }
    }

    /// Finds one by its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.name() == name)
    }

    /// Tells whether a file is written.
    pub(crate) fn is_on_disk(self) -> bool {
        matches!(self, Self::SqliteBackground | Self::SqliteSync)
    }
}
