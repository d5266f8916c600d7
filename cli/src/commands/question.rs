//! The question of `ask` and `search`: words of the command line, or standard input.

use std::io::IsTerminal as _;

use anyhow::Result;

use crate::exit::Misuse;
use crate::stdin;

/// Bytes of a question read from standard input; longer texts belong into files.
const STDIN_BYTES_MAX: usize = 64 * 1024;

/// Reads the question from the arguments, or from standard input for `-` or none. Where words are given standard input
/// is left alone: it may be the list that a shell's loop reads from.
pub(super) fn read(words: &[String], missing: &str) -> Result<String> {
    let mut question = words.join(" ");
    if question == "-" || question.is_empty() && !std::io::stdin().is_terminal() {
        question = stdin::read(STDIN_BYTES_MAX, "ask a shorter question")?;
    }
    if question.trim().is_empty() {
        return Err(Misuse(missing.to_owned()).into());
    }
    Ok(question.trim().to_owned())
}
