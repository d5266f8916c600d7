//! Exit codes, and how an error leaves the program.

use std::fmt;
use std::process::ExitCode;

use lorewell::Kind;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The arguments cannot be read.
    Usage = 2,
    /// Nothing was found, or nothing supports an answer.
    Nothing = 3,
    /// A key is missing or was rejected.
    Key = 4,
    /// It did part of it; some files failed.
    Partly = 5,
    /// A check failed.
    Check = 6,
    /// A question waits for a person.
    Waits = 7,
    /// Ctrl-C.
    Interrupted = 130,
}

/// What `lorewell help exit-codes` says.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done
  1    failed
  2    the arguments cannot be read
  3    nothing found, or nothing supports an answer
  4    a key is missing or was rejected
  5    partly done: some files could not be read
  6    a check failed (doctor)
  7    a question waits for a person (chat)
  130  interrupted by Ctrl-C

Standard output carries the result and nothing else; everything else goes to
standard error.";

/// An error of the arguments that only shows after they were read.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints an error and gives its exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return Exit::Done.into(); // the reader had enough: `lorewell ls | head`
    }
    crate::output::error(&message(error));
    if error.is::<Misuse>() {
        return Exit::Usage.into();
    }
    let kind = error.downcast_ref::<lorewell::Error>().map(lorewell::Error::kind);
    match kind {
        Some(Kind::Auth) => Exit::Key.into(),
        Some(Kind::Cancelled) => Exit::Interrupted.into(),
        _ => Exit::Failed.into(),
    }
}

/// Says an error with its causes, from the outside in. An error that already ends with its cause's words does not
/// say them twice.
pub(crate) fn message(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let said = without_number(&cause);
        if message.is_empty() {
            said.clone_into(&mut message);
        } else if !message.ends_with(said) {
            message = format!("{message}: {said}");
        }
    }
    message
}

/// Leaves out the operating system's number of an error, which only its words explain.
pub(crate) fn without_number(said: &str) -> &str {
    let number = said.rfind(" (os error ").filter(|_| said.ends_with(')'));
    number.map_or(said, |start| &said[..start])
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.into_iter().any(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn an_error_says_each_cause_once() {
        let io = || std::io::Error::from_raw_os_error(2);
        let words = without_number(&io().to_string()).to_owned();
        assert!(!words.contains("os error") && !words.is_empty(), "{words}");
        let twice = anyhow::Error::new(io()).context(format!("reading `a`: {}", io()));
        assert_eq!(message(&twice), format!("reading `a`: {words}"));
        assert_eq!(message(&anyhow::Error::new(io()).context("reading `a`")), format!("reading `a`: {words}"));
        assert_eq!(message(&anyhow!("inner").context("outer")), "outer: inner");
    }
}
