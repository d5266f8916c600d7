//! Thoughts that a model writes between marks in its text. Local models and servers without a parser of their own give
//! them like that, so what finds marks in text that comes in pieces lives here.

/// What begins thoughts, and what ends them. Models are trained on one of these pairs.
pub(crate) const THOUGHTS: &[(&str, &str)] = &[
    ("<think>", "</think>"),
    #[cfg(feature = "candle")]
    ("[THINK]", "[/THINK]"),
    #[cfg(feature = "candle")]
    ("<seed:think>", "</seed:think>"),
    #[cfg(feature = "candle")]
    ("<mm:think>", "</mm:think>"),
    #[cfg(feature = "candle")]
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    #[cfg(feature = "candle")]
    ("<|channel>thought", "<channel|>"),
    #[cfg(feature = "candle")]
    ("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),
];

/// Finds the first mark in a text: where, and which. Without one, where the end of the text begins that may still become
/// one.
pub(crate) fn find(text: &str, marks: &[&str]) -> (usize, Option<usize>) {
    let whole = marks.iter().enumerate().filter_map(|(which, mark)| Some((text.find(mark)?, which)));
    // Of two that begin at the same place, the longer is meant.
    match whole.min_by_key(|(at, which)| (*at, usize::MAX - marks[*which].len())) {
        Some((at, which)) => (at, Some(which)),
        None => (text.len() - marks.iter().map(|mark| begun(text, mark)).max().unwrap_or(0), None),
    }
}

/// Returns how many bytes at the end of a text begin a mark.
fn begun(text: &str, mark: &str) -> usize {
    let lengths = mark.char_indices().map(|(at, _)| at).rev();
    lengths.into_iter().find(|length| text.as_bytes().ends_with(&mark.as_bytes()[..*length])).unwrap_or(0)
}

/// Tells whether a text is the beginning of a mark and not yet all of it.
pub(crate) fn may_become(text: &str, mark: &str) -> bool {
    text.len() < mark.len() && mark.starts_with(text)
}

/// A piece of an answer.
#[cfg(feature = "remote")]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Thought(String),
}

/// Takes the thoughts off the beginning of a text.
#[cfg(feature = "remote")]
#[derive(Debug, Default)]
pub(crate) struct Split {
    held: String,
    state: State,
}

#[cfg(feature = "remote")]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Thoughts may come.
    #[default]
    Begin,
    Thought {
        has_words: bool,
    },
    /// They are over, and white space is left.
    After,
    Text,
}

#[cfg(feature = "remote")]
impl Split {
    /// Takes a piece of text.
    pub(crate) fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        self.held.push_str(text);
        while self.step(pieces) {}
    }

    /// Gives what was held back, as something else comes; thoughts go on after it.
    pub(crate) fn flush(&mut self, pieces: &mut Vec<Piece>) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.is_text();
        }
        match self.state {
            State::Thought { .. } => pieces.extend(some(held.trim_end()).map(Piece::Thought)),
            State::After => {}
            State::Begin | State::Text => pieces.extend(some(&held).map(Piece::Text)),
        }
    }

    /// Says that no thoughts will come any more.
    pub(crate) fn is_text(&mut self) {
        if self.state == State::Begin {
            self.state = State::Text;
        }
    }

    /// Goes on as far as the text is clear; false if it has to wait for more.
    fn step(&mut self, pieces: &mut Vec<Piece>) -> bool {
        let (open, close) = THOUGHTS[0];
        match self.state {
            State::Begin => {
                let words = self.held.trim_start();
                if let Some(thought) = words.strip_prefix(open) {
                    self.held = thought.to_owned();
                    self.state = State::Thought { has_words: false };
                    return true;
                }
                if words.is_empty() || may_become(words, open) {
                    return false;
                }
                self.state = State::Text;
                true
            }
            State::Thought { has_words } => self.thought(close, has_words, pieces),
            State::After => {
                self.held = self.held.trim_start().to_owned();
                self.state = if self.held.is_empty() { State::After } else { State::Text };
                !self.held.is_empty()
            }
            State::Text => {
                pieces.extend(some(&std::mem::take(&mut self.held)).map(Piece::Text));
                false
            }
        }
    }

    fn thought(&mut self, close: &str, has_words: bool, pieces: &mut Vec<Piece>) -> bool {
        let (at, which) = find(&self.held, &[close]);
        let words = &self.held[..at];
        let words = if has_words { words } else { words.trim_start() };
        // White space before the mark belongs to it.
        let shown = words.trim_end();
        pieces.extend(some(shown).map(Piece::Thought));
        self.state = State::Thought { has_words: has_words || !shown.is_empty() };
        if which.is_some() {
            self.held = self.held[at + close.len()..].to_owned();
            self.state = State::After;
            return true;
        }
        self.held = format!("{}{}", &words[shown.len()..], &self.held[at..]);
        false
    }
}

#[cfg(feature = "remote")]
fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(all(test, feature = "remote"))]
mod tests {
    use super::*;

    /// Reads pieces, and returns thoughts and text.
    fn read<'a>(parts: impl IntoIterator<Item = &'a str>) -> (String, String) {
        let (mut split, mut pieces) = (Split::default(), Vec::new());
        parts.into_iter().for_each(|part| split.push(part, &mut pieces));
        split.flush(&mut pieces);
        let (mut thoughts, mut text) = (String::new(), String::new());
        for piece in pieces {
            match piece {
                Piece::Thought(words) => {
                    assert_eq!(text, "", "thoughts come first");
                    thoughts.push_str(&words);
                }
                Piece::Text(words) => text.push_str(&words),
            }
        }
        (thoughts, text)
    }

    fn check(whole: &str, thoughts: &str, text: &str) {
        let expected = (thoughts.to_owned(), text.to_owned());
        assert_eq!(read([whole]), expected);
        let cuts: Vec<_> = (0..=whole.len()).filter(|cut| whole.is_char_boundary(*cut)).collect();
        for (place, cut) in cuts.iter().enumerate() {
            for other in &cuts[place..] {
                assert_eq!(read([&whole[..*cut], &whole[*cut..*other], &whole[*other..]]), expected, "{cut} {other}");
            }
        }
    }

    #[test]
    fn thoughts_stand_at_the_beginning() {
        check("<think>\nHm,\n yes\n</think>\n\nMont Blanc", "Hm,\n yes", "Mont Blanc");
        check("\n <think>Hm</think>Yes <think>é</think>", "Hm", "Yes <think>é</think>");
        check("<think></think> <b>", "", "<b>");
        check("<think>open", "open", "");
        check("<think>a </think", "a </think", "");
    }

    #[test]
    fn text_stays_as_it_is() {
        check(" \nYes. <think>x</think>", "", " \nYes. <think>x</think>");
        check("<thin", "", "<thin");
        check(" <thinker>", "", " <thinker>");
        check(" ", "", " ");
    }
}
