//! Which records of several branches count.

use super::super::{Body, Checkpoints, EntryKind, EntryRow, Loaded, Span};
use super::{Bench, TRUNK, entry, key, record, result, result_row, snapshot, snapshot_row, span, step, step_row};

pub(super) async fn check<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    a_branch_goes_on_from_its_parent(open).await;
    bounds_hold(open).await;
    roots_bound_the_lines_of_subgraphs(open).await;
    the_first_span_counts(open).await;
    only_the_own_branch_is_unfinished(open).await;
    steps_are_listed_newest_first(open).await;
    lines_are_apart(open).await;
}

/// Steps 0 to 5 on branch 0 with results and a snapshot of 2; branch 1 leaves after 3 and has a step 4 of its own.
async fn forked<S: Checkpoints>(open: &impl AsyncFn() -> S) -> Bench<S> {
    let bench = Bench::new(open).await;
    bench.put((0..=5).map(|seq| step("", 0, seq, seq))).await;
    bench.put((1..=6).flat_map(|seq| [result("", 0, seq, 1), result("", 0, seq, 0)])).await;
    bench.put([snapshot("", 0, 0), snapshot("", 0, 2)]).await;
    bench.put([step("", 1, 4, 4), result("", 1, 4, 0), result("", 1, 5, 0)]).await;
    bench
}

async fn a_branch_goes_on_from_its_parent<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = forked(open).await;
    let expected = Loaded {
        step: Some(step_row("", 0, 5, 5)),
        snapshot: Some(snapshot_row("", 0, 2)),
        results: (3..=6).flat_map(|seq| [result_row("", 0, seq, 0), result_row("", 0, seq, 1)]).collect(),
        entries: vec![],
    };
    assert_eq!(bench.load("", &TRUNK).await, expected, "results after the newest snapshot are loaded, in order");
    let expected = Loaded {
        step: Some(step_row("", 1, 4, 4)),
        snapshot: Some(snapshot_row("", 0, 2)),
        results: vec![
            result_row("", 0, 3, 0),
            result_row("", 0, 3, 1),
            result_row("", 1, 4, 0),
            result_row("", 1, 5, 0),
        ],
        entries: vec![],
    };
    assert_eq!(bench.load("", &[span(1, u64::MAX), span(0, 3)]).await, expected, "a branch begins with its parent");
    let untouched = bench.load("", &[span(2, u64::MAX), span(1, 4), span(0, 3)]).await;
    assert_eq!(untouched.step, Some(step_row("", 1, 4, 4)), "a new branch begins where its parent is");
    assert_eq!(untouched.results, expected.results[..3], "but not with what the parent has begun");
    bench.put([snapshot("", 1, 4)]).await;
    let snapped = bench.load("", &[span(1, u64::MAX), span(0, 3)]).await;
    assert_eq!(snapped.snapshot, Some(snapshot_row("", 1, 4)), "the branch has the newest snapshot");
    assert_eq!(snapped.results, [result_row("", 1, 5, 0)], "results before the snapshot are in it");
}

async fn bounds_hold<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = forked(open).await;
    let past = bench.load("", &[span(0, 1)]).await;
    let expected = Loaded {
        step: Some(step_row("", 0, 1, 1)),
        snapshot: Some(snapshot_row("", 0, 0)),
        results: vec![result_row("", 0, 1, 0), result_row("", 0, 1, 1)],
        entries: vec![],
    };
    assert_eq!(past, expected, "nothing above `seq_max` is loaded");
    let by_root = bench.load("", &[Span { branch: 0, seq_max: u64::MAX, root_max: 1 }]).await;
    assert_eq!(by_root, expected, "nothing above `root_max` is loaded");
    assert_eq!(bench.load("", &[]).await, Loaded::default(), "an empty lineage holds nothing");
    assert_eq!(bench.load("", &[span(7, u64::MAX)]).await, Loaded::default(), "nor does a branch that is not there");
    assert_eq!(bench.load("other", &TRUNK).await, Loaded::default(), "nor a path that is not there");
    let none = bench.store.load("other", "", &TRUNK).await.expect("the store can be read");
    assert_eq!(none, Loaded::default(), "nor a thread that is not there");
}

