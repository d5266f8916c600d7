//! Where a graph runs: in which thread, on which branch, and inside which task of which graph. Everything that needs a
//! name which is the same after a restart gets it from here.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use crate::engine::TaskKey;

/// The logical place of a graph that runs.
#[derive(Debug)]
pub(crate) struct Scope {
    thread: Arc<ThreadName>,
    branch: u32,
    inside: Option<Inside>,
    path: OnceLock<Arc<str>>,
}

/// The task that runs a subgraph.
#[derive(Debug)]
struct Inside {
    scope: Arc<Scope>,
    node: Arc<str>,
    key: TaskKey,
    call: Call,
    keep: bool,
    root: u64,
}

/// Which of the graphs that a task runs.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    /// One after the other, from 0.
    Nth(u32),
    /// Those that run side by side cannot be told apart by their order.
    Named(String),
}

/// The name of a thread. A run that is not stored gets one by chance when it first needs it.
#[derive(Debug, Default)]
pub(crate) struct ThreadName {
    name: OnceLock<Arc<str>>,
    /// Tells threads apart that had the same name one after the other.
    born: u64,
}

impl ThreadName {
    pub(crate) fn new(name: Arc<str>, born: u64) -> Self {
        Self { name: OnceLock::from(name), born }
    }

    pub(crate) fn born(&self) -> u64 {
        self.born
    }

    pub(crate) fn get(&self) -> &Arc<str> {
        self.name.get_or_init(|| format!("run-{:016x}{:016x}", crate::cx::entropy(), crate::cx::entropy()).into())
    }
}

impl Scope {
    /// The place of a thread's own graph.
    pub(crate) fn root(thread: Arc<ThreadName>, branch: u32) -> Arc<Self> {
        Arc::new(Self { thread, branch, inside: None, path: OnceLock::from(Arc::from("")) })
    }

    /// The place of a graph that a task runs. One that keeps its state between runs has the same place each time.
    pub(crate) fn inside(
        self: &Arc<Self>,
        node: &Arc<str>,
        key: TaskKey,
        seq: u64,
        call: Call,
        keep: bool,
    ) -> Arc<Self> {
        let root = self.root_seq(seq);
        let inside = Inside { scope: self.clone(), node: node.clone(), key, call, keep, root };
        Arc::new(Self { thread: self.thread.clone(), branch: self.branch, inside: Some(inside), path: OnceLock::new() })
    }

    /// The place of a graph whose path is known.
    pub(crate) fn at(thread: Arc<ThreadName>, path: &str, branch: u32) -> Arc<Self> {
        Arc::new(Self { thread, branch, inside: None, path: OnceLock::from(Arc::from(path)) })
    }

    pub(crate) fn thread(&self) -> &Arc<str> {
        self.thread.get()
    }

    pub(crate) fn born(&self) -> u64 {
        self.thread.born
    }

    pub(crate) fn branch(&self) -> u32 {
        self.branch
    }

    pub(crate) fn is_root(&self) -> bool {
        self.inside.is_none()
    }

    /// The superstep of the thread's own graph that a superstep of this one belongs to.
    pub(crate) fn root_seq(&self, seq: u64) -> u64 {
        self.inside.as_ref().map_or(seq, |inside| inside.root)
    }

    /// The path: `research@4#2` is the graph that task 2 of the superstep that leads to checkpoint 4 runs, a node called
    /// `research`; `.1` behind it would be the second one that it runs, `.call-0-1` the one that a call of a tool runs, and `/`
    /// leads to those inside.
    pub(crate) fn path(&self) -> &Arc<str> {
        self.path.get_or_init(|| {
            let inside = self.inside.as_ref().expect("the path of a thread's own graph is set when it is made");
            let mut path = String::from(&**inside.scope.path());
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(&inside.node);
            if !inside.keep {
                let _ = write!(path, "@{}#{}", inside.key.seq, inside.key.index);
            }
            match &inside.call {
                Call::Nth(0) => {}
                Call::Nth(n) => drop(write!(path, ".{n}")),
                Call::Named(name) => drop(write!(path, ".{name}")),
            }
            path.into()
        })
    }

    /// The id of a task: a hash of all that tells it from others.
    pub(crate) fn task_id(&self, key: TaskKey, node: &str) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        for part in [&**self.thread(), &**self.path(), node] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&self.born().to_le_bytes());
        hasher.update(&self.branch.to_le_bytes());
        hasher.update(&key.seq.to_le_bytes());
        hasher.update(&key.index.to_le_bytes());
        short(&hasher)
    }
}

/// Tells whether a graph on a path keeps its state, or is inside one that does: its name there is not bound to one task.
pub(crate) fn keeps_state(path: &str) -> bool {
    !path.is_empty() && path.split('/').any(|part| !part.contains('@'))
}

/// The id of something that belongs to a task: the `n`th of its kind and name.
pub(crate) fn id_within(task: [u8; 16], kind: &str, name: &str, n: u32) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&task);
    for part in [kind, name] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(&n.to_le_bytes());
    hex(&short(&hasher))
}

/// A number in 0..1 that depends on a task and an attempt of it, for the jitter of its retries.
pub(crate) fn chance(task: [u8; 16], attempt: u32) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&task);
    hasher.update(&attempt.to_le_bytes());
    let [a, b, c, d, ..] = short(&hasher);
    f64::from(u32::from_le_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
}

fn short(hasher: &blake3::Hasher) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    id
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
