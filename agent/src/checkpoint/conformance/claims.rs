//! One writer per thread, and the newest one at that.

use lorewell_model::{Error, Kind};

use super::super::{Batch, Checkpoints, Claim, Loaded};
use super::{Bench, TRUNK, batch, result, step, step_row};

pub(super) async fn check<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    one_at_a_time(open).await;
    an_old_claim_writes_nothing(open).await;
    release_comes_after_what_was_written(open).await;
    a_deleted_thread_keeps_its_old_claims_out(open).await;
    a_claim_nobody_waits_for_is_given_back(open).await;
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> Kind {
    result.expect_err("it is refused").kind()
}

async fn one_at_a_time<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    let second = bench.store.claim("thread").await.expect_err("a second claim is refused");
    assert_eq!(second.kind(), Kind::Conflict, "a second claim is a conflict: {second}");
    assert!(second.to_string().contains("`thread`"), "the conflict names the thread: {second}");
    bench.put([step("", 0, 0, 0)]).await;
    let other = bench.store.claim("thread ").await.expect("a claim holds one thread");
    bench.store.release(&bench.claim);
    let again = bench.store.claim("thread").await.expect("what was given back can be claimed");
    assert_eq!(again.epoch, bench.claim.epoch + 1, "epochs grow by one");
    assert_eq!(kind(bench.store.claim("thread ").await), Kind::Conflict, "the other thread is still held");
    bench.store.release(&other);
    assert_eq!(kind(bench.store.claim("").await), Kind::BadInput, "a thread has a name");
}

async fn an_old_claim_writes_nothing<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let Bench { store, claim: old } = Bench::new(open).await;
    store.release(&old);
    let write = |claim: &Claim| store.write(claim, Batch { head: Some(7), ..batch([step("", 0, 0, 0)]) });
    assert_eq!(kind(write(&old).await), Kind::Conflict, "a released claim does not write");
    let new = store.claim("thread").await.expect("it is free");
    assert_eq!(kind(write(&old).await), Kind::Conflict, "an old claim does not write");
    store.release(&old);
    store.release(&old);
    assert_eq!(kind(store.claim("thread").await), Kind::Conflict, "an old claim gives nothing back");
    let never = Claim { epoch: new.epoch + 1, ..new.clone() };
    assert_eq!(kind(write(&never).await), Kind::Conflict, "nor does one that was never given");
    let nowhere = Claim { thread: "nowhere".into(), ..new.clone() };
    assert_eq!(kind(write(&nowhere).await), Kind::Conflict, "nor one on a thread that is not there");
    let loaded = store.load("thread", "", &TRUNK).await.expect("the store can be read");
    let head = store.thread("thread").await.expect("the store can be read").map(|info| info.head);
    assert_eq!((loaded, head), (Loaded::default(), Some(0)), "a refused batch changes nothing");
    assert_eq!(store.thread("nowhere").await.expect("the store can be read"), None, "nor does it make a thread");
    write(&new).await.expect("the newest claim writes all the while");
}

async fn release_comes_after_what_was_written<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let bench = Bench::new(open).await;
    let writes: Vec<_> = (0..20).map(|seq| bench.store.write(&bench.claim, batch([step("", 0, seq, seq)]))).collect();
    bench.store.release(&bench.claim);
    let late = bench.store.write(&bench.claim, batch([step("", 0, 20, 20)]));
    let claim = bench.store.claim("thread").await.expect("it was given back");
    for write in writes {
        write.await.expect("what was written before the release is stored");
    }
    assert_eq!(kind(late.await), Kind::Conflict, "what was written after it is not");
    bench.store.write(&claim, batch([result("", 0, 20, 0)])).await.expect("the new claim writes");
    assert_eq!(bench.load("", &TRUNK).await.step, Some(step_row("", 0, 19, 19)));
}

async fn a_deleted_thread_keeps_its_old_claims_out<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let Bench { store, claim: old } = Bench::new(open).await;
    store.release(&old);
    assert!(store.delete("thread").await.expect("it is free"));
    let new = store.claim("thread").await.expect("it can be made again");
    assert!(new.epoch > old.epoch + 1, "epochs grow by more than one when the thread was deleted in between");
    assert_eq!(
        kind(store.write(&old, batch([step("", 0, 0, 0)])).await),
        Kind::Conflict,
        "an old claim does not write"
    );
}

async fn a_claim_nobody_waits_for_is_given_back<S: Checkpoints>(open: &impl AsyncFn() -> S) {
    let Bench { store, claim } = Bench::new(open).await;
    store.release(&claim);
    for is_ready in [false, true].repeat(10) {
        {
            let mut claiming = store.claim("thread");
            // Polled once, so that it is on its way, and dropped before or after it has arrived.
            let arrived = futures_util::future::poll_immediate(&mut claiming).await;
            if is_ready {
                store.delete("none").await.expect("it can be deleted, though it is not there");
            }
            if let Some(claim) = arrived {
                store.release(&claim.expect("it is free"));
            }
        }
        // Another thread is claimed behind it, so by now the first one has come and gone.
        let other = store.claim("other").await.expect("it is free");
        store.release(&other);
    }
    let claim = store.claim("thread").await.expect("nobody holds it");
    store.release(&claim);
}
