//! Whole threads: listing, forking, copying, deleting, pruning.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lorewell_model::{Error, Kind};

use super::super::{Batch, Checkpoints, Cut, EntryKind, Loaded, Prune, Span, ThreadInfo};
use super::{
    Bench, TRUNK, batch, entry, fork, key, place, result, result_row, snapshot, snapshot_row, span, step, step_row,
};

/// A clock that is set back a little is not a fault of the store, nor is one that counts whole seconds.
const CLOCK_SLACK: Duration = Duration::from_secs(5);

pub(super) async fn check<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    threads_are_described(open).await;
    threads_are_listed(open).await;
    a_copy_has_everything(open).await;
    deletion_leaves_nothing(open).await;
    branches_are_pruned(open).await;
    lines_of_the_past_are_pruned(open).await;
    beginnings_are_cut(open).await;
}

async fn info<S: Checkpoints>(store: &S, thread: &str) -> Option<ThreadInfo> {
    store.thread(thread).await.expect("the store can be read")
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> Kind {
    result.expect_err("it is refused").kind()
}

async fn threads_are_described<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    assert_eq!(info(&bench.store, "other").await, None, "what was never claimed is not there");
    let fresh = info(&bench.store, "thread").await.expect("what was claimed is there");
    let age = SystemTime::now().duration_since(fresh.touched).unwrap_or_else(|early| early.duration());
    assert!(age < CLOCK_SLACK, "a thread is touched when it is claimed, not {age:?} ago");
    assert_eq!((&*fresh.name, fresh.head, fresh.forks.len()), ("thread", 0, 0), "a new thread is on branch 0");
    let forks = vec![fork("", 2, 0, 3), fork("", 1, 0, 1), fork("sub", 1, 0, 0)];
    bench.write(Batch { forks: forks.clone(), head: Some(2), ..Batch::default() }).await;
    bench.put([step("", 2, 4, 4)]).await;
    let forked = info(&bench.store, "thread").await.expect("it is there");
    assert_eq!((forked.head, &forked.forks), (2, &forks), "forks come in the order in which they were made");
    bench.write(Batch { forks: vec![fork("", 2, 1, 2)], head: Some(0), ..Batch::default() }).await;
    let replaced = info(&bench.store, "thread").await.expect("it is there");
    let expected = vec![fork("", 2, 1, 2), forks[1].clone(), forks[2].clone()];
    assert_eq!((replaced.head, replaced.forks), (0, expected), "a fork is replaced in its place");
}

async fn threads_are_listed<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let store = open().await;
    let mut names = ["b", "a", "aa", "A", "\u{e9}", "a b", "\u{1f600}"];
    for name in names {
        store.claim(name).await.expect("it is free");
    }
    names.sort_unstable();
    let list = async |after: &str, limit| -> Vec<String> {
        let threads = store.threads(after, limit).await.expect("the store can be read");
        threads.iter().map(|info| (*info.name).to_owned()).collect()
    };
    assert_eq!(list("", usize::MAX).await, names, "all threads, in the order of their bytes");
    let mut paged = Vec::new();
    while let [.., last] = &list(paged.last().map_or("", String::as_str), 2).await[..] {
        let after = paged.last().cloned().unwrap_or_default();
        paged.extend(list(&after, 2).await);
        assert_eq!(paged.last(), Some(last), "a page is the same when it is read again");
    }
    assert_eq!(paged, names, "pages join without a gap");
    assert_eq!(list("a!", 1).await, ["aa"], "a page may begin after a name that is not there");
    assert_eq!(list("", 0).await, [""; 0], "an empty page is empty");
}

