//! Answers with sources: a search that found a page, a document that came with the request, or numbered passages in
//! the prompt.

use crate::answer::{Answer, Block, Citation, Pieces};
use crate::ask::Ask;

pub(crate) const TITLE: &str = "Über Füchse";
pub(crate) const URL: &str = "https://example.org/fuechse";
const QUOTE: &str = "Füchse sind schön.";
/// What stands before the words that are cited.
const LEAD: &str = "Ja: ";

/// Answers with sources for what it says.
pub(crate) fn answer(ask: &Ask) -> Answer {
    if let Some(quote) = first_passage(&ask.prompt) {
        return text(&format!("The first passage says: “{quote}” [1]"), Vec::new());
    }
    match ask.documents.first() {
        Some((title, document)) => from_document(title, document),
        None => searched(),
    }
}

/// Says something that a page on the web says.
pub(crate) fn searched() -> Answer {
    let (title, url) = (TITLE.to_owned(), URL.to_owned());
    let citation = Citation { title, url, document: None, ..citation(QUOTE) };
    text(&format!("{LEAD}{QUOTE} Nicht wahr?"), vec![citation])
}

fn from_document(title: &str, document: &str) -> Answer {
    let quote = sentence(document);
    let end = quote.chars().count();
    let citation = Citation { title: title.to_owned(), document: Some((0, 0, end)), ..citation(&quote) };
    text(&format!("{LEAD}{quote}"), vec![citation])
}

fn citation(quote: &str) -> Citation {
    let start = LEAD.chars().count();
    let end = start + quote.chars().count();
    let (title, url) = (String::new(), String::new());
    Citation { start, end, title, url, quote: quote.to_owned(), document: None }
}

fn text(text: &str, citations: Vec<Citation>) -> Answer {
    let blocks = vec![Block::Text { pieces: Pieces::cut(text, 7), citations }];
    Answer { blocks, ..Answer::default() }
}

/// Quotes the first of the passages that are numbered `[1]`, `[2]` … or `<passage id="1">`, at the start of a line.
fn first_passage(prompt: &str) -> Option<String> {
    let lines: Vec<&str> = prompt.lines().collect();
    let number = |line: &str, number: usize| {
        let line = line.trim_start();
        line.starts_with(&format!("[{number}]")) || (line.starts_with('<') && line.contains(&format!("=\"{number}\"")))
    };
    let from = lines.iter().position(|line| number(line, 1))?;
    let after = lines.get(from + 1..).unwrap_or_default();
    let end = after.iter().position(|line| number(line, 2) || line.starts_with("</")).unwrap_or(after.len());
    let marked = lines.get(from).and_then(|line| line.split_once([']', '>'])).map_or("", |(_, rest)| rest.trim());
    let inside: Vec<&str> = after[..end].iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    // A line with the mark alone, or with a short title, has the passage below it.
    let is_title = !marked.ends_with(['.', '!', '?']);
    let body = if is_title && !inside.is_empty() { inside.join(" ") } else { marked.to_owned() };
    Some(sentence(&body)).filter(|quote| !quote.is_empty())
}

/// Returns the first sentence of a text.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let end = text.match_indices(['.', '!', '?']).find(|(at, _)| {
        let after = text[at + 1..].chars().next();
        after.is_none_or(char::is_whitespace)
    });
    end.map_or(text, |(at, _)| &text[..=at]).to_owned()
}

#[cfg(test)]
mod tests {
    use super::first_passage;

    #[test]
    fn the_first_numbered_passage_is_quoted() {
        let quote = |prompt: &str| first_passage(prompt).unwrap_or_default();
        assert_eq!(quote("Q?\n[1] Foxes are red. They run.\n[2] Bears."), "Foxes are red.");
        assert_eq!(quote("[1] foxes.md\nFoxes are 1.5 m long. They run.\n[2] b"), "Foxes are 1.5 m long.");
        assert_eq!(quote("<passage id=\"1\">\nFoxes.\n</passage>\n<passage id=\"2\">"), "Foxes.");
        assert_eq!(quote("no passages, but [1] in a line"), "");
    }
}
