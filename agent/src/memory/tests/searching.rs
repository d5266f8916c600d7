//! What is found, and in which order.

use super::*;

#[tokio::test]
async fn words_and_meaning_are_one_list() {
    let anna = Bench::new().await;
    let anna = anna.anna();
    remember_all(&anna, &["The puppy sleeps.", "Her dog likes the car.", "Invoice 4711 is paid."]).await;
    let hits = anna.search("dog").limit(2).await.unwrap();
    assert_eq!(texts(&hits), ["Her dog likes the car.", "The puppy sleeps."]);
    assert_eq!((hits[0].words, hits[1].words), (Some(1), None), "a puppy is a dog by its meaning alone");
    assert!(hits[1].meaning.is_some());
    assert!(hits[0].score > hits[1].score);
    let hits = anna.search("4711").limit(1).await.unwrap();
    assert_eq!(texts(&hits), ["Invoice 4711 is paid."]);
}

#[tokio::test]
async fn without_an_embedder_words_decide() {
    let bench = Bench::open(|open| open).await;
    let anna = bench.anna();
    remember_all(&anna, &["The puppy sleeps.", "A dog, a dog!", "One dog among many other animals of the farm."]).await;
    let hits = anna.search("DOG").await.unwrap();
    assert_eq!(texts(&hits), ["A dog, a dog!", "One dog among many other animals of the farm."]);
    assert_eq!((hits[0].words, hits[0].meaning), (Some(1), None));
    let status = bench.store.status().await.unwrap();
    assert_eq!((status.memories, status.pending, status.embedder), (3, 3, None));
}

#[tokio::test]
async fn filters_come_first() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    for n in 0..120 {
        anna.remember(format!("dog {n}")).origin(Origin::Web).await.unwrap();
    }
    let source = MemorySource::new().thread("t1").message("m1").document("d1");
    anna.remember("She has a hound.").kind(MemoryKind::Episodic).source(source.clone()).await.unwrap();
    anna.fact(Fact::new("Rex", "is a", "dog")).await.unwrap();
    let found = async |filter| anna.search("dog").limit(1).filter(filter).await.unwrap();
    assert_eq!(texts(&found(MemoryFilter::new().trusted()).await), ["Rex is a: dog"]);
    for filter in [
        MemoryFilter::new().kind(MemoryKind::Episodic),
        MemoryFilter::new().thread("t1"),
        MemoryFilter::new().document("d1").trusted(),
    ] {
        let hits = found(filter).await;
        assert_eq!(texts(&hits), ["She has a hound."]);
        assert_eq!(hits[0].item.source, source);
    }
    assert_eq!(texts(&found(MemoryFilter::new().entity("Rex")).await), ["Rex is a: dog"]);
    assert_eq!(found(MemoryFilter::new().untrusted()).await[0].item.origin, Origin::Web);
    assert!(found(MemoryFilter::new().thread("t2")).await.is_empty());
    assert!(found(MemoryFilter::new().updated_before(at(1))).await.is_empty());
}

#[tokio::test]
async fn the_new_comes_first_if_asked_for() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    let ids = remember_all(&anna, &["The dog is called Rex, a dog.", "The dog was renamed Max."]).await;
    let old = format!("UPDATE memories SET updated = updated - 864000000000 WHERE id = '{}'", ids[0]);
    bench.connection().execute_batch(&old).unwrap();
    assert_eq!(anna.search("dog rex").await.unwrap()[0].item.id, ids[0]);
    let newest = anna.search("dog rex").half_life(Duration::from_secs(86400)).await.unwrap();
    assert_eq!(newest[0].item.id, ids[1]);
    assert!(newest[1].score < newest[0].score / 100.0, "ten half-lives leave a thousandth");
}

