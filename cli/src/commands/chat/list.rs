//! The list of sessions.

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::output::{self, BOLD, DIM, columns, note, one_line, paint};
use crate::sessions::{Listed, Sessions};

/// Sessions that are listed.
const SHOWN_MAX: usize = 20;
/// Characters of their first words.
const WORDS_CHARS_MAX: usize = 50;

/// Prints the newest sessions; the one at hand is marked.
pub(super) fn print(sessions: &Sessions, at_hand: &str) -> Result<()> {
    let listed = sessions.list()?;
    if listed.is_empty() {
        note("There are no sessions yet.");
    }
    for session in listed.iter().take(SHOWN_MAX) {
        let mark = if session.name == at_hand { "*" } else { " " };
        let name = format!("{mark} {}", paint(BOLD, &session.name));
        let words: String = one_line(&sessions.first_words(&session.name)).chars().take(WORDS_CHARS_MAX).collect();
        output::line(&columns([&name, &paint(DIM, &day(session)), &words]))?;
    }
    if listed.len() > SHOWN_MAX {
        note(&format!("… and {} older.", listed.len() - SHOWN_MAX));
    }
    Ok(())
}

fn day(session: &Listed) -> String {
    let at = Timestamp::try_from(session.modified).unwrap_or_default();
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}
