//! The list of sessions, and the search in what was said in them.

use anyhow::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lorewell::Kind;
use lorewell::agent::Agent;
use lorewell::model::Message;

use super::turn::with_what_is_left;
use crate::output::{self, BOLD, DIM, columns, note, one_line, paint, plain};
use crate::sessions::{Listed, Sessions};

/// Sessions that are listed.
const SHOWN_MAX: usize = 20;
/// Sessions that are searched, newest first: each is read whole, and a thousand take some seconds.
const SEARCHED_MAX: usize = 1000;
/// Characters of their first words, or of what was found.
const WORDS_CHARS_MAX: usize = 50;

/// Prints the newest sessions; the one at hand is marked.
pub(super) async fn print(sessions: &Sessions, at_hand: &str) -> Result<()> {
    let listed = sessions.list().await?;
    if listed.is_empty() {
        note("There are no sessions yet.");
    }
    for session in listed.iter().take(SHOWN_MAX) {
        row(session, at_hand, &sessions.first_words(&session.name))?;
    }
    if listed.len() > SHOWN_MAX {
        note(&format!("… and {} older.", listed.len() - SHOWN_MAX));
    }
    Ok(())
}

/// Prints the newest sessions in which all of some words were said, with the place in one of them.
pub(super) async fn find(sessions: &Sessions, agent: &Agent, at_hand: &str, words: &str) -> Result<()> {
    let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    let (listed, mut found) = (sessions.list().await?, 0);
    for session in listed.iter().take(SEARCHED_MAX) {
        if found == SHOWN_MAX {
            note(&format!("The newest {SHOWN_MAX} are shown."));
            return Ok(());
        }
        let chat = match agent.thread(&session.name, sessions.store().clone())?.standing().await {
            Ok(standing) => with_what_is_left(standing, &sessions.left(&session.name)).state,
            // One that is gone by now is none.
            Err(error) if error.kind() == Kind::NotFound => continue,
            // What one session has lost is no reason not to find the others.
            Err(error) => {
                let why = plain(error.message());
                note(&format!("The session {} cannot be read, so it was not searched: {why}", session.name));
                continue;
            }
        };
        if let Some(place) = place(&chat.messages, &words) {
            found += 1;
            row(session, at_hand, &place)?;
        }
    }
    if found == 0 {
        note("Nothing found.");
    }
    if listed.len() > SEARCHED_MAX {
        note(&format!("The {} oldest were not searched.", listed.len() - SEARCHED_MAX));
    }
    Ok(())
}

/// Returns what was said around the first of some words, if all of them were said.
fn place(messages: &[Message], words: &[String]) -> Option<String> {
    let texts: Vec<String> = messages.iter().map(|message| one_line(&message.text())).collect();
    let lower: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
    let is_said = |word: &String| lower.iter().any(|text| text.contains(word.as_str()));
    if !words.iter().all(is_said) {
        return None;
    }
    let first = words.first()?;
    let text = lower.iter().position(|text| text.contains(first.as_str())).map(|at| &texts[at])?;
    let before: Vec<&str> = text.split(' ').take_while(|word| !word.to_lowercase().contains(first.as_str())).collect();
    // A few words before it say where it stands.
    let skipped: usize = before.iter().rev().skip(3).map(|word| word.len() + 1).sum();
    Some(text.get(skipped..).unwrap_or(text).to_owned())
}

fn row(session: &Listed, at_hand: &str, words: &str) -> Result<()> {
    let mark = if session.name == at_hand { "*" } else { " " };
    let name = format!("{mark} {}", paint(BOLD, &session.name));
    let words: String = one_line(words).chars().take(WORDS_CHARS_MAX).collect();
    output::line(&columns([&name, &paint(DIM, &day(session)), &words]))
}

fn day(session: &Listed) -> String {
    let at = Timestamp::try_from(session.touched).unwrap_or_default();
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_wherever_they_were_said() {
        let said = [Message::user("How do I vent the old Boiler in the cellar?"), Message::assistant("With a key.")];
        let find = |words: &[&str]| place(&said, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(find(&["boiler", "key"]).unwrap(), "vent the old Boiler in the cellar?");
        assert_eq!(find(&["how"]).unwrap(), "How do I vent the old Boiler in the cellar?");
        assert_eq!(find(&["boiler", "wrench"]), None);
    }
}
