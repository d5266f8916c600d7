//! The `lorewell` command: reads arguments, sets up where things lie, hands over to one command, and turns what comes
//! back into an exit code. Everything it does is public API of the library.

mod args;
mod brain;
mod commands;
mod config;
mod editor;
mod exit;
mod folders;
mod output;
mod progress;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use args::{Args, Command};
use exit::Exit;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(error),
    };
    // A worker speaks a protocol on standard output: nothing else may run in it.
    if matches!(args.command, Some(Command::LoadWorker)) {
        return match lorewell::rag::load::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => exit::report(&error.into()),
        };
    }
    output::init(&args.global);
    match commands::run(args) {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error),
    }
}

/// Prints what clap says; a question without a command gets the one it lacks.
fn usage(mut error: clap::Error) -> ExitCode {
    if let Some(question) = question_of(&error) {
        output::error(&format!("`{question}` is not a command; to ask it: lorewell ask {question:?}"));
        return Exit::Usage.into();
    }
    // What is short is near to everything: `a`, the alias of `ask`, would be proposed for any slip.
    error.remove(ContextKind::SuggestedSubcommand);
    // Nothing is left to do if the terminal is gone.
    drop(error.print());
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done.into(),
        _ => Exit::Usage.into(),
    }
}

/// Returns what stands where a command should, if it looks like a question.
fn question_of(error: &clap::Error) -> Option<String> {
    match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(text))) if text.trim().contains(' ') => {
            Some(text.clone())
        }
        _ => None,
    }
}
