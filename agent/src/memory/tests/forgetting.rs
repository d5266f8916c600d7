//! What is forgotten is gone; what is the same is one; what is too much makes room.

use std::fs;
use std::path::Path;

use super::*;

/// Tells whether the bytes stand in any file of the store.
fn stands(folder: &Path, bytes: &[u8]) -> bool {
    let files = fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    files.into_iter().any(|file| file.windows(bytes.len()).any(|window| window == bytes))
}

#[tokio::test]
async fn nothing_is_left_of_what_is_forgotten() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    // Among others, so that pages are split and filled again.
    for n in 0..200 {
        anna.remember(format!("A note about dog number {n} of the town.")).await.unwrap();
    }
    let secret = "Her password is xyzzyplugh and she has a hound.";
    let id = anna.remember(secret).await.unwrap().id;
    anna.fact(Fact::new("safe", "code", "frobnicate")).await.unwrap();
    let code = anna.fact(Fact::new("safe", "code", "quuxquux")).await.unwrap().id;
    let vector = rows::bytes(&Words::new("a").vector(secret));
    let traces: [&[u8]; 5] = [b"xyzzyplugh", &vector, b"frobnicate", b"quuxquux", id.to_string().leak().as_bytes()];
    for trace in traces {
        assert!(stands(bench.folder.path(), trace), "{}", String::from_utf8_lossy(trace));
    }
    anna.forget(id).await.unwrap();
    anna.forget(code).await.unwrap();
    anna.forget_where(&MemoryFilter::new().entity("safe")).await.unwrap();
    let old: Vec<MemoryId> = anna.history("safe").await.unwrap().iter().map(|record| record.id).collect();
    for id in old {
        anna.forget(id).await.unwrap();
    }
    for trace in traces {
        assert!(!stands(bench.folder.path(), trace), "{}", String::from_utf8_lossy(trace));
    }
    bench.store.compact().await.unwrap();
    assert!(traces.iter().all(|trace| !stands(bench.folder.path(), trace)));
    assert_eq!(all(&anna).await.len(), 200);
}

#[tokio::test]
async fn nothing_is_left_of_a_text_that_was_changed_or_cleared() {
    let bench = Bench::new().await;
    let (anna, bert) = (bench.anna(), bench.store.namespace(["user", "bertplugh"]).unwrap());
    let id = anna.remember("The code is xyzzyplugh.").await.unwrap().id;
    bert.remember("Bert says frobnicate.").await.unwrap();
    anna.update(id, "The code is gone.").await.unwrap();
    assert!(!stands(bench.folder.path(), b"xyzzyplugh"));
    bert.clear().await.unwrap();
    assert!(!stands(bench.folder.path(), b"frobnicate") && !stands(bench.folder.path(), b"bertplugh"));
}

#[tokio::test]
async fn what_is_the_same_is_one() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    let first = anna.remember("Likes tea.").importance(0.9).lifetime(Duration::from_secs(60)).await.unwrap();
    let again = anna.remember(" Likes tea.\n").origin(Origin::Web).importance(0.1).await.unwrap();
    assert_eq!((first.is_new, again.is_new, again.id), (true, false, first.id));
    let item = anna.get(first.id).await.unwrap().unwrap();
    assert_eq!((item.origin, item.importance, item.uses, item.expires), (Origin::User, 0.9, 1, None));
    let foreign = anna.remember("Likes dogs.").origin(Origin::Web).await.unwrap().id;
    let source = MemorySource::new().thread("t1");
    anna.remember("Likes dogs.").source(source.clone()).await.unwrap();
    let item = anna.get(foreign).await.unwrap().unwrap();
    assert_eq!((item.origin, item.source), (Origin::User, source), "whoever says it vouches for it");
    anna.forget(foreign).await.unwrap();
    let other = anna.remember("Likes tea.").kind(MemoryKind::Episodic).await.unwrap();
    assert!(other.is_new, "another kind is another memory");
    anna.invalidate(first.id, std::time::SystemTime::now()).await.unwrap();
    assert!(anna.remember("Likes tea.").await.unwrap().is_new, "it is so again");
    assert_eq!(all(&anna).await, ["Likes tea.", "Likes tea."]);
}

