//! From a request to the tokens of its prompt. The template writes marks such as the end of a turn; what people, documents
//! and tools say is data, so a mark's name in it must stay text. Names of marks are therefore taken out before the template
//! runs and put back as text afterwards.

use super::dialect::Dialect;
use super::template::Template;
use super::tokenizer::{Markers, Tokenizer};
use super::vocabulary::TokenKind;
use crate::Result;
use crate::message::{Part, ToolResult};
use crate::request::Request;

/// Stand around the number of what was taken out: characters of the private use area, which no text has a reason to hold.
const OPEN: char = '\u{f8c0}';
const CLOSE: char = '\u{f8c1}';

/// Makes the prompt of a request. Also tells whether the model begins within thoughts.
pub(super) fn tokens(
    template: &Template,
    tokenizer: &Tokenizer,
    request: &Request,
    think: Option<bool>,
) -> Result<(Vec<u32>, bool)> {
    let mut shield = Shield::new(tokenizer);
    let shielded = shield.request(request);
    let prompt = template.render(shielded.as_ref().unwrap_or(request), think)?;
    let starts_thinking = Dialect::starts_thinking(&prompt);
    let mut tokens = Vec::new();
    if !tokenizer.bos_text().is_some_and(|bos| prompt.starts_with(bos)) {
        tokens.extend(tokenizer.beginning());
    }
    for (text, markers) in shield.pieces(&prompt) {
        tokens.extend(tokenizer.encode(text, markers)?);
    }
    Ok((tokens, starts_thinking))
}

/// Keeps names of marks out of the template's hands.
struct Shield {
    /// Longest first, so that none is found within another.
    names: Vec<String>,
    taken: Vec<String>,
}

impl Shield {
    fn new(tokenizer: &Tokenizer) -> Self {
        let vocabulary = tokenizer.vocabulary();
        let ids = 0..u32::try_from(vocabulary.len()).unwrap_or(u32::MAX);
        let marks = ids.filter(|id| vocabulary.kind(*id) == TokenKind::Control);
        let mut names: Vec<String> =
            marks.filter_map(|id| String::from_utf8(vocabulary.bytes(id).to_vec()).ok()).collect();
        names.retain(|name| !name.is_empty());
        names.sort_unstable_by_key(|name| std::cmp::Reverse(name.len()));
        Self { names, taken: Vec::new() }
    }

    /// Returns the request without the names, if it has any.
    fn request(&mut self, request: &Request) -> Option<Request> {
        let text = serde_json::to_string(&request.messages).unwrap_or_default();
        let has_name = |name: &String| {
            let escaped = serde_json::to_string(name).unwrap_or_default();
            text.contains(&escaped[1..escaped.len() - 1])
        };
        if !self.names.iter().any(has_name) && !text.contains([OPEN, CLOSE]) {
            return None;
        }
        let mut request = request.clone();
        for message in request.messages.iter_mut() {
            message.parts.iter_mut().for_each(|part| self.part(part));
        }
        Some(request)
    }

    fn part(&mut self, part: &mut Part) {
        match part {
            Part::Text(text) => self.text(&mut text.text),
            Part::Reasoning(reasoning) => self.text(&mut reasoning.text),
            Part::ToolCall(call) => self.text(&mut call.arguments_json),
            Part::ToolResult(ToolResult { parts, .. }) => parts.iter_mut().for_each(|part| self.part(part)),
            Part::Image(_) | Part::File(_) | Part::Citation(_) | Part::Opaque(_) => {}
        }
    }

    fn text(&mut self, text: &mut String) {
        // Someone may write the characters that stand for names here.
        if text.contains([OPEN, CLOSE]) {
            *text = text.replace([OPEN, CLOSE], "\u{fffd}");
        }
        for name in &self.names {
            if text.contains(name.as_str()) {
                *text = text.replace(name.as_str(), &format!("{OPEN}{}{CLOSE}", self.taken.len()));
                self.taken.push(name.clone());
            }
        }
    }

    /// Cuts a prompt at what was taken out.
    fn pieces<'a>(&'a self, prompt: &'a str) -> Vec<(&'a str, Markers)> {
        let mut pieces = Vec::new();
        let mut rest = prompt;
        while let Some((before, after)) = rest.split_once(OPEN) {
            let Some((number, after)) = after.split_once(CLOSE) else { break };
            pieces.push((before, Markers::Parse));
            let taken = number.parse::<usize>().ok().and_then(|number| self.taken.get(number));
            pieces.extend(taken.map(|name| (name.as_str(), Markers::Text)));
            rest = after;
        }
        pieces.push((rest, Markers::Parse));
        pieces.retain(|(text, _)| !text.is_empty());
        pieces
    }
}