async fn a_copy_has_everything<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    let key = key(1, EntryKind::Effect, "e");
    let records = [step("", 0, 0, 0), snapshot("", 0, 0), result("", 0, 1, 0), entry("", 0, 1, &key, b"x")];
    let others = [step("sub", 0, 3, 0), step("", 1, 1, 1), result("sub", 2, 4, 1)];
    let forks = vec![fork("", 1, 0, 0), fork("sub", 2, 0, 3)];
    let records = records.into_iter().chain(others).collect();
    bench.write(Batch { records, forks: forks.clone(), head: Some(1), ..Batch::default() }).await;
    let store = &bench.store;
    store.copy("thread", "copy").await.expect("a thread can be copied while it is held");
    let copied = info(store, "copy").await.expect("it is there");
    assert_eq!((copied.head, copied.forks), (1, forks), "the head and the forks are copied");
    let lineages: [&[Span]; 3] = [&TRUNK, &[span(1, u64::MAX), span(0, 0)], &[span(2, u64::MAX), span(0, 3)]];
    for path in ["", "sub"] {
        for lineage in lineages {
            let copy = store.load("copy", path, lineage).await.expect("the store can be read");
            assert_eq!(copy, bench.load(path, lineage).await, "all records are copied");
        }
    }
    let found = store.entry("copy", &place("", 0, 1), &key).await.expect("the store can be read");
    assert_eq!(found.as_deref(), Some(&b"x"[..]), "entries are copied");
    let claim = store.claim("copy").await.expect("a claim is not copied");
    store.write(&claim, batch([step("", 0, 7, 7)])).await.expect("a copy can be written to");
    assert_eq!(bench.load("", &TRUNK).await.step, Some(step_row("", 0, 0, 0)), "the copy is apart");
    assert_eq!(kind(store.copy("thread", "copy").await), Kind::Conflict, "nothing is copied over a thread");
    assert_eq!(kind(store.copy("thread", "thread").await), Kind::Conflict, "not even itself");
    assert_eq!(kind(store.copy("none", "new").await), Kind::NotFound, "what is not there cannot be copied");
    assert_eq!(kind(store.copy("thread", "").await), Kind::BadInput, "a thread has a name");
    assert_eq!(info(store, "new").await, None, "a copy that failed leaves nothing");
}

async fn deletion_leaves_nothing<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let Bench { store, claim } = Bench::new(open).await;
    let neighbour = store.claim("thread2").await.expect("it is free");
    let key = key(0, EntryKind::Gate, "g");
    let all = [step("", 0, 0, 0), snapshot("", 0, 0), result("", 0, 1, 0), entry("", 0, 1, &key, b"x")];
    for claim in [&claim, &neighbour] {
        let batch = Batch { forks: vec![fork("", 1, 0, 0)], head: Some(1), ..batch(all.clone()) };
        store.write(claim, batch).await.expect("it is written");
    }
    assert_eq!(kind(store.delete("thread").await), Kind::Conflict, "what is held is not deleted");
    store.release(&claim);
    assert!(store.delete("thread").await.expect("it is free"), "it was there");
    assert!(!store.delete("thread").await.expect("it is gone"), "it is not there any more");
    let load = async |thread: &str| store.load(thread, "", &TRUNK).await.expect("the store can be read");
    assert_eq!(info(&store, "thread").await, None, "a deleted thread is gone");
    assert_eq!(load("thread").await, Loaded::default(), "with its records");
    let claim = store.claim("thread").await.expect("it can be made again");
    let fresh = info(&store, "thread").await.expect("it is there");
    assert_eq!((fresh.head, fresh.forks, load("thread").await), (0, vec![], Loaded::default()), "and is empty then");
    store.write(&claim, batch([result("", 0, 0, 9)])).await.expect("it can be written to");
    assert_eq!(load("thread2").await.step, Some(step_row("", 0, 0, 0)), "others stay");
    assert_eq!(info(&store, "thread2").await.map(|info| info.forks.len()), Some(1), "with their forks");
}

async fn branches_are_pruned<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    for branch in 0..=3 {
        bench.put(["", "sub"].map(|path| step(path, branch, 1, 1))).await;
    }
    bench.put([result("loose", 2, 1, 0)]).await;
    let forks = vec![fork("", 1, 0, 1), fork("", 2, 1, 1), fork("", 3, 1, 1), fork("sub", 3, 1, 1)];
    bench.write(Batch { forks: forks.clone(), head: Some(3), ..Batch::default() }).await;
    let prune = Some(Prune { branches: vec![1, 3], ..Prune::default() });
    let new = [result("", 0, 5, 0), step("", 3, 2, 2)];
    bench.write(Batch { prune, forks: vec![fork("", 4, 0, 1)], ..batch(new) }).await;
    for (branch, newest) in [(0, None), (1, Some(1)), (2, None), (3, Some(2))] {
        let step = bench.load("", &[span(branch, u64::MAX)]).await.step;
        assert_eq!(step.map(|step| step.place.seq), newest, "branch {branch} after 1 and 3 were kept");
    }
    assert_eq!(bench.paths("").await, ["", "sub"], "a path without lines goes");
    let kept = info(&bench.store, "thread").await.expect("it is there").forks;
    let expected: Vec<_> = forks.into_iter().chain([fork("", 4, 0, 1)]).collect();
    assert_eq!(kept, expected, "forks stay, new ones come after them");
    bench.write(Batch { prune: Some(Prune::default()), ..Batch::default() }).await;
    assert_eq!(bench.paths("").await, [""; 0], "keeping no branch leaves none");
}

