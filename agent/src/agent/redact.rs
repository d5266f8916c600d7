//! Personal data that the provider of a model has no need to see: replaced before the model is asked, and put back into what it
//! answers. The conversation itself keeps what was said.

use std::collections::HashMap;
use std::fmt;
use std::sync::OnceLock;

use async_trait::async_trait;
use lorewell_model::{Error, Kind, Message, Part, Reply, Request, Result, Role};
use regex::{Captures, Regex};

use super::middleware::Middleware;
use super::turn::Turn;

/// Digits of a number of a card: ISO/IEC 7812.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Replaces personal data in what a model is asked by names such as `<email-9f86d081>`, and puts it back into its answer and
/// its calls. The same text has the same name as long as the process lives, so the model can tell people apart. Instructions
/// are left as they are. Words that are told while the model speaks still have the names.
///
/// Found are e-mail addresses, phone numbers with a country code, numbers of cards and bank accounts whose check digits are
/// right, and what [`pattern`](Self::pattern) adds. Names of people are not found.
///
/// ```
/// use lorewell_agent::{Agent, Redact};
/// use lorewell_model::model;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let redact = Redact::new().pattern("customer", r"\bC-\d{6}\b")?;
/// let agent = Agent::new(model("mock:echo").await?).middleware(redact);
/// assert_eq!(agent.run("Write to ann@example.org about C-123456.").await?, "Write to ann@example.org about C-123456.");
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Redact {
    patterns: Vec<Pattern>,
    /// So that nobody can find out a short number by trying all.
    key: [u8; 32],
}

type IsReal = fn(&str) -> bool;

#[derive(Clone)]
struct Pattern {
    name: String,
    found: Regex,
    /// Whether what was found is what it looks like.
    is_real: IsReal,
}

impl Default for Redact {
    fn default() -> Self {
        Self::new()
    }
}

