//! Records come back as they were written, whole batches or nothing, in the order of the calls.

use lorewell_model::Kind;

use super::super::{Batch, Body, Checkpoints, EntryKind, EntryRow, Loaded, SEQ_MAX};
use super::{
    Bench, TRUNK, batch, entry, key, place, record, result, result_row, snapshot, snapshot_row, step, step_row,
};

/// A value that a store may well have a limit below, but this one it must take.
const LONG: usize = 1 << 20;

pub(super) async fn check<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    each_kind_comes_back(open).await;
    a_key_is_replaced(open).await;
    values_are_exact(open).await;
    names_are_exact(open).await;
    numbers_have_a_limit(open).await;
    calls_are_in_order(open).await;
    nothing_is_written_after_a_failure(open).await;
    what_is_dropped_is_written(open).await;
}

async fn each_kind_comes_back<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    assert_eq!(bench.load("", &TRUNK).await, Loaded::default(), "a new thread holds nothing");
    let mut keys: Vec<_> = EntryKind::ALL.into_iter().map(|kind| key(1, kind, "b")).collect();
    keys.push(key(1, EntryKind::Effect, "a"));
    keys.push(key(0, EntryKind::Gate, "z"));
    let mut records = vec![step("", 0, 0, 0), snapshot("", 0, 0), result("", 0, 1, 1), result("", 0, 1, 0)];
    records.extend(keys.iter().map(|key| entry("", 0, 1, key, key.name.as_bytes())));
    bench.put(records).await;
    keys.sort();
    let entries = keys.iter().map(|key| EntryRow { seq: 1, key: key.clone(), value: key.name.clone().into_bytes() });
    let expected = Loaded {
        step: Some(step_row("", 0, 0, 0)),
        snapshot: Some(snapshot_row("", 0, 0)),
        results: vec![result_row("", 0, 1, 0), result_row("", 0, 1, 1)],
        entries: entries.collect(),
    };
    assert_eq!(bench.load("", &TRUNK).await, expected, "a checkpoint comes back as it was written, in order");
    for key in &keys {
        assert_eq!(bench.entry(1, key).await.as_deref(), Some(key.name.as_bytes()), "{key:?} is found");
        assert_eq!(bench.entry(2, key).await, None, "{key:?} belongs to its checkpoint");
    }
    assert_eq!(bench.entry(u64::MAX, &keys[0]).await, None, "nothing is above the limit of numbers");
    // Once the superstep is committed, its entries are of no use to those who go on.
    bench.put([step("", 0, 1, 1)]).await;
    assert_eq!(bench.load("", &TRUNK).await.entries, [], "entries of a committed superstep are not loaded");
    assert_eq!(bench.entry(1, &keys[0]).await.as_deref(), Some(keys[0].name.as_bytes()), "but can be found");
}

async fn a_key_is_replaced<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    let key = key(0, EntryKind::Answer, "q");
    let of = |value: &[u8]| {
        [
            record("", 0, 1, Body::Step { root: 1, value: value.to_vec() }),
            record("", 0, 1, Body::Snapshot(value.to_vec())),
            record("", 0, 2, Body::Result { task: 0, value: value.to_vec() }),
            entry("", 0, 2, &key, value),
        ]
    };
    bench.put(of(b"old")).await;
    let old_and_new: Vec<_> = of(b"middle").into_iter().chain(of(b"new")).collect();
    bench.put(old_and_new).await;
    let loaded = bench.load("", &TRUNK).await;
    let results: Vec<_> = loaded.results.iter().map(|result| &result.value[..]).collect();
    let entries: Vec<_> = loaded.entries.iter().map(|entry| &entry.value[..]).collect();
    assert_eq!(loaded.step.map(|step| step.value).as_deref(), Some(&b"new"[..]), "a step is replaced");
    assert_eq!(loaded.snapshot, Some((1, b"new".to_vec())), "a snapshot is replaced");
    assert_eq!(results, [b"new"], "a result is replaced");
    assert_eq!(entries, [b"new"], "an entry is replaced");
}

async fn values_are_exact<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    let mut values =
        vec![Vec::new(), b"{\"a\":\"\xc3\xa9\"}".to_vec(), vec![0, 1, 0], vec![0xff, 0xfe, 0], b"'; --".to_vec()];
    values.push(vec![b'x'; LONG]);
    values.push(vec![0x80; LONG]);
    let mut records = vec![step("", 0, 0, 0)];
    for (task, value) in (0..).zip(&values) {
        records.push(record("", 0, 1, Body::Result { task, value: value.clone() }));
        records.push(entry("", 0, 1, &key(task, EntryKind::Effect, ""), value));
    }
    bench.put(records).await;
    let loaded = bench.load("", &TRUNK).await;
    let results: Vec<_> = loaded.results.into_iter().map(|result| result.value).collect();
    let entries: Vec<_> = loaded.entries.into_iter().map(|entry| entry.value).collect();
    assert!(results == values, "values of results come back byte for byte, whatever they are");
    assert!(entries == values, "values of entries come back byte for byte, whatever they are");
}

