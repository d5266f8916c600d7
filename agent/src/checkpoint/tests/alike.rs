//! Random operations: the two stores and the plain words of the trait must agree on every answer.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::plain::Plain;
use super::*;

const THREADS: [&str; 3] = ["a", "ab", "b"];
const PATHS: [&str; 3] = ["", "s", "s/t"];

#[derive(Debug, Clone)]
enum Operation {
    Claim(&'static str),
    Release(&'static str),
    /// Gives back a claim that is not the newest.
    ReleaseOld(&'static str),
    /// Calls all, then awaits all.
    Write(&'static str, Vec<Batch>),
    WriteOld(&'static str, Batch),
    Copy(&'static str, &'static str),
    Delete(&'static str),
    /// The process ends and begins again.
    Reopen,
    Load(&'static str, &'static str, Vec<Span>),
    Steps(&'static str, &'static str, Vec<Span>, Option<u64>, usize),
    Entry(&'static str, Place, EntryKey),
    Describe(&'static str, usize),
}

/// Roots never fall along a line, so each is a function of the number that does not either.
fn root(path: &str, seq: u64) -> u64 {
    if path.is_empty() { seq } else { seq / 2 + 1 }
}

fn key() -> impl Strategy<Value = EntryKey> {
    (0..2_u32, select(&EntryKind::ALL[..]), select(&["", "x"][..])).prop_map(|(task, kind, name)| EntryKey {
        task,
        kind,
        name: name.to_owned(),
    })
}

fn place() -> impl Strategy<Value = Place> {
    (select(&PATHS[..]), 0..3_u32, 0..7_u64).prop_map(|(path, branch, seq)| Place {
        path: Arc::from(path),
        branch,
        seq,
    })
}

fn record() -> impl Strategy<Value = Record> {
    let value = || vec(any::<u8>(), 0..3);
    let body = prop_oneof![
        4 => value().prop_map(|value| Body::Step { root: 0, value }),
        1 => value().prop_map(Body::Snapshot),
        3 => (0..3_u32, value()).prop_map(|(task, value)| Body::Result { task, value }),
        2 => (key(), value()).prop_map(|(key, value)| Body::Entry { key, value }),
    ];
    (place(), body).prop_map(|(place, mut body)| {
        if let Body::Step { root, .. } = &mut body {
            *root = self::root(&place.path, place.seq);
        }
        Record { place, body }
    })
}

fn fork() -> impl Strategy<Value = Fork> {
    (place(), 0..3_u32).prop_map(|(Place { path, branch, seq }, from)| Fork { path, branch, from, seq })
}

fn prune() -> impl Strategy<Value = Prune> {
    let bound = || prop_oneof![5 => 0..7_u64, 1 => Just(u64::MAX)];
    let cut = (place(), bound()).prop_map(|(Place { path, branch, .. }, below)| Cut { path, branch, below });
    let spared = vec(place().prop_map(|place| place.path), 0..2);
    (vec(0..3_u32, 1..4), bound(), spared, vec(cut, 0..3)).prop_map(|(branches, root_below, spared, cuts)| Prune {
        branches,
        root_below,
        spared,
        cuts,
    })
}

fn batch() -> impl Strategy<Value = Batch> {
    let records = (vec(record(), 0..8), prop::bool::weighted(0.03)).prop_map(|(mut records, is_bad)| {
        if let Some(last) = records.last_mut().filter(|_| is_bad) {
            last.place.seq = SEQ_MAX + 1;
        }
        records
    });
    (records, vec(fork(), 0..2), option::weighted(0.2, 0..3_u32), option::weighted(0.1, prune()), any::<bool>())
        .prop_map(|(records, forks, head, prune, durable)| Batch { records, forks, head, prune, durable })
}

fn lineage() -> impl Strategy<Value = Vec<Span>> {
    let bound = || prop_oneof![1 => 0..7_u64, 1 => Just(u64::MAX)];
    let span = (0..3_u32, bound(), bound()).prop_map(|(branch, seq_max, root_max)| Span { branch, seq_max, root_max });
    vec(span, 0..4)
}

fn operation() -> impl Strategy<Value = Operation> {
    let thread = || select(&THREADS[..]);
    let path = || select(&PATHS[..]);
    prop_oneof![
        4 => thread().prop_map(Operation::Claim),
        2 => thread().prop_map(Operation::Release),
        1 => thread().prop_map(Operation::ReleaseOld),
        12 => (thread(), vec(batch(), 1..4)).prop_map(|(thread, batches)| Operation::Write(thread, batches)),
        1 => (thread(), batch()).prop_map(|(thread, batch)| Operation::WriteOld(thread, batch)),
        1 => (thread(), thread()).prop_map(|(from, to)| Operation::Copy(from, to)),
        1 => thread().prop_map(Operation::Delete),
        1 => Just(Operation::Reopen),
        8 => (thread(), path(), lineage()).prop_map(|(thread, path, spans)| Operation::Load(thread, path, spans)),
        4 => (thread(), path(), lineage(), option::of(0..8_u64), 0..5_usize)
            .prop_map(|(thread, path, spans, before, limit)| Operation::Steps(thread, path, spans, before, limit)),
        2 => (thread(), place(), key()).prop_map(|(thread, place, key)| Operation::Entry(thread, place, key)),
        2 => (thread(), 0..4_usize).prop_map(|(thread, limit)| Operation::Describe(thread, limit)),
    ]
}

/// The stores side by side, with all claims ever made.
struct Both {
    memory: Memory,
    sqlite: Sqlite,
    folder: TempDir,
    plain: std::collections::BTreeMap<&'static str, Plain>,
    claims: Vec<Claim>,
}

/// What tells errors apart for those who have to act on them.
fn kind<T>(result: Result<T>) -> Result<T, Kind> {
    result.map_err(|error| error.kind())
}

/// Clocks differ.
fn untouched(mut info: ThreadInfo) -> ThreadInfo {
    info.touched = SystemTime::UNIX_EPOCH;
    info
}

/// Asks both and compares.
macro_rules! both {
    ($both:expr, |$store:ident| $ask:expr) => {{
        let $store = &$both.memory;
        let memory = $ask;
        let $store = &$both.sqlite;
        assert_eq!($ask, memory);
        memory
    }};
}

impl Both {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            memory: Memory::new(),
            sqlite: Sqlite::open(folder.path().join("threads.sqlite")).await.unwrap(),
            folder,
            plain: Default::default(),
            claims: Vec::new(),
        }
    }

    fn claims(&self, thread: &str) -> impl DoubleEndedIterator<Item = Claim> {
        let claims: Vec<_> = self.claims.iter().filter(|claim| &*claim.thread == thread).cloned().collect();
        claims.into_iter()
    }

    async fn run(&mut self, operation: Operation) {
        match operation {
            Operation::Claim(thread) => {
                if let Ok(claim) = both!(self, |store| kind(store.claim(thread).await)) {
                    self.claims.push(claim);
                    self.plain.entry(thread).or_default();
                }
            }
            Operation::Release(thread) => {
                let Some(claim) = self.claims(thread).next_back() else { return };
                both!(self, |store| store.release(&claim));
            }
            Operation::ReleaseOld(thread) => {
                let Some(claim) = self.claims(thread).nth_back(1) else { return };
                both!(self, |store| store.release(&claim));
            }
            Operation::Write(thread, batches) => {
                let Some(claim) = self.claims(thread).next_back() else { return };
                self.write(thread, &claim, batches).await;
            }
            Operation::WriteOld(thread, batch) => {
                let Some(claim) = self.claims(thread).nth_back(1) else { return };
                assert_eq!(both!(self, |store| kind(store.write(&claim, batch.clone()).await)), Err(Kind::Conflict));
            }
            Operation::Copy(from, to) => {
                if both!(self, |store| kind(store.copy(from, to).await)).is_ok() {
                    self.plain.insert(to, self.plain[from].clone());
                }
            }
            Operation::Delete(thread) => {
                if both!(self, |store| kind(store.delete(thread).await)) == Ok(true) {
                    self.plain.remove(thread);
                }
            }
            Operation::Reopen => self.reopen().await,
            Operation::Load(..) | Operation::Steps(..) | Operation::Entry(..) | Operation::Describe(..) => {
                self.read(operation).await;
            }
        }
    }

    async fn write(&mut self, thread: &'static str, claim: &Claim, batches: Vec<Batch>) {
        let outcomes = both!(self, |store| {
            let writes: Vec<_> = batches.iter().map(|batch| store.write(claim, batch.clone())).collect();
            let mut outcomes = Vec::new();
            for write in writes {
                outcomes.push(kind(write.await));
            }
            outcomes
        });
        for (batch, outcome) in batches.iter().zip(outcomes) {
            if outcome.is_ok() {
                self.plain.get_mut(thread).unwrap().write(batch);
            }
        }
    }

    /// With its process, a claim ends.
    async fn reopen(&mut self) {
        self.claims.iter().for_each(|claim| self.memory.release(claim));
        // The old one goes first, as it would in another process.
        self.sqlite = Sqlite::open(self.folder.path().join("none")).await.unwrap();
        self.sqlite = Sqlite::open(self.folder.path().join("threads.sqlite")).await.unwrap();
    }

    async fn read(&self, operation: Operation) {
        let plain = |thread: &str| self.plain.get(thread).cloned().unwrap_or_default();
        match operation {
            Operation::Load(thread, path, lineage) => {
                let loaded = both!(self, |store| kind(store.load(thread, path, &lineage).await));
                assert_eq!(loaded, Ok(plain(thread).load(path, &lineage)));
            }
            Operation::Steps(thread, path, lineage, before, limit) => {
                let steps = both!(self, |store| kind(store.steps(thread, path, &lineage, before, limit).await));
                assert_eq!(steps, Ok(plain(thread).steps(path, &lineage, before, limit)));
            }
            Operation::Entry(thread, place, key) => {
                let entry = both!(self, |store| kind(store.entry(thread, &place, &key).await));
                assert_eq!(entry, Ok(plain(thread).entry(&place, &key)));
            }
            Operation::Describe(thread, limit) => {
                both!(self, |store| kind(store.thread(thread).await).map(|info| info.map(untouched))).unwrap();
                let page = |threads: Vec<ThreadInfo>| threads.into_iter().map(untouched).collect::<Vec<_>>();
                both!(self, |store| kind(store.threads(thread, limit).await).map(page)).unwrap();
                let paths = both!(self, |store| kind(store.paths(thread, &"s/"[..limit.min(2)]).await));
                assert_eq!(paths, Ok(plain(thread).paths(&"s/"[..limit.min(2)])));
            }
            other => panic!("{other:?} does not read"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stores_answer_alike(operations in vec(operation(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        run(&runtime, operations);
    }
}

fn run(runtime: &Runtime, operations: Vec<Operation>) {
    runtime.block_on(async {
        let mut both = Both::new().await;
        for thread in THREADS {
            both.run(Operation::Claim(thread)).await;
        }
        for operation in operations {
            both.run(operation).await;
        }
        both.run(Operation::Reopen).await;
        let all = |branch| Span { branch, seq_max: u64::MAX, root_max: u64::MAX };
        for thread in THREADS {
            both.run(Operation::Describe(thread, 9)).await;
            for path in PATHS {
                both.run(Operation::Load(thread, path, vec![all(2), all(0), all(1)])).await;
                both.run(Operation::Steps(thread, path, vec![all(1), all(2), all(0)], None, 99)).await;
            }
        }
    });
}