impl Redact {
    /// Replaces what is found without being told of it.
    #[must_use]
    pub fn new() -> Self {
        let pattern = |name: &str, found: &str, is_real| Pattern {
            name: name.to_owned(),
            found: Regex::new(found).expect("a test compiles it"),
            is_real,
        };
        let patterns = vec![
            pattern("email", r"(?i)\b[a-z0-9._%+\-]+@[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?(?:\.[a-z0-9\-]+)+\b", is_any),
            pattern("iban", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b", is_iban),
            pattern("card", r"\b\d(?:[ \-]?\d){12,18}\b", is_card),
            pattern("phone", r"\+\d(?:[ \-./()]{0,2}\d){6,14}\b", is_any),
        ];
        let mut key = [0; 32];
        key.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&crate::cx::entropy().to_le_bytes()));
        Self { patterns, key }
    }

    /// Replaces what a regular expression finds as well, by names that begin with `name`.
    ///
    /// # Errors
    /// `Config` if it is no regular expression, or the name has other letters than a-z and digits.
    pub fn pattern(mut self, name: &str, found: &str) -> Result<Self> {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
            let message = format!("`{name}` cannot name what is replaced: use a-z and digits");
            return Err(Error::new(Kind::Config, message));
        }
        let found = Regex::new(found)
            .map_err(|error| Error::new(Kind::Config, format!("the pattern of `{name}`: {error}")).caused_by(error))?;
        self.patterns.push(Pattern { name: name.to_owned(), found, is_real: is_any });
        Ok(self)
    }

    fn name(&self, kind: &str, found: &str) -> String {
        let hash = blake3::keyed_hash(&self.key, found.as_bytes());
        format!("<{kind}-{}>", &hash.to_hex()[..8])
    }

    /// Replaces what is found in a text, and notes what each name stands for.
    fn hide(&self, text: &mut String, hidden: &mut HashMap<String, String>) {
        for pattern in &self.patterns {
            let replaced = pattern.found.replace_all(text, |found: &Captures<'_>| {
                let found = &found[0];
                if !(pattern.is_real)(found) {
                    return found.to_owned();
                }
                let name = self.name(&pattern.name, found);
                hidden.insert(name.clone(), found.to_owned());
                name
            });
            if let std::borrow::Cow::Owned(replaced) = replaced {
                *text = replaced;
            }
        }
    }

    fn hide_message(&self, message: &mut Message, hidden: &mut HashMap<String, String>) {
        for part in &mut message.parts {
            match part {
                Part::Text(text) => self.hide(&mut text.text, hidden),
                Part::ToolCall(call) => self.hide(&mut call.arguments_json, hidden),
                Part::ToolResult(result) => {
                    for part in &mut result.parts {
                        if let Part::Text(text) = part {
                            self.hide(&mut text.text, hidden);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Puts back what names stand for, which the messages of the turn say.
    fn show(&self, text: &mut String, turn: &Turn) {
        if !names().is_match(text) {
            return;
        }
        let mut hidden = HashMap::new();
        for message in turn.messages() {
            self.hide_message(&mut message.clone(), &mut hidden);
        }
        let shown = names().replace_all(text, |found: &Captures<'_>| {
            hidden.get(&found[0]).cloned().unwrap_or_else(|| found[0].to_owned())
        });
        if let std::borrow::Cow::Owned(shown) = shown {
            *text = shown;
        }
    }
}

/// What names look like.
fn names() -> &'static Regex {
    static NAMES: OnceLock<Regex> = OnceLock::new();
    NAMES.get_or_init(|| Regex::new("<[a-z0-9]+-[0-9a-f]{8}>").expect("a test compiles it"))
}

#[async_trait]
impl Middleware for Redact {
    async fn before_model(&self, _: &Turn, request: &mut Request) -> Result<()> {
        let mut hidden = HashMap::new();
        let said = request.messages.iter_mut().filter(|message| message.role != Role::System);
        said.for_each(|message| self.hide_message(message, &mut hidden));
        Ok(())
    }

    async fn after_model(&self, turn: &Turn, reply: &mut Reply) -> Result<()> {
        for part in &mut reply.message.parts {
            match part {
                Part::Text(text) => self.show(&mut text.text, turn),
                Part::ToolCall(call) => self.show(&mut call.arguments_json, turn),
                _ => {}
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Redact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.patterns.iter().map(|pattern| &pattern.name).collect();
        f.debug_struct("Redact").field("patterns", &names).finish_non_exhaustive()
    }
}

fn is_any(_: &str) -> bool {
    true
}

/// The check digit of cards: Luhn, ISO/IEC 7812-1.
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => *digit,
            _ => (digit * 2) / 10 + (digit * 2) % 10,
        })
        .sum();
    CARD_DIGITS.contains(&digits.len()) && sum.is_multiple_of(10)
}

/// The check digits of bank accounts: ISO 13616, by the remainder of 97.
fn is_iban(text: &str) -> bool {
    let letters: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    let (country, account) = letters.split_at(4.min(letters.len()));
    let remainder = account.iter().chain(country).filter_map(|c| c.to_digit(36)).fold(0u64, |remainder, value| {
        let shift = if value < 10 { 10 } else { 100 };
        (remainder * shift + u64::from(value)) % 97
    });
    (15..=34).contains(&letters.len()) && remainder == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> String {
        let redact = Redact { key: [0; 32], ..Redact::new() };
        let mut text = text.to_owned();
        redact.hide(&mut text, &mut HashMap::new());
        let kinds = Regex::new("<([a-z]+)-[0-9a-f]{8}>").unwrap();
        kinds.replace_all(&text, "<$1>").into_owned()
    }

    #[test]
    fn what_is_personal_is_found_and_the_rest_is_left() {
        let cases = [
            ("mail ann.b+c@mail.example.org, please", "mail <email>, please"),
            ("pay DE89 3704 0044 0532 0130 00 now", "pay <iban> now"),
            ("pay GB82WEST12345698765432.", "pay <iban>."),
            ("GB82WEST12345698765433 has wrong digits", "GB82WEST12345698765433 has wrong digits"),
            ("card 4111 1111 1111 1111", "card <card>"),
            ("order 4111 1111 1111 1112", "order 4111 1111 1111 1112"),
            ("call +49 (30) 901820 or 5", "call <phone> or 5"),
            ("2026-11-22 10:00, 3.14159, a@b, v1.2.3+4", "2026-11-22 10:00, 3.14159, a@b, v1.2.3+4"),
        ];
        for (text, expected) in cases {
            assert_eq!(hidden(text), expected);
        }
    }

    #[test]
    fn the_same_text_has_the_same_name_and_another_process_another_one() {
        let (one, other) = (Redact::new(), Redact::new());
        assert_eq!(one.name("email", "a@b.c"), one.name("email", "a@b.c"));
        assert_ne!(one.name("email", "a@b.c"), one.name("email", "a@b.d"));
        assert_ne!(one.name("email", "a@b.c"), other.name("email", "a@b.c"));
        assert_eq!(Redact::new().pattern("Name", "x").unwrap_err().kind(), Kind::Config);
        assert_eq!(Redact::new().pattern("x", "(").unwrap_err().kind(), Kind::Config);
    }
}
