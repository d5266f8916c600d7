//! The cases that are measured: which section they belong to, who can run them and how, and the process of ours that
//! does.

use std::path::Path;

use crate::measure::{Measured, Outcome, measure};
use crate::peers::Side;
use crate::resume::Resume;
use crate::saver::Chain;
use crate::variant::Variant;
use crate::wide::Size;
use crate::{fanout, react, sequential, wide, wide_json};

/// A part of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// W1.
    Sequential,
    /// W2.
    Fanout,
    /// W3.
    React,
    /// W4, typed and of JSON.
    Wide,
    /// W5.
    Saver,
    /// A long thread.
    Resume,
    /// Calls that wait for the disk.
    Syncs,
}

impl Section {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 7] =
        [Self::Sequential, Self::Fanout, Self::React, Self::Wide, Self::Saver, Self::Resume, Self::Syncs];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Fanout => "fanout",
            Self::React => "react",
            Self::Wide => "wide",
            Self::Saver => "saver",
            Self::Resume => "resume",
            Self::Syncs => "syncs",
        }
    }
}

/// A workload of a size.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Case {
    /// Nodes in a row.
    Sequential(u64),
    /// Subjects.
    Fanout(usize),
    /// Calls of the tool.
    React(usize),
    /// The wide state, typed.
    Wide(Size),
    /// The wide state, of JSON.
    WideJson(Size),
    /// Bytes of a value.
    Saver(usize),
    /// A long thread.
    Resume,
}

const SIZES: [Size; 3] = [
    Size { outer: 5, inner: 5, length: 300 },
    Size { outer: 5, inner: 3, length: 600 },
    Size { outer: 3, inner: 3, length: 1200 },
];

/// Nodes beyond which a peer whose checkpoints grow with the graph is not asked to store any.
const STORED_NODES_MAX: u64 = 1000;

impl Case {
    /// Lists the cases of a section.
    pub(crate) fn of(section: Section) -> Vec<Self> {
        match section {
            Section::Sequential => [10, 1000, 3000, 10_000].map(Self::Sequential).to_vec(),
            Section::Fanout => [10, 100].map(Self::Fanout).to_vec(),
            Section::React => [10, 100].map(Self::React).to_vec(),
            Section::Wide => SIZES.map(Self::Wide).into_iter().chain(SIZES.map(Self::WideJson)).collect(),
            Section::Saver => [1_000, 100_000].map(Self::Saver).to_vec(),
            Section::Resume => vec![Self::Resume],
            Section::Syncs => Vec::new(),
        }
    }

    /// Its name in the tables and between processes.
    pub(crate) fn name(self) -> String {
        let size = |Size { outer, inner, length }: Size| format!("{}x{length}", outer * inner);
        match self {
            Self::Sequential(nodes) => format!("sequential_{nodes}"),
            Self::Fanout(subjects) => format!("fanout_{subjects}"),
            Self::React(calls) => format!("react_{calls}"),
            Self::Wide(of) => format!("wide_{}", size(of)),
            Self::WideJson(of) => format!("wide_json_{}", size(of)),
            Self::Saver(bytes) => format!("saver_{bytes}"),
            Self::Resume => "resume".to_owned(),
        }
    }

    /// Finds one by its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Section::ALL.into_iter().flat_map(Self::of).find(|case| case.name() == name)
    }

    /// Tells whether a side runs it in a variant.
    pub(crate) fn has(self, side: Side, variant: Variant) -> bool {
        let stored = !matches!(variant, Variant::Await | Variant::Events);
        match (self, side) {
            (Self::Resume, side) => side == Side::Lorewell && variant == Variant::SqliteSync,
            (Self::Saver(_), Side::Juncture) => variant == Variant::SqliteSync,
            (Self::Saver(_), _) => stored && variant != Variant::MemoryExit,
            (Self::WideJson(_), side) => side != Side::Juncture,
            (Self::Sequential(nodes), Side::LangGraph) => match nodes > STORED_NODES_MAX {
                true => nodes < 10_000 && variant == Variant::Events,
                false => true,
            },
            // In memory its checkpoints of 1000 nodes took 6.5 GB.
            (Self::Sequential(nodes), Side::Juncture) => match variant {
                Variant::MemoryBackground => nodes < STORED_NODES_MAX,
                _ => nodes <= STORED_NODES_MAX || !stored,
            },
            (_, _) => true,
        }
    }

    /// Measures our side, in this process.
    pub(crate) async fn measure(self, variant: Variant, samples: usize, scratch: &Path) -> Outcome<Measured> {
        match self {
            Self::Sequential(nodes) => measure(&sequential::workload(nodes, variant)?, samples, scratch).await,
            Self::Fanout(subjects) => measure(&fanout::workload(subjects, variant)?, samples, scratch).await,
            Self::React(calls) => measure(&react::workload(calls, variant)?, samples, scratch).await,
            Self::Wide(size) => measure(&wide::workload(size, variant)?, samples, scratch).await,
            Self::WideJson(size) => measure(&wide_json::workload(size, variant)?, samples, scratch).await,
            Self::Saver(bytes) => measure(&Chain::new(bytes, variant), samples, scratch).await,
            Self::Resume => measure(&Resume::make(scratch).await?, samples, scratch).await,
        }
    }
}
