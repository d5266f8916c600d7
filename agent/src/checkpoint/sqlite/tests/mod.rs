//! What only a file can go through: groups, full disks, damage, other processes. The rest is in the suite.

mod damage;
mod figures;
mod processes;

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use super::super::{Body, EntryKind, Record, Span};
use super::*;

const TRUNK: [Span; 1] = [Span { branch: 0, seq_max: u64::MAX, root_max: u64::MAX }];

struct Bench {
    store: Sqlite,
    folder: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(folder.path().join("threads.sqlite")).await.unwrap();
        Self { store, folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("threads.sqlite")
    }

    /// Keeps the writer waiting for as long as the connection lives, as another process would.
    fn hold_up(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        connection
    }

    fn connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    /// Does something to the connection of the writer.
    async fn execute(&self, sql: &'static str) {
        self.store.ask(Work::Execute(sql)).await.unwrap();
    }

    async fn newest(&self, thread: &str) -> Option<u64> {
        newest(&self.store, thread).await
    }
}

async fn newest(store: &Sqlite, thread: &str) -> Option<u64> {
    store.load(thread, "", &TRUNK).await.unwrap().step.map(|step| step.place.seq)
}

fn step(seq: u64) -> Batch {
    step_of(seq, br#"{"step":"about sixty bytes, as a superstep without effect has"}"#.to_vec())
}

fn step_of(seq: u64, value: Vec<u8>) -> Batch {
    let place = Place { path: Arc::from(""), branch: 0, seq };
    Batch { records: vec![Record { place, body: Body::Step { root: seq, value } }], ..Batch::default() }
}

fn durable(batch: Batch) -> Batch {
    Batch { durable: true, ..batch }
}

#[tokio::test]
async fn what_waits_shares_a_transaction() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    let before = bench.store.commits();
    let other = bench.hold_up();
    let writes: Vec<_> = (0..100).map(|seq| bench.store.write(&claim, durable(step(seq)))).collect();
    drop(other);
    for write in writes {
        write.await.unwrap();
    }
    // The first may have been taken before the others came.
    let commits = bench.store.commits();
    assert!((1..=2).contains(&(commits.all - before.all)), "{before:?} and then {commits:?}");
    assert!((1..=2).contains(&(commits.synced - before.synced)), "{before:?} and then {commits:?}");
    assert_eq!(bench.newest("a").await, Some(99));
}

#[tokio::test]
async fn only_what_must_be_durable_is_synced() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    bench.store.write(&claim, step(0)).await.unwrap();
    bench.store.write(&claim, durable(step(1))).await.unwrap();
    bench.store.write(&claim, step(2)).await.unwrap();
    assert_eq!(bench.store.commits(), Commits { all: 4, synced: 1 });
    let refused = bench.store.claim("a").await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(bench.store.commits(), Commits { all: 4, synced: 1 }, "what changes nothing is no commit");
}