async fn names_are_exact<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let store = open().await;
    let names =
        ["'", "\"", "a", "a\0b", "aa", "a%", "a_", "a*", "A", "\u{e9}", "e\u{301}", "\u{1f600}", " ", "\n", "-- x"];
    for name in names {
        let claim = store.claim(name).await.expect("any name but the empty one will do");
        assert_eq!(&*claim.thread, name, "a claim names its thread");
        let key = key(0, EntryKind::Effect, name);
        let records = names.map(|path| entry(path, 0, 1, &key, format!("{name} {path}").as_bytes()));
        store.write(&claim, batch(records)).await.expect("any path will do");
    }
    for name in names {
        for path in names {
            let found = store.entry(name, &place(path, 0, 1), &key(0, EntryKind::Effect, name)).await;
            let found = found.expect("the store can be read");
            assert_eq!(found, Some(format!("{name} {path}").into_bytes()), "`{name}` and `{path}` are kept apart");
        }
    }
}

async fn numbers_have_a_limit<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    bench.put([step("", 0, SEQ_MAX, SEQ_MAX), result("", u32::MAX, SEQ_MAX, u32::MAX)]).await;
    let newest = bench.load("", &TRUNK).await;
    assert_eq!(newest.step, Some(step_row("", 0, SEQ_MAX, SEQ_MAX)), "the greatest number is stored");
    assert_eq!((newest.results, newest.entries), (vec![], vec![]), "and nothing is above it");
    let above = SEQ_MAX + 1;
    let fork = super::fork("", 1, 0, above);
    let too_great = [
        batch([step("", 0, above, 0)]),
        batch([step("", 0, 0, above)]),
        batch([step("", 0, 1, 1), result("", 0, u64::MAX, 0)]),
        Batch { forks: vec![fork], ..Batch::default() },
    ];
    for batch in too_great {
        let bench = Bench::new(open).await;
        let refused = bench.store.write(&bench.claim, batch).await.expect_err("a number above the limit is refused");
        assert_eq!(refused.kind(), Kind::BadInput, "a number above the limit is bad input: {refused}");
        assert_eq!(bench.load("", &TRUNK).await, Loaded::default(), "nothing of a refused batch is there");
    }
}

async fn calls_are_in_order<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    let value = |n: u64| record("", 0, 1, Body::Step { root: 1, value: n.to_be_bytes().to_vec() });
    let mut writes: Vec<_> = (0..100).map(|n| bench.store.write(&bench.claim, batch([value(n)]))).collect();
    // Awaited backwards: the call is what counts.
    while let Some(write) = writes.pop() {
        write.await.expect("a valid batch is written");
    }
    let newest = bench.load("", &TRUNK).await.step.map(|step| step.value);
    assert_eq!(newest, Some(99_u64.to_be_bytes().to_vec()), "batches take effect in the order of the calls");
}

async fn nothing_is_written_after_a_failure<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let Bench { store, claim: old } = Bench::new(open).await;
    store.release(&old);
    let claim = store.claim("thread").await.expect("it was given back");
    let bench = Bench { store, claim };
    let first = bench.store.write(&bench.claim, batch([step("", 0, 0, 0)]));
    let bad = bench.store.write(&bench.claim, batch([step("", 0, u64::MAX, 1)]));
    let after = bench.store.write(&bench.claim, batch([step("", 0, 2, 2)]));
    let after = after.await.expect_err("no batch is written after one that failed");
    assert_eq!(after.kind(), Kind::Conflict, "what comes after a failure is in conflict with it: {after}");
    assert_eq!(bad.await.expect_err("it is refused").kind(), Kind::BadInput, "the failed batch says why");
    first.await.expect("what came before is written");
    bench.store.release(&old);
    let late = bench.store.write(&bench.claim, batch([step("", 0, 2, 2)])).await;
    assert_eq!(late.map_err(|error| error.kind()), Err(Kind::Conflict), "the claim stays closed");
    assert_eq!(bench.load("", &TRUNK).await.step, Some(step_row("", 0, 0, 0)), "there is no gap");
    bench.store.release(&bench.claim);
    let claim = bench.store.claim("thread").await.expect("it can be released and claimed again");
    bench.store.write(&claim, batch([step("", 0, 1, 1)])).await.expect("a new claim can write");
}

async fn what_is_dropped_is_written<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    drop(bench.store.write(&bench.claim, batch([step("", 0, 0, 0)])));
    bench.put([result("", 0, 1, 0)]).await;
    assert_eq!(bench.load("", &TRUNK).await.step, Some(step_row("", 0, 0, 0)), "a write happens without its future");
}
