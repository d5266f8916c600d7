//! What has come of a turn that has no answer yet. Its thread keeps what was done, so that the turn can go on; this is what
//! people and models are told of it until then.

use serde::{Deserialize, Serialize};

/// Bytes of words that are kept: longer than any answer of a model.
const SAID_BYTES_MAX: usize = 1 << 20;

/// What has come of a turn that has no answer yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Left {
    /// What the model had said when the person stopped it.
    said: String,
    /// The calls that have begun, oldest first.
    calls: Vec<Call>,
    /// Whether the turn was left and went on: a kill may have come before its calls were noted here.
    is_resumed: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Call {
    /// Some models use an id more than once.
    id: String,
    /// The tool and its arguments, in words.
    what: String,
    is_over: bool,
}

impl Left {
    /// Tells whether there is nothing to keep.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Says it, for the model and for people; none if there is nothing to say.
    pub(crate) fn words(&self) -> Option<String> {
        let calls = |is_over: bool| {
            let calls = self.calls.iter().filter(|call| call.is_over == is_over);
            calls.map(|call| &*call.what).collect::<Vec<_>>().join("; ")
        };
        let mut words = self.said.trim().to_owned();
        let (made, begun) = (calls(true), calls(false));
        if !made.is_empty() {
            words.push_str(&format!("\n\n(calls made by then: {made})"));
        }
        if !begun.is_empty() {
            words.push_str(&format!("\n\n(calls begun by then, which may have been made or not: {begun})"));
        }
        Some(words.trim().to_owned()).filter(|words| !words.is_empty())
    }

    /// Tells whether any call has begun.
    pub(crate) fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Tells whether the words may come of what calls have brought.
    pub(crate) fn may_have_read(&self) -> bool {
        self.has_calls() || self.is_resumed
    }

    pub(super) fn resume(&mut self) {
        self.is_resumed = true;
    }

    /// Keeps what the model had said when it was stopped; if that is nothing, what it had said the time before.
    pub(super) fn stop(&mut self, said: &str) {
        if !said.trim().is_empty() {
            said[..said.floor_char_boundary(SAID_BYTES_MAX)].clone_into(&mut self.said);
        }
    }

    /// Notes that a call begins; one that was cut off may begin again.
    pub(super) fn begin(&mut self, id: &str, what: &str) {
        if !self.calls.iter().any(|call| !call.is_over && call.id == id && call.what == what) {
            self.calls.push(Call { id: id.to_owned(), what: what.to_owned(), is_over: false });
        }
    }

    /// Notes that a call has come to its end.
    pub(super) fn end(&mut self, id: &str) {
        if let Some(call) = self.calls.iter_mut().find(|call| !call.is_over && call.id == id) {
            call.is_over = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_whether_they_were_made() {
        let mut left = Left::default();
        assert_eq!((left.words(), left.may_have_read(), left.is_default()), (None, false, true));
        left.begin("1", "write_file a");
        left.end("1");
        // The same id for another call.
        left.begin("1", "fetch b");
        left.begin("1", "fetch b");
        left.end("2");
        left.stop("So far. \n");
        left.stop("\n");
        let words = "So far.\n\n(calls made by then: write_file a)\n\n\
            (calls begun by then, which may have been made or not: fetch b)";
        assert_eq!((left.words().as_deref(), left.may_have_read()), (Some(words), true));
        left.end("1");
        assert_eq!(left.words().unwrap(), "So far.\n\n(calls made by then: write_file a; fetch b)");
    }

    #[test]
    fn a_turn_that_went_on_may_have_read_what_nobody_noted() {
        let mut left = Left::default();
        left.resume();
        assert_eq!((left.words(), left.may_have_read()), (None, true));
        left.stop(&"\u{e4}".repeat(SAID_BYTES_MAX));
        assert_eq!(left.words().unwrap().len(), SAID_BYTES_MAX);
    }
}
