//! Answers that follow from the request.

use std::fmt;
use std::sync::Arc;

use super::answer;
use crate::chat::{ChatModel, Events};
use crate::message::{Message, Role};
use crate::request::Request;

/// Answers by the first rule that fits the request.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use lorewell_model::mock::Rules;
/// use lorewell_model::{Message, Model};
///
/// let rules = Rules::new()
///     .when("how high", |_| Message::assistant("4807 metres"))
///     .otherwise(|request| Message::assistant(format!("{} messages", request.messages.len())));
/// let model = Model::new("mock:mountains".parse()?, rules);
/// assert_eq!(model.chat("How high is Mont Blanc?").await?.text(), "4807 metres");
/// assert_eq!(model.chat("And where?").await?.text(), "1 messages");
/// # Ok::<(), lorewell_model::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Clone)]
struct Rule {
    fits: Arc<dyn Fn(&Request) -> bool + Send + Sync>,
    answer: Arc<dyn Fn(&Request) -> Message + Send + Sync>,
}

impl Rules {
    /// Begins without rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers requests in which the newest message of the person has some words, in whatever case.
    #[must_use]
    pub fn when(self, words: impl Into<String>, answer: impl Fn(&Request) -> Message + Send + Sync + 'static) -> Self {
        let words = words.into().to_lowercase();
        self.when_request(move |request| newest(request).to_lowercase().contains(&words), answer)
    }

    /// Answers requests that a function picks.
    #[must_use]
    pub fn when_request(
        mut self,
        fits: impl Fn(&Request) -> bool + Send + Sync + 'static,
        answer: impl Fn(&Request) -> Message + Send + Sync + 'static,
    ) -> Self {
        self.0.push(Rule { fits: Arc::new(fits), answer: Arc::new(answer) });
        self
    }

    /// Answers all others.
    #[must_use]
    pub fn otherwise(self, answer: impl Fn(&Request) -> Message + Send + Sync + 'static) -> Self {
        self.when_request(|_| true, answer)
    }

    /// Quotes the sentence that has most of the words of the question, with the mark of its passage; says that it does not
    /// know where none has more than half of them.
    pub(super) fn citing() -> Self {
        Self::new().otherwise(|request| {
            Message::assistant(cited(&newest(request)).unwrap_or_else(|| "I do not know.".to_owned()))
        })
    }
}

/// The words of the newest message of the person.
fn newest(request: &Request) -> String {
    let newest = request.messages.iter().rev().find(|message| message.role == Role::User);
    newest.map(|message| message.text().into_owned()).unwrap_or_default()
}

/// Finds passages in a prompt, each between `<passage id="N"…>` and `</passage>`, and quotes one of them.
fn cited(prompt: &str) -> Option<String> {
    let question = prompt.rsplit("</passage>").next().unwrap_or_default().to_lowercase();
    let asked: Vec<&str> = question.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 3).collect();
    let shared = |text: &str| {
        let text = text.to_lowercase();
        asked.iter().filter(|word| text.contains(**word)).count()
    };
    let passages = prompt.split("<passage id=\"").skip(1).filter_map(|passage| {
        let (id, rest) = passage.split_once('"')?;
        let (_, text) = rest.split_once('>')?;
        Some((id, text.split("</passage>").next()?))
    });
    let sentences = passages.flat_map(|(id, text)| sentences(text).into_iter().map(move |sentence| (id, sentence)));
    let best = sentences
        .map(|(id, sentence)| (shared(&sentence), id, sentence))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|(shared, ..)| *shared * 2 > asked.len()).map(|(_, id, sentence)| format!("\"{sentence}\" [{id}]"))
}

/// Cuts paragraphs into sentences, each on one line. What has no stop is none.
fn sentences(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut sentence = String::new();
        for word in paragraph.split_whitespace() {
            if !sentence.is_empty() {
                sentence.push(' ');
            }
            sentence.push_str(word);
            if word.ends_with(['.', '!', '?']) {
                found.push(std::mem::take(&mut sentence));
            }
        }
    }
    found
}

impl ChatModel for Rules {
    fn stream(&self, request: Request) -> Events {
        let rule = self.0.iter().find(|rule| (rule.fits)(&request));
        let message = rule.map_or_else(|| Message::assistant(""), |rule| (rule.answer)(&request));
        answer(&request, message)
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("rules", &self.0.len()).finish()
    }
}