#[tokio::test]
async fn what_is_found_counts_as_used() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    let id = anna.remember("The dog sleeps.").await.unwrap().id;
    let before = anna.get(id).await.unwrap().unwrap();
    anna.search("dog").unnoticed().await.unwrap();
    assert_eq!(anna.get(id).await.unwrap().unwrap(), before);
    anna.search("dog").await.unwrap();
    let after = anna.get(id).await.unwrap().unwrap();
    assert_eq!(after.uses, 1);
    assert!(after.used > before.used);
    assert_eq!(after.updated, before.updated);
}

#[tokio::test]
async fn a_memory_says_what_it_is() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    let source = MemorySource::new().thread("ticket-42");
    let remember = anna.remember("  Prefers\r\nshort answers. ").origin(Origin::Document).source(source.clone());
    let id = remember.importance(0.9).lifetime(Duration::from_secs(3600)).await.unwrap().id;
    let item = anna.get(id).await.unwrap().unwrap();
    assert_eq!((&*item.text, &*item.namespace), ("Prefers\nshort answers.", "user/anna"));
    assert_eq!((item.kind, item.origin, &item.source), (MemoryKind::Semantic, Origin::Document, &source));
    assert_eq!((item.importance, item.uses, &item.statement), (0.9, 0, &None));
    assert_eq!(item.created, item.updated);
    assert!(item.expires.unwrap() > item.created + Duration::from_secs(3599));
    assert!((item.retention(item.used) - 1.9).abs() < 1e-6);
    let week = Duration::from_secs(7 * 24 * 3600);
    assert!((item.retention(item.used + week) - 1.330_7).abs() < 1e-3, "0.9 + 0.995^168");
}

#[tokio::test]
async fn what_cannot_be_asked_is_told() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let kind = async |search: Search| search.await.unwrap_err().kind();
    assert_eq!(kind(anna.search(" ")).await, Kind::BadInput);
    assert_eq!(kind(anna.search(&*long)).await, Kind::Limit);
    assert_eq!(kind(anna.search("x").limit(0)).await, Kind::BadInput);
    assert_eq!(kind(anna.search("x").limit(HITS_MAX + 1)).await, Kind::BadInput);
    assert_eq!(kind(anna.search("x").half_life(Duration::ZERO)).await, Kind::BadInput);
    let kind = async |remember: Remember| remember.await.unwrap_err().kind();
    assert_eq!(kind(anna.remember(" \n")).await, Kind::BadInput);
    assert_eq!(kind(anna.remember(&*long)).await, Kind::Limit);
    assert_eq!(kind(anna.remember("x").importance(f32::NAN)).await, Kind::BadInput);
    assert_eq!(kind(anna.remember("x").kind(MemoryKind::Fact)).await, Kind::BadInput);
    let source = MemorySource::new().thread("x".repeat(MemorySource::BYTES_MAX + 1));
    assert_eq!(kind(anna.remember("x").source(source)).await, Kind::BadInput);
    assert!(all(&anna).await.is_empty());
}

#[tokio::test]
async fn texts_change_with_their_words_and_vectors() {
    let bench = Bench::new().await;
    let anna = bench.anna();
    let ids = remember_all(&anna, &["Has a dog.", "Lives in a town."]).await;
    anna.update(ids[0], "Has a car.").await.unwrap();
    assert_eq!(texts(&anna.search("auto").limit(1).await.unwrap()), ["Has a car."]);
    let hits = anna.search("dog").await.unwrap();
    assert!(hits.iter().all(|hit| hit.words.is_none()), "{hits:?}");
    let same = anna.update(ids[1], "Has a car.").await.unwrap_err();
    assert!(same.to_string().contains("another memory says the same"), "{same}");
    let missing = "0".repeat(32).parse().unwrap();
    assert_eq!(anna.update(missing, "x").await.unwrap_err().kind(), Kind::NotFound);
    let fact = anna.fact(Fact::new("ACME", "ceo", "Ms. Bolt")).await.unwrap().id;
    assert!(anna.update(fact, "x").await.unwrap_err().to_string().contains("is a fact"));
}