async fn roots_bound_the_lines_of_subgraphs<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    // Supersteps 2, 5 and 9 of the thread's own graph have made 3, 1 and 4 checkpoints here, with a hole at 4.
    for (seq, root) in [(0, 2), (1, 2), (2, 2), (3, 5), (5, 9), (6, 9), (7, 9), (8, 9)] {
        bench.put([step("sub", 0, seq, root), result("sub", 0, seq, 0), snapshot("sub", 0, seq)]).await;
    }
    let last = async |root_max: u64, seq_max: u64| {
        let loaded = bench.load("sub", &[Span { branch: 0, seq_max, root_max }]).await;
        assert_eq!(loaded.results, [], "results of left out checkpoints do not count");
        assert_eq!(loaded.snapshot.map(|(seq, _)| seq), loaded.step.as_ref().map(|step| step.place.seq));
        loaded.step.map(|step| (step.place.seq, step.root))
    };
    for (root_max, expected) in [(1, None), (2, Some((2, 2))), (4, Some((2, 2))), (5, Some((3, 5))), (8, Some((3, 5)))]
    {
        assert_eq!(last(root_max, u64::MAX).await, expected, "the newest checkpoint made within superstep {root_max}");
    }
    assert_eq!(last(9, 6).await, Some((6, 9)), "both bounds hold");
    assert_eq!(last(5, 1).await, Some((1, 2)), "both bounds hold");
    assert_eq!(last(u64::MAX, u64::MAX).await, Some((8, 9)), "without bounds all count");
    let forked = [span(1, u64::MAX), Span { branch: 0, seq_max: u64::MAX, root_max: 5 }];
    bench.put([result("sub", 1, 4, 3)]).await;
    let loaded = bench.load("sub", &forked).await;
    assert_eq!(loaded.step, Some(step_row("sub", 0, 3, 5)), "a fork of a subgraph goes on from its parent");
    assert_eq!(loaded.results, [result_row("sub", 1, 4, 3)], "with what it has begun by itself");
}

async fn the_first_span_counts<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = forked(open).await;
    // Branch 1 has a checkpoint 4, so that of branch 0 is hidden with its records; 3 and 5 are not.
    let lineage = [span(1, u64::MAX), span(0, 5)];
    bench.put([snapshot("", 0, 4)]).await;
    let loaded = bench.load("", &lineage).await;
    assert_eq!(loaded.step, Some(step_row("", 0, 5, 5)), "the newest of all spans is the newest");
    assert_eq!(loaded.snapshot, Some(snapshot_row("", 0, 2)), "the snapshot of a hidden checkpoint does not count");
    let expected = [(0, 3, 0), (0, 3, 1), (1, 4, 0), (0, 5, 0), (0, 5, 1)];
    let expected = expected.map(|(branch, seq, task)| result_row("", branch, seq, task));
    assert_eq!(loaded.results, expected, "results of a hidden checkpoint do not count");
    bench.put([record("", 1, 5, Body::Step { root: 5, value: vec![1] })]).await;
    let step = bench.load("", &lineage).await.step.expect("there are steps");
    assert_eq!((step.place.branch, step.value), (1, vec![1]), "of two with the same number, the first counts");
}

async fn only_the_own_branch_is_unfinished<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = forked(open).await;
    let key = key(0, EntryKind::Pause, "");
    bench.put([entry("", 0, 6, &key, b"0"), entry("", 1, 5, &key, b"1"), entry("", 1, 4, &key, b"old")]).await;
    let row = |seq, value: &[u8]| EntryRow { seq, key: key.clone(), value: value.to_vec() };
    let entries = async |lineage: &[Span]| bench.load("", lineage).await.entries;
    assert_eq!(entries(&TRUNK).await, [row(6, b"0")], "entries above the newest checkpoint are loaded");
    assert_eq!(entries(&[span(1, u64::MAX), span(0, 3)]).await, [row(5, b"1")], "those of the own branch");
    assert_eq!(entries(&[span(2, u64::MAX), span(0, 5)]).await, [], "and of no other one");
    assert_eq!(entries(&[span(0, 4)]).await, [], "not above `seq_max`");
    let bounded = [Span { branch: 0, seq_max: u64::MAX, root_max: 4 }];
    assert_eq!(entries(&bounded).await, [], "not above a checkpoint that is left out");
    bench.put([entry("new", 0, 0, &key, b"2")]).await;
    let loaded = bench.load("new", &TRUNK).await;
    assert_eq!(loaded, Loaded { entries: vec![row(0, b"2")], ..Loaded::default() }, "entries may come before any step");
}