#[tokio::test]
async fn a_bad_batch_fails_alone() {
    let bench = Bench::new().await;
    let a = bench.store.claim("a").await.unwrap();
    let b = bench.store.claim("b").await.unwrap();
    let other = bench.hold_up();
    let good = bench.store.write(&a, step(0));
    let mut half = step(0);
    half.records.extend(step(SEQ_MAX + 1).records);
    let bad = bench.store.write(&b, half);
    let after_bad = bench.store.write(&b, step(1));
    let stale = bench.store.write(&Claim { epoch: 9, ..a.clone() }, step(7));
    let after_stale = bench.store.write(&a, step(1));
    drop(other);
    assert_eq!(bad.await.unwrap_err().kind(), Kind::BadInput);
    assert_eq!(after_bad.await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(stale.await.unwrap_err().kind(), Kind::Conflict);
    good.await.unwrap();
    after_stale.await.unwrap();
    assert_eq!((bench.newest("a").await, bench.newest("b").await), (Some(1), None));
}

#[tokio::test]
async fn when_the_commit_fails_each_is_tried_alone() {
    let bench = Bench::new().await;
    let a = bench.store.claim("a").await.unwrap();
    let b = bench.store.claim("b").await.unwrap();
    let other = bench.hold_up();
    let first = bench.store.write(&a, step(0)); // may be taken alone, so the next one makes a line as well
    let line = |seq| {
        let mut batch = step(seq);
        batch.records[0].place.path = Arc::from("sub");
        batch
    };
    let second = bench.store.write(&a, line(1));
    let bad = bench.store.write(&b, step(SEQ_MAX + 1));
    let (reply, unsound) = oneshot::channel();
    let sql = "PRAGMA defer_foreign_keys = ON; INSERT INTO steps VALUES (999, 0, NULL, '')";
    bench.store.0.queue.push(Job { work: Work::Execute(sql), reply: Some(reply) }).unwrap();
    let third = bench.store.write(&a, line(2));
    drop(other);
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(bad.await.unwrap_err().kind(), Kind::BadInput, "it says the same the second time");
    assert_eq!(unsound.await.unwrap().unwrap_err().kind(), Kind::Internal);
    third.await.unwrap();
    let steps = bench.store.steps("a", "sub", &TRUNK, None, 9).await.unwrap();
    assert_eq!(steps.iter().map(|step| step.place.seq).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn dropping_the_last_handle_stores_everything() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    for seq in 0..500 {
        drop(bench.store.write(&claim, step(seq)));
    }
    let path = bench.path();
    let Bench { store, folder } = bench;
    let clone = store.clone();
    drop(store);
    assert!(folder.path().join("threads.sqlite-owners").exists(), "a clone keeps the claim");
    drop(clone);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["threads.sqlite"], "it leaves one file");
    let store = Sqlite::open(path).await.unwrap();
    assert_eq!(newest(&store, "a").await, Some(499));
    store.claim("a").await.unwrap();
}

#[tokio::test]
async fn values_can_be_read_with_the_shell() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    bench.store.write(&claim, step_of(0, br#"{"next":["b"]}"#.to_vec())).await.unwrap();
    bench.store.write(&claim, step_of(1, vec![0xff])).await.unwrap();
    let sql = "SELECT seq, root, typeof(value), value ->> '$.next[0]' FROM steps WHERE seq = 0
               UNION SELECT seq, root, typeof(value), NULL FROM steps WHERE seq = 1";
    let connection = bench.connection();
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((0..4).map(|n| row.get(n).unwrap()).collect::<Vec<Value>>()));
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    let text = |text: &str| Value::Text(text.to_owned());
    let expected = [
        vec![Value::Integer(0), Value::Null, text("text"), text("b")],
        vec![Value::Integer(1), Value::Null, text("blob"), Value::Null],
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn reads_are_searches() {
    let bench = Bench::new().await;
    let connection = bench.connection();
    for sql in read::LINE_READS {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> = statement.raw_query().mapped(|row| row.get(3)).map(Result::unwrap).collect();
        assert!(plan.iter().all(|line| line.starts_with("SEARCH")), "{sql}: {plan:?}");
    }
}

#[tokio::test]
async fn a_release_that_fails_is_made_up_for() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    bench.execute("PRAGMA busy_timeout = 1").await;
    let other = bench.hold_up();
    bench.store.release(&claim);
    let busy = bench.store.claim("b").await.unwrap_err();
    assert_eq!(busy.kind(), Kind::Unavailable, "{busy}");
    drop(other);
    bench.store.claim("a").await.unwrap();
}

#[tokio::test]
async fn who_waits_in_vain_can_try_again() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    bench.execute("PRAGMA busy_timeout = 1").await;
    let other = bench.hold_up();
    let busy = bench.store.write(&claim, step(0)).await.unwrap_err();
    assert!(busy.is_retryable(), "{busy}");
    drop(other);
    let gap = bench.store.write(&claim, step(1)).await.unwrap_err();
    assert_eq!(gap.kind(), Kind::Conflict, "{gap}");
    bench.store.release(&claim);
    let claim = bench.store.claim("a").await.unwrap();
    bench.store.write(&claim, step(0)).await.unwrap();
}

#[tokio::test]
async fn entries_of_an_unknown_kind_are_reported() {
    let bench = Bench::new().await;
    let claim = bench.store.claim("a").await.unwrap();
    bench.store.write(&claim, step(0)).await.unwrap();
    let sql = "INSERT INTO entries VALUES ((SELECT id FROM lines), 1, 0, 'dream', '', '')";
    bench.connection().execute(sql, []).unwrap();
    let error = bench.store.load("a", "", &TRUNK).await.unwrap_err();
    assert!(error.to_string().contains("`dream`"), "{error}");
    let key = EntryKey { task: 0, kind: EntryKind::Gate, name: String::new() };
    let place = Place { path: Arc::from(""), branch: 0, seq: 1 };
    assert_eq!(bench.store.entry("a", &place, &key).await.unwrap(), None, "others can be read all the same");
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let bench = Bench::new().await;
    bench.store.claim("a").await.unwrap();
    let owners = fs::read_dir(bench.folder.path().join("threads.sqlite-owners")).unwrap();
    let files = fs::read_dir(bench.folder.path()).unwrap().chain(owners);
    let mut modes: Vec<_> = files.map(|file| file.unwrap().metadata().unwrap().permissions().mode() & 0o7777).collect();
    modes.sort_unstable();
    assert_eq!(modes, [0o600, 0o600, 0o600, 0o600, 0o700], "the file, its log and index, one lock, one folder");
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_leads_to_the_same_store() {
    let bench = Bench::new().await;
    let link = bench.folder.path().join("link.sqlite");
    std::os::unix::fs::symlink(bench.path(), &link).unwrap();
    let linked = Sqlite::open(&link).await.unwrap();
    assert_eq!(linked.path(), bench.store.path());
    bench.store.claim("a").await.unwrap();
    assert_eq!(linked.claim("a").await.unwrap_err().kind(), Kind::Conflict);
}

#[test]
fn the_queue_has_an_end() {
    let claim = Claim { thread: Arc::from("a"), epoch: 1 };
    let other = Claim { thread: Arc::from("b"), epoch: 2 };
    let queue = Queue::default();
    let push = |claim: &Claim| queue.push(Job { work: Work::Write(claim.clone(), Batch::default()), reply: None });
    let refused = std::iter::repeat_with(|| push(&claim)).find_map(Result::err).unwrap();
    assert_eq!(refused.kind(), Kind::Limit, "{refused}");
    queue.take().unwrap();
    assert_eq!(push(&claim).unwrap_err().kind(), Kind::Conflict, "there is room again, but a gap before it");
    push(&other).unwrap();
    queue.push_release(&other);
    assert_eq!(push(&claim).unwrap_err().kind(), Kind::Conflict);
    queue.push_release(&claim);
    push(&Claim { epoch: 3, ..claim.clone() }).unwrap();
}

#[test]
fn long_batches_fill_the_queue_too() {
    let claim = Claim { thread: Arc::from("a"), epoch: 1 };
    let queue = Queue::default();
    // Capacity is not touched, so this takes no memory to speak of.
    let push = || queue.push(Job { work: Work::Write(claim.clone(), step_of(0, vec![0; 256 << 20])), reply: None });
    let pushed = std::iter::repeat_with(push).take_while(Result::is_ok).count();
    assert_eq!(pushed, 4);
    assert_eq!(queue.take().unwrap().len(), 1, "a long batch has a transaction of its own");
}

#[tokio::test]
async fn nobody_waits_for_a_writer_that_is_gone() {
    let queue = Queue::default();
    let (reply, answer) = oneshot::channel();
    queue.push(Job { work: Work::Delete(Arc::from("a")), reply: Some(reply) }).unwrap();
    queue.abandon();
    assert!(answer.await.is_err());
    let late = queue.push(Job { work: Work::Delete(Arc::from("a")), reply: None });
    assert_eq!(late.unwrap_err().kind(), Kind::Internal);
}
