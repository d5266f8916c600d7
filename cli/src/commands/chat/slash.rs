//! What is typed at the prompt: a message, or a command that begins with `/`.

use std::path::PathBuf;

/// What `/help` prints.
pub(super) const HELP: &str = "\
/file PATH     put a picture or a document into the next message
/model [NAME]  say which model answers, or let another one answer
/retry         ask the last message again, if it got no answer
/new           begin a new session
/sessions      list the sessions
/resume NAME   go on with a session
/usage         say what the session has used
/quit          leave; so does Ctrl-D
Ctrl-C stops an answer. To send a line that begins with a slash, begin it with two.";

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Nothing,
    Message(String),
    Help,
    Model(Option<String>),
    Retry,
    New,
    Sessions,
    Resume(String),
    File(PathBuf),
    Usage,
    Quit,
    /// No such command, or one that lacks what it is about; the text says what to type.
    Unknown(String),
}

/// Reads a line.
pub(super) fn read(line: &str) -> Typed {
    let line = line.trim();
    let Some(command) = line.strip_prefix('/') else {
        return if line.is_empty() { Typed::Nothing } else { Typed::Message(line.to_owned()) };
    };
    if command.starts_with('/') {
        return Typed::Message(command.to_owned());
    }
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = Some(rest.trim()).filter(|rest| !rest.is_empty());
    let lacks = |what: &str| Typed::Unknown(format!("`/{name}` needs {what}"));
    match (name, rest) {
        ("help" | "?", _) => Typed::Help,
        ("model", rest) => Typed::Model(rest.map(str::to_owned)),
        ("retry", _) => Typed::Retry,
        ("new", _) => Typed::New,
        ("sessions", _) => Typed::Sessions,
        ("resume", Some(name)) => Typed::Resume(name.to_owned()),
        ("resume", None) => lacks("the name of a session; `/sessions` lists them"),
        ("file", Some(path)) => Typed::File(unquoted(path).into()),
        ("file", None) => lacks("a path"),
        ("usage", _) => Typed::Usage,
        ("quit" | "exit" | "q", _) => Typed::Quit,
        _ => Typed::Unknown(format!("there is no command `/{name}`; `/help` lists them")),
    }
}

/// Takes off the quotes that terminals put around a path that is dropped on them.
fn unquoted(path: &str) -> &str {
    let quoted = |quote: char| path.strip_prefix(quote).and_then(|path| path.strip_suffix(quote));
    quoted('\'').or_else(|| quoted('"')).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_unless_they_begin_with_a_slash() {
        let message = |text: &str| Typed::Message(text.to_owned());
        assert_eq!(read("  hi there \n"), message("hi there"));
        assert_eq!(read("//etc/hosts is what?"), message("/etc/hosts is what?"));
        assert_eq!(read(" \t"), Typed::Nothing);
        assert_eq!(read("/model"), Typed::Model(None));
        assert_eq!(read("/model  mock:echo "), Typed::Model(Some("mock:echo".to_owned())));
        assert_eq!(read("/file 'a b.png'"), Typed::File("a b.png".into()));
        assert_eq!(
            read("/resume"),
            Typed::Unknown("`/resume` needs the name of a session; `/sessions` lists them".into())
        );
        assert_eq!(read("/frob x"), Typed::Unknown("there is no command `/frob`; `/help` lists them".into()));
    }
}
