//! What comes of reasoning: the answer, how sure it is, what it took, and what was tried on the way.

use lorewell_model::Usage;
use serde::{Deserialize, Serialize};

/// What a strategy has come to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Solution {
    /// What the model has written.
    pub text: String,
    /// The answer in it, as the reasoner's [`Extract`](super::Extract) finds it.
    pub answer: Option<String>,
    /// How sure the strategy is, 0..1; each strategy says what that means. None where it has no measure.
    pub confidence: Option<f64>,
    /// How often a model was asked. The reasoner fills this in, and what follows.
    pub calls: u64,
    /// What that used.
    pub usage: Usage,
    /// Whether the budget has ended it, so that this is the best that was found until then.
    pub is_cut: bool,
    /// What was tried: every answer of a model, every score, everything that failed. In the order of the strategy, not of time.
    pub trace: Vec<Tried>,
}

impl Solution {
    /// Sets how sure the strategy is, 0..1.
    #[must_use]
    pub fn confidence(mut self, confidence: f64) -> Self {
        self.confidence = Some(confidence);
        self
    }
}

/// One thing that was tried.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Tried {
    /// Where: `reason/sample 3/answer` is the answer of the third sample.
    pub name: String,
    /// What the model wrote; what was scored.
    pub text: String,
    /// The score, if it was scored, 0..1.
    pub score: Option<f64>,
    /// Why it came to nothing, if it did.
    pub error: Option<String>,
}

impl Tried {
    pub(super) fn said(name: &str, text: String) -> Self {
        Self { name: name.to_owned(), text, ..Self::default() }
    }

    pub(super) fn failed(name: &str, error: &str) -> Self {
        Self { name: name.to_owned(), error: Some(error.to_owned()), ..Self::default() }
    }

    pub(super) fn scored(name: &str, text: String, score: f64) -> Self {
        Self { score: Some(score), ..Self::said(name, text) }
    }
}