#[tokio::test]
async fn what_has_expired_is_not_found_and_swept_out() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    let id = anna.remember("A dog, for a moment.").lifetime(Duration::ZERO).await.unwrap().id;
    let later = anna.remember("A dog, for an hour.").lifetime(Duration::from_secs(3600)).await.unwrap().id;
    anna.remember("A dog, for ever.").lifetime(Duration::MAX).await.unwrap();
    assert_eq!(texts(&anna.search("dog").await.unwrap()).len(), 2);
    assert!(anna.get(id).await.unwrap().is_none() && anna.get(later).await.unwrap().is_some());
    let now = std::time::SystemTime::now();
    assert_eq!(bench.store.sweep(now).await.unwrap(), Swept { expired: 1, crowded_out: 0 });
    assert_eq!(bench.store.sweep(now + Duration::from_secs(7200)).await.unwrap().expired, 1);
    assert_eq!(all(&anna).await, ["A dog, for ever."]);
    assert_eq!(bench.store.sweep(at(u64::from(u32::MAX))).await.unwrap(), Swept::default());
}

#[tokio::test]
async fn what_is_worth_least_makes_room() {
    let bench = Bench::open(|open| open.capacity(3)).await;
    let anna = bench.anna();
    let mut ids = Vec::new();
    for (text, importance) in [("a", 0.5), ("b", 0.1), ("c", 0.9)] {
        ids.push(anna.remember(text).importance(importance).await.unwrap().id);
    }
    assert_eq!(anna.remember("d").await.unwrap().forgotten, [ids[1]], "it mattered least");
    // A month without use takes more from it than importance gives.
    let month = 30 * 24 * 3_600_000_000_i64;
    let idle = format!("UPDATE memories SET used = used - {month} WHERE id = '{}'", ids[2]);
    bench.connection().execute_batch(&idle).unwrap();
    let done = anna.fact(Fact::new("e", "is", "new")).await.unwrap();
    assert_eq!(done.forgotten, [ids[2]]);
    assert!(anna.remember("a").await.unwrap().forgotten.is_empty(), "what is known needs no room");
    let other = bench.store.namespace(["other"]).unwrap();
    assert!(other.remember("a").await.unwrap().forgotten.is_empty(), "each namespace has its own");
    let path = bench.path();
    drop((anna, other));
    let Bench { store, folder } = bench;
    drop(store);
    let smaller = MemoryStore::open(path).capacity(1).await.unwrap();
    assert_eq!(smaller.sweep(std::time::SystemTime::now()).await.unwrap(), Swept { expired: 0, crowded_out: 2 });
    drop(folder);
}

#[tokio::test]
async fn a_flood_takes_nothing_away_that_somebody_vouches_for() {
    let bench = Bench::open(|open| open.capacity(3)).await;
    let anna = bench.anna();
    anna.remember("mine").importance(0.0).await.unwrap();
    for n in 0..9 {
        anna.remember(format!("flood {n}")).origin(Origin::Web).importance(1.0).await.unwrap();
    }
    assert_eq!(all(&anna).await, ["mine", "flood 7", "flood 8"]);
}

#[tokio::test]
async fn many_are_forgotten_at_once() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    for n in 0..5 {
        let origin = if n % 2 == 0 { Origin::User } else { Origin::Web };
        anna.remember(format!("note {n}")).origin(origin).await.unwrap();
    }
    let everything = anna.forget_where(&MemoryFilter::new()).await.unwrap_err();
    assert!(everything.to_string().contains("call `clear`"), "{everything}");
    assert_eq!(anna.forget_where(&MemoryFilter::new().untrusted()).await.unwrap(), 2);
    assert_eq!(all(&anna).await, ["note 0", "note 2", "note 4"]);
    assert_eq!(anna.forget_where(&MemoryFilter::new().used_before(at(1))).await.unwrap(), 0);
}

#[tokio::test]
async fn a_capacity_is_checked() {
    for capacity in [0, CAPACITY_MAX + 1] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.sqlite");
        assert_eq!(MemoryStore::open(&path).capacity(capacity).await.unwrap_err().kind(), Kind::Config);
        assert!(!path.exists());
    }
}
