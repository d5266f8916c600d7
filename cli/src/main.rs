//! The `lorewell` command: reads arguments, sets up where things lie, hands over to one command, and turns what comes
//! back into an exit code. Everything it does is public API of the library.

mod answer;
mod args;
mod brain;
mod commands;
mod config;
mod download;
mod editor;
mod exit;
mod folders;
mod interrupt;
mod markdown;
mod models;
mod output;
mod pace;
mod progress;
mod sessions;
mod spent;
mod stdin;
mod traces;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use args::Args;
use exit::Exit;

fn main() -> ExitCode {
    // A worker speaks a protocol on standard output: nothing else may run in it. It is no command for people.
    if std::env::args_os().nth(1).is_some_and(|first| first == brain::LOAD_WORKER) {
        return match lorewell::rag::load::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => exit::report(&error.into()),
        };
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    output::init(&args.global);
    match commands::run(args) {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error),
    }
}

/// Prints what clap says; what is no command gets the one that was meant.
fn usage(error: &clap::Error) -> ExitCode {
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(word)) if error.kind() == ErrorKind::InvalidSubcommand => {
            output::error(&format!("`{word}` is not a command; {}", meant(error, word)));
        }
        // Nothing is left to do if the terminal is gone.
        _ => drop(error.print()),
    }
    let is_answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if is_answer { Exit::Done.into() } else { Exit::Usage.into() }
}

/// Says what to type instead of a word that is no command.
fn meant(error: &clap::Error, word: &str) -> String {
    if word.trim().contains(' ') {
        return format!("to ask it: lorewell ask {word:?}");
    }
    // A short alias such as `a` is near to every word, and a short command to many long ones.
    let is_near = |name: &&String| name.len() > 2 && name.len().abs_diff(word.len()) <= 2;
    match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::String(name)) if is_near(&name) => format!("did you mean `{name}`?"),
        Some(ContextValue::Strings(names)) if names.iter().any(|name| is_near(&name)) => {
            let names = names.iter().filter(is_near).map(|name| format!("`{name}`"));
            format!("did you mean {}?", names.collect::<Vec<_>>().join(" or "))
        }
        _ => "`lorewell help` lists the commands".to_owned(),
    }
}
