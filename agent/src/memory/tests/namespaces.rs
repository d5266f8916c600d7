//! Nothing of one namespace shows in another.

use proptest::prelude::*;

use super::*;

const NAMES: [&[&str]; 4] = [&["a"], &["a", "b"], &["b"], &["a b"]];
const WORDS: [&str; 8] = ["dog", "puppy", "car", "city", "town", "short", "rex", "4711"];

/// What is done in one of the namespaces.
#[derive(Debug, Clone)]
enum Act {
    Remember(usize, Vec<usize>),
    Fact(usize, usize, usize),
    /// Forgets what the first namespace remembered last, by way of the second.
    Forget(usize, usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let name = || 0..NAMES.len();
    let act = prop_oneof![
        4 => (name(), prop::collection::vec(0..WORDS.len(), 1..4)).prop_map(|(name, words)| Act::Remember(name, words)),
        1 => (name(), 0..WORDS.len(), 0..WORDS.len()).prop_map(|(name, entity, value)| Act::Fact(name, entity, value)),
        1 => (name(), name()).prop_map(|(name, by)| Act::Forget(name, by)),
    ];
    prop::collection::vec(act, 1..20)
}

/// Does what concerns the namespaces that are wanted, and returns what each finds.
async fn play(acts: &[Act], wanted: impl Fn(usize) -> bool) -> Vec<Vec<(String, f64)>> {
    let bench = Bench::new().await;
    let spaces: Vec<Namespace> = NAMES.iter().map(|name| bench.store.namespace(*name).unwrap()).collect();
    let mut newest = [None; NAMES.len()];
    for act in acts {
        match act {
            Act::Remember(name, words) if wanted(*name) => {
                let text: Vec<&str> = words.iter().map(|word| WORDS[*word]).collect();
                newest[*name] = Some(spaces[*name].remember(text.join(" ")).await.unwrap().id);
            }
            Act::Fact(name, entity, value) if wanted(*name) => {
                let fact = Fact::new(WORDS[*entity], "likes", WORDS[*value]);
                newest[*name] = Some(spaces[*name].fact(fact).await.unwrap().id);
            }
            Act::Forget(name, by) if wanted(*name) => {
                let Some(id) = newest[*name] else { continue };
                let is_own = name == by;
                assert_eq!(spaces[*by].get(id).await.unwrap().is_some(), is_own);
                if !is_own {
                    assert_eq!(spaces[*by].update(id, "stolen").await.unwrap_err().kind(), Kind::NotFound);
                }
                if spaces[*by].forget(id).await.unwrap() {
                    assert!(is_own);
                    newest[*name] = None;
                }
            }
            Act::Remember(..) | Act::Fact(..) | Act::Forget(..) => {}
        }
    }
    let mut found = Vec::new();
    for space in &spaces {
        let mut hits = Vec::new();
        for word in WORDS {
            let of_word = space.search(word).limit(HITS_MAX).unnoticed().await.unwrap();
            hits.extend(of_word.into_iter().map(|hit| (hit.item.text, hit.score)));
        }
        found.push(hits);
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// What a namespace finds, in which order and with which scores, is what it would find in a store of its own.
    #[test]
    fn a_namespace_is_a_store_of_its_own(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let together = play(&acts, |_| true).await;
            for name in 0..NAMES.len() {
                let alone = play(&acts, |other| other == name).await;
                prop_assert_eq!(&together[name], &alone[name]);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn names_are_checked() {
    let bench = Bench::new().await;
    let told =
        |parts: &[&str]| bench.store.namespace(parts).map(|space| space.path().to_owned()).unwrap_err().to_string();
    assert!(told(&[]).contains("1 to 8 parts"));
    assert!(told(&["a"; 9]).contains("1 to 8 parts"));
    for part in ["", ".", "..", " a", "a/b", "a\\b", "a\nb", "a\0", "c:", "<!--", &"x".repeat(129)] {
        assert!(told(&["user", part]).contains("cannot be a part of a namespace"), "{part:?}");
    }
    assert_eq!(bench.store.namespace(["user", "anna@example.org", "ü"]).unwrap().path(), "user/anna@example.org/ü");
}

#[tokio::test]
async fn namespaces_are_listed_and_cleared() {
    let bench = Bench::new().await;
    for name in NAMES {
        bench.store.namespace(name).unwrap().remember("dog").await.unwrap();
    }
    assert_eq!(bench.store.namespaces("", 9).await.unwrap(), ["a", "a b", "a/b", "b"]);
    assert_eq!(bench.store.namespaces("a", 2).await.unwrap(), ["a b", "a/b"]);
    bench.store.namespace(["a"]).unwrap().clear().await.unwrap();
    assert_eq!(bench.store.namespaces("", 9).await.unwrap(), ["a b", "a/b", "b"]);
    assert_eq!(bench.store.status().await.unwrap().memories, 3);
    let b = bench.store.namespace(["b"]).unwrap();
    let id = b.list(&MemoryFilter::new(), 9).await.unwrap()[0].id;
    b.forget(id).await.unwrap();
    let ab = bench.store.namespace(["a", "b"]).unwrap();
    ab.forget_where(&MemoryFilter::new().trusted()).await.unwrap();
    ab.remember("for a moment").lifetime(Duration::ZERO).await.unwrap();
    bench.store.sweep(std::time::SystemTime::now()).await.unwrap();
    bench.store.namespace(["c"]).unwrap().sync(bench.folder.path().join("c.md")).await.unwrap();
    assert_eq!(bench.store.namespaces("", 9).await.unwrap(), ["a b"], "what holds nothing is not there");
}
