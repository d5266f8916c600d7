//! Exit codes, and how an error leaves the program.

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
  130  interrupted by Ctrl-C

Standard output carries the result and nothing else; everything else goes to standard error.";

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
    crate::output::error(&format!("{error:#}"));
    let kind = error.downcast_ref::<lorewell::Error>().map(lorewell::Error::kind);
    match kind {
        Some(Kind::Auth) => Exit::Key.into(),
        Some(Kind::Cancelled) => Exit::Interrupted.into(),
        _ => Exit::Failed.into(),
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.into_iter().any(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
