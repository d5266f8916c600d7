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
use clap::error::ErrorKind;

use args::{Args, Command};
use exit::Exit;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
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
fn usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to do if the terminal is gone.
    drop(error.print());
    let question = std::env::args().nth(1).filter(|first| first.trim().contains(' '));
    if let (ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument, Some(question)) = (error.kind(), question) {
        output::note(&format!("to ask a question: lorewell ask {question:?}"));
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done.into(),
        _ => Exit::Usage.into(),
    }
}
