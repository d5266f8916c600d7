//! Sessions: what is kept beside their threads, and what is refused.

use lorewell::model::Usage;

use super::*;

fn spent(output_tokens: u64) -> Spent {
    Spent { usage: Usage { output_tokens, ..Usage::default() }, cost_usd: 0.5, is_unpriced: false }
}

#[tokio::test]
async fn facts_are_read_back_and_a_turn_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = Sessions::open(dir.path()).await.unwrap();
    let mut conversation = sessions.named("a").unwrap();
    conversation.ask("one\ntwo").unwrap();
    conversation.answered("mock:echo", spent(2)).unwrap();
    // A turn that goes on after a pause tells all that it has spent.
    conversation.answered("mock:echo", spent(3)).unwrap();
    conversation.ask("three").unwrap();
    conversation.answered("mock:script", spent(4)).unwrap();
    drop(conversation);
    let conversation = sessions.named("a").unwrap();
    assert_eq!(conversation.facts.spent().usage.output_tokens, 7);
    assert_eq!(conversation.facts.spent().cost(), Some(1.0));
    assert_eq!(conversation.facts.model.as_deref(), Some("mock:script"));
    assert_eq!(sessions.first_words("a"), "one\ntwo");
}

#[tokio::test]
async fn damage_is_said_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = Sessions::open(dir.path()).await.unwrap();
    sessions.named("a").unwrap().ask("one").unwrap();
    let path = sessions.facts("a");
    let whole = std::fs::read_to_string(&path).unwrap();
    let newer = whole.replace("\"version\":1", "\"version\":2");
    for (damaged, expected) in [(&whole[..whole.len() / 2], "cannot be read"), (&*newer, "it is of version 2")] {
        std::fs::write(&path, damaged).unwrap();
        let error = sessions.named("a").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
        assert_eq!(sessions.first_words("a"), "");
    }
}

#[tokio::test]
async fn a_session_is_for_one_process_and_one_person() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = Sessions::open(&dir.path().join("data")).await.unwrap();
    let mut open = sessions.named("a").unwrap();
    open.ask("one").unwrap();
    assert!(sessions.named("a").unwrap_err().to_string().contains("is open in another process"));
    assert_eq!(sessions.begin_like("a").await.unwrap().name, "a-2");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&sessions.facts("a")), mode(&sessions.dir)), (0o600, 0o700));
    }
    drop(open);
    assert_eq!(sessions.named("a").unwrap().facts.first_words, "one");
    for name in ["", "..", "../a", "a/b", ".a", "a b", &"a".repeat(65)] {
        assert!(sessions.named(name).unwrap_err().is::<Misuse>(), "{name}");
    }
    let long = "a".repeat(64);
    let _open = sessions.named(&long).unwrap();
    assert_eq!(sessions.begin_like(&long).await.unwrap().name, format!("{}-2", "a".repeat(62)));
}

#[tokio::test]
async fn a_lock_that_was_opened_before_its_session_was_left_locks_nobody_in() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = Sessions::open(dir.path()).await.unwrap();
    let first = sessions.named("a").unwrap();
    // Another process comes this far, and then the first one leaves and a third one comes.
    let early = File::open(sessions.dir.join("a.lock")).unwrap();
    drop(first);
    let _third = sessions.named("a").unwrap();
    assert!(matches!(early.try_lock(), Err(TryLockError::WouldBlock)));
}

#[tokio::test]
async fn empty_facts_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = Sessions::open(dir.path()).await.unwrap();
    sessions.named("a").unwrap().ask("one").unwrap();
    std::fs::write(sessions.facts("a"), "").unwrap();
    assert_eq!(sessions.named("a").unwrap().facts, Facts::default());
}

#[tokio::test]
async fn what_is_left_of_a_turn_is_kept_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = Sessions::open(dir.path()).await.unwrap();
    let mut conversation = sessions.named("a").unwrap();
    conversation.ask("one").unwrap();
    conversation.begin_call("1", "write_file a").unwrap();
    assert_eq!(
        sessions.left("a").words().unwrap(),
        "(calls begun by then, which may have been made or not: write_file a)"
    );
    conversation.end_call("1").unwrap();
    conversation.resume().unwrap();
    conversation.stop("Well, ").unwrap();
    assert_eq!(sessions.left("a").words().unwrap(), "Well,\n\n(calls made by then: write_file a)");
    conversation.answered("mock:echo", spent(1)).unwrap();
    assert!(!sessions.left("a").is_default());
    conversation.ended("mock:echo", spent(2)).unwrap();
    assert!(sessions.left("a").is_default());
    conversation.begin_call("1", "clock").unwrap();
    // What comes next has nothing to do with it.
    conversation.ask("two").unwrap();
    assert!(sessions.left("a").is_default());
}
