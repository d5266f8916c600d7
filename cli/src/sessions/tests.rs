//! Sessions: what is read back, what a crash leaves, and what is refused.

use lorewell::model::Part;

use super::*;

fn answered(text: &str) -> Answered {
    let usage = Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() };
    let spent = Spent { usage, cost_usd: 0.5, is_unpriced: false };
    Answered::new("mock:echo", Message::assistant(text), &spent)
}

/// Makes a session of two turns and returns the bytes of its file.
fn sample(sessions: &Sessions) -> Vec<u8> {
    let mut conversation = sessions.open("a").unwrap().0;
    conversation.ask(Message::user("one\ntwo")).unwrap();
    conversation.answer(answered("eins")).unwrap();
    conversation.ask(Message::user("drei").part(Part::text("!"))).unwrap();
    std::fs::read(sessions.file("a")).unwrap()
}

#[test]
fn what_was_said_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = Sessions::new(dir.path());
    sample(&sessions);
    let (mut conversation, dropped) = sessions.open("a").unwrap();
    assert_eq!((conversation.turns.len(), dropped, conversation.model()), (2, None, Some("mock:echo")));
    assert_eq!((conversation.spent.usage.total_tokens(), conversation.spent.cost()), (5, Some(0.5)));
    assert_eq!(conversation.unanswered().unwrap().text(), "drei!");
    let asked: Vec<String> = conversation.messages().iter().map(|message| message.text().into_owned()).collect();
    assert_eq!(asked, ["one\ntwo", "eins", "drei!"]);
    conversation.ask(Message::user("vier")).unwrap();
    let asked: Vec<String> = conversation.messages().iter().map(|message| message.text().into_owned()).collect();
    assert_eq!(asked, ["one\ntwo", "eins", "vier"], "what got no answer is left out");
    assert_eq!(sessions.list().unwrap()[0].name, "a");
    assert_eq!(sessions.first_words("a"), "one\ntwo");
}

#[test]
fn a_file_cut_at_any_byte_loses_only_its_last_line() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = Sessions::new(dir.path());
    let bytes = sample(&sessions);
    for cut in 0..=bytes.len() {
        std::fs::write(sessions.file("a"), &bytes[..cut]).unwrap();
        let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let (mut conversation, dropped) = sessions.open("a").unwrap();
        let is_torn = cut > 0 && bytes[cut - 1] != b'\n';
        assert_eq!(dropped.is_some(), is_torn, "cut at {cut}");
        assert_eq!(conversation.turns.len(), whole.saturating_sub(1).div_ceil(2), "cut at {cut}");
        conversation.ask(Message::user("again")).unwrap();
        drop(conversation);
        let (conversation, dropped) = sessions.open("a").unwrap();
        assert_eq!(dropped, None);
        assert_eq!(conversation.unanswered().unwrap().text(), "again");
    }
}

#[test]
fn damage_is_said_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = Sessions::new(dir.path());
    let text = String::from_utf8(sample(&sessions)).unwrap();
    let newer = text.replace("\"version\":1", "\"version\":2");
    for (damaged, expected) in [
        (text.replacen("\"asked\"", "\"akse", 1), "line 2 of"),
        (newer.clone(), "it is of version 2"),
        (newer.lines().next().unwrap().to_owned() + "\n", "use a newer one"),
        ("my notes\n".to_owned(), "line 1 of"),
    ] {
        std::fs::write(sessions.file("a"), &damaged).unwrap();
        let error = sessions.open("a").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(std::fs::read_to_string(sessions.file("a")).unwrap(), damaged);
    }
}

#[test]
fn a_session_is_for_one_process_and_one_person() {
    let dir = tempfile::tempdir().unwrap();
    let sessions = Sessions::new(dir.path());
    sample(&sessions);
    let open = sessions.open("a").unwrap().0;
    assert!(sessions.open("a").unwrap_err().to_string().contains("is open in another process"));
    drop(open);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&sessions.file("a")), mode(&sessions.dir)), (0o600, 0o700));
    }
    for name in ["", "..", "../a", "a/b", ".a", "a b", &"a".repeat(65)] {
        assert!(sessions.open(name).unwrap_err().is::<Misuse>(), "{name}");
    }
}