async fn steps_are_listed_newest_first<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = forked(open).await;
    let check = async |lineage: &[Span], before, limit, expected: &[(u32, u64)]| {
        let expected: Vec<_> = expected.iter().map(|(branch, seq)| step_row("", *branch, *seq, *seq)).collect();
        let found = bench.steps(lineage, before, limit).await;
        assert_eq!(found, expected, "the steps of {lineage:?}, before {before:?}, at most {limit}");
    };
    let own = [(0, 5), (0, 4), (0, 3), (0, 2), (0, 1), (0, 0)];
    check(&TRUNK, None, usize::MAX, &own).await;
    check(&TRUNK, None, 2, &own[..2]).await;
    check(&TRUNK, Some(4), 2, &own[2..4]).await;
    check(&TRUNK, Some(u64::MAX), 6, &own).await;
    check(&TRUNK, Some(0), 6, &[]).await;
    check(&TRUNK, None, 0, &[]).await;
    check(&[span(0, 1)], None, 9, &own[4..]).await;
    check(&[Span { branch: 0, seq_max: u64::MAX, root_max: 1 }], None, 9, &own[4..]).await;
    let fork = [span(1, u64::MAX), span(0, 3)];
    let forked = [(1, 4), (0, 3), (0, 2), (0, 1), (0, 0)];
    check(&fork, None, 9, &forked).await;
    for limit in 1..5 {
        check(&fork, None, limit, &forked[..limit]).await;
    }
    check(&fork, Some(4), 2, &forked[1..3]).await;
    check(&[span(1, u64::MAX), span(0, 5)], None, 3, &[(0, 5), (1, 4), (0, 3)]).await;
    check(&[], None, 9, &[]).await;
}

async fn lines_are_apart<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    let other = bench.store.claim("thread2").await.expect("another thread can be claimed");
    bench.put([step("", 0, 0, 0), step("a", 0, 1, 0), step("a", 1, 2, 0), step("a/b", 0, 3, 0)]).await;
    bench.store.write(&other, super::batch([step("", 0, 9, 9), step("ab", 0, 9, 9)])).await.expect("it is written");
    for (path, branch, seq) in [("", 0, 0), ("a", 0, 1), ("a", 1, 2), ("a/b", 0, 3)] {
        let newest = bench.load(path, &[span(branch, u64::MAX)]).await.step;
        assert_eq!(newest, Some(step_row(path, branch, seq, 0)), "`{path}`, branch {branch}, is a line of its own");
    }
    assert_eq!(bench.paths("").await, ["", "a", "a/b"], "all paths begin with nothing");
    assert_eq!(bench.paths("a").await, ["a", "a/b"], "`ab` belongs to another thread");
    assert_eq!(bench.paths("a/").await, ["a/b"], "a path is no pattern");
    assert_eq!(bench.paths("b").await, [""; 0], "no path begins like this");
    bench.put(["%", "_", "*", "a\u{10ffff}", "\u{e9}"].map(|path| result(path, 0, 1, 0))).await;
    assert_eq!(bench.paths("%").await, ["%"], "a prefix is no pattern");
    assert_eq!(bench.paths("a").await, ["a", "a/b", "a\u{10ffff}"], "up to the last character there is");
    let none = bench.store.paths("thread3", "").await.expect("the store can be read");
    assert!(none.is_empty(), "a thread that is not there has no paths");
}
