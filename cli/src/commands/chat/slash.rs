//! What is typed at the prompt: a message, or a command that begins with `/`.

use std::path::PathBuf;

/// What `/help` prints.
pub(super) const HELP: &str = "\
/file PATH         put a picture or a document into the next message
/tools             say what the model may use, and what it may touch by that
/revoke [TOOL]     take back what was approved in this session, for one tool or for all
/search QUERY      search the library yourself
/retry             go on with the last message: ask it again, or show the question that waits
/undo              take back the last message and all that came of it, but for what tools have done
/fork [N]          go on in a copy of the session, from before the last N messages (0 unless said)
/new               begin a new session
/sessions [WORDS]  list the sessions, or those in which these words were said
/resume NAME       go on with a session
/export [FILE]     write the session to a new file, as Markdown, or as JSON if it ends in .json
/model [NAME]      say which model answers, or let another one answer
/usage             say what the session has used
/budget [AMOUNT]   say what a turn may use, or set it: 50000 for tokens, $0.50 for US dollars
/quit              leave; so does Ctrl-D
Ctrl-C stops an answer, and leaves when it is pressed again. To send a line that begins with a slash, begin it with two.";

/// Names of the commands, for slips of the fingers.
const NAMES: [&str; 16] = [
    "help", "file", "tools", "revoke", "search", "retry", "undo", "fork", "new", "sessions", "resume", "export",
    "model", "usage", "budget", "quit",
];
/// How alike a name must be to one that exists to be taken for a slip of the fingers: one letter of five is wrong.
const ALIKE_MIN: f64 = 0.7;

/// What a line asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Typed {
    Nothing,
    Message(String),
    Help,
    Tools,
    Revoke(Option<String>),
    Search(String),
    Model(Option<String>),
    Retry,
    Undo,
    Fork(usize),
    New,
    Sessions(String),
    Resume(String),
    Export(Option<PathBuf>),
    File(PathBuf),
    Usage,
    Budget(Option<Amount>),
    Quit,
    /// No such command, or one that lacks what it is about; the text says what to type.
    Unknown(String),
}

/// What a turn may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Amount {
    Tokens(u64),
    Dollars(f64),
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
        ("tools", _) => Typed::Tools,
        ("revoke", rest) => Typed::Revoke(rest.map(str::to_owned)),
        ("search", Some(query)) => Typed::Search(query.to_owned()),
        ("search", None) => lacks("what to look for"),
        ("model", rest) => Typed::Model(rest.map(str::to_owned)),
        ("retry", _) => Typed::Retry,
        ("undo", _) => Typed::Undo,
        ("fork", rest) => match rest.unwrap_or("0").parse() {
            Ok(n) => Typed::Fork(n),
            Err(_) => lacks("a number of messages, such as 2"),
        },
        ("new", _) => Typed::New,
        ("sessions", rest) => Typed::Sessions(rest.unwrap_or_default().to_owned()),
        ("resume", Some(name)) => Typed::Resume(name.to_owned()),
        ("resume", None) => lacks("the name of a session; `/sessions` lists them"),
        ("export", rest) => Typed::Export(rest.map(|path| unquoted(path).into())),
        ("file", Some(path)) => Typed::File(unquoted(path).into()),
        ("file", None) => lacks("a path"),
        ("usage", _) => Typed::Usage,
        ("budget", None) => Typed::Budget(None),
        ("budget", Some(rest)) => match amount(rest) {
            Some(amount) => Typed::Budget(Some(amount)),
            None => lacks("a number of tokens, such as 50000, or of dollars, such as $0.50"),
        },
        ("quit" | "exit" | "q", _) => Typed::Quit,
        _ => Typed::Unknown(unknown(name)),
    }
}

fn amount(text: &str) -> Option<Amount> {
    match text.strip_prefix('$') {
        Some(dollars) => {
            dollars.trim().parse().ok().filter(|usd: &f64| usd.is_finite() && *usd > 0.0).map(Amount::Dollars)
        }
        None => text.replace([',', '_'], "").parse().ok().filter(|tokens| *tokens > 0).map(Amount::Tokens),
    }
}

fn unknown(name: &str) -> String {
    let likeness = |known: &str| strsim::jaro_winkler(known, name);
    let nearest = NAMES.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|nearest| likeness(nearest) >= ALIKE_MIN) {
        Some(nearest) => format!("there is no command `/{name}`; did you mean `/{nearest}`?"),
        None => format!("there is no command `/{name}`; `/help` lists them"),
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
        assert_eq!(read("/revoke clock"), Typed::Revoke(Some("clock".to_owned())));
        assert_eq!(read("/model  mock:echo "), Typed::Model(Some("mock:echo".to_owned())));
        assert_eq!(read("/file 'a b.png'"), Typed::File("a b.png".into()));
        assert_eq!((read("/fork"), read("/fork 2")), (Typed::Fork(0), Typed::Fork(2)));
        assert_eq!(read("/budget 50,000"), Typed::Budget(Some(Amount::Tokens(50_000))));
        assert_eq!(read("/budget $0.5"), Typed::Budget(Some(Amount::Dollars(0.5))));
    }

    #[test]
    fn what_cannot_be_read_says_what_to_type() {
        let unknown = |text: &str| Typed::Unknown(text.to_owned());
        assert_eq!(read("/resume"), unknown("`/resume` needs the name of a session; `/sessions` lists them"));
        assert_eq!(read("/fork x"), unknown("`/fork` needs a number of messages, such as 2"));
        for nothing in ["/budget 0", "/budget $-1", "/budget $inf", "/budget -1", "/budget lots"] {
            assert!(matches!(read(nothing), Typed::Unknown(_)), "{nothing}");
        }
        assert_eq!(read("/serach x"), unknown("there is no command `/serach`; did you mean `/search`?"));
        assert_eq!(read("/zzz"), unknown("there is no command `/zzz`; `/help` lists them"));
    }

    #[test]
    fn help_tells_of_each_command() {
        NAMES.iter().skip(1).for_each(|name| assert!(HELP.contains(&format!("/{name} ")), "{name}"));
    }
}
