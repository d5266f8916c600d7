//! From hits to an answer: which sentences say it (`extract`), how well (`support`), and whether a quotation stands in
//! its source (`citation`, `verify`). `quote` answers with the documents' own sentences; `ask` lets a model write, and
//! holds what it writes (`claims`) against the passages that it was shown (`prompt`); a local model whose own words they do
//! not support may choose among theirs (`choose`).

mod align;
mod ask;
mod choose;
pub mod citation;
mod claims;
mod decisive;
pub mod extract;
mod fuzzy;
mod prompt;
mod question;
mod quote;
mod reading;
pub mod support;
mod verify;
mod words;

pub(crate) use prompt::fenced;

pub use ask::{AskEvent, AskEvents, AskRequest, PASSAGE_TOKENS_MAX, Written};
pub use quote::{Answer, Citation, Drafted, QuoteRequest, Sentence};
pub use verify::Standing;