async fn lines_of_the_past_are_pruned<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    bench.put([step("", 0, 9, 9), step("past", 0, 0, 3), step("past", 0, 1, 4), snapshot("past", 0, 9)]).await;
    bench.put([step("now", 0, 0, 3), step("now", 0, 1, 5), result("begun", 0, 0, 0)]).await;
    let prune = |root_below| Batch {
        prune: Some(Prune { branches: vec![0], root_below, ..Prune::default() }),
        ..Batch::default()
    };
    bench.write(prune(4)).await;
    assert_eq!(bench.paths("").await, ["", "begun", "now", "past"], "a line stays for its newest step");
    bench.write(prune(5)).await;
    assert_eq!(bench.paths("").await, ["", "begun", "now"], "a line all below goes, one without steps stays");
    assert_eq!(bench.load("past", &TRUNK).await, Loaded::default(), "with its records");
    bench.put([step("no", 0, 0, 3), step("now/in", 3, 0, 3)]).await;
    let spared = vec![Arc::from("now")];
    let all_but = Prune { branches: vec![0], root_below: u64::MAX, spared, ..Prune::default() };
    bench.write(Batch { prune: Some(all_but), ..Batch::default() }).await;
    assert_eq!(bench.paths("").await, ["begun", "now", "now/in"], "what is spared stays, with all inside it");
    bench.write(prune(u64::MAX)).await;
    assert_eq!(bench.paths("").await, ["begun"], "below everything, only what has no steps stays");
}

async fn beginnings_are_cut<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    let key = key(0, EntryKind::Effect, "e");
    let all = (0..=4).flat_map(|seq| {
        [step("", 0, seq, seq), snapshot("", 0, seq), result("", 0, seq, 0), entry("", 0, seq, &key, b"x")]
    });
    bench.put(all.chain([step("", 1, 0, 0), step("sub", 0, 0, 0), result("sub", 0, 1, 0)])).await;
    let cut = |path: &str, branch, below| Cut { path: Arc::from(path), branch, below };
    let cuts = vec![cut("", 0, 3), cut("sub", 0, 1), cut("none", 0, 1), cut("", 5, 1)];
    let prune = Some(Prune { branches: vec![0, 1], cuts, ..Prune::default() });
    bench.write(Batch { prune, ..batch([snapshot("", 0, 0)]) }).await;
    assert_eq!(bench.steps(&TRUNK, None, 9).await, [step_row("", 0, 4, 4), step_row("", 0, 3, 3)], "steps are cut");
    assert_eq!(bench.entry(2, &key).await, None, "entries are cut");
    assert_eq!(bench.entry(3, &key).await.as_deref(), Some(&b"x"[..]), "those that stay stay");
    let past = bench.load("", &[span(0, 3)]).await;
    assert_eq!(past.snapshot, Some(snapshot_row("", 0, 3)), "snapshots are cut, and written after that");
    assert_eq!(bench.steps(&[span(1, 9)], None, 9).await, [step_row("", 1, 0, 0)], "other branches are not cut");
    assert_eq!(bench.load("sub", &TRUNK).await, Loaded::default(), "without a step, nothing is loaded");
    assert_eq!(bench.paths("").await, ["", "sub"], "a line with a record is still there");
    let prune = Some(Prune { branches: vec![0, 1], cuts: vec![cut("sub", 0, u64::MAX)], ..Prune::default() });
    bench.write(Batch { prune, ..batch([result("", 0, 5, 2)]) }).await;
    assert_eq!(bench.paths("").await, [""], "a line without one is not");
    assert_eq!(bench.load("", &TRUNK).await.results, [result_row("", 0, 5, 2)], "and writing goes on");
}
