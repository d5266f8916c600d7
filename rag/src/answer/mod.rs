//! From hits to an answer: which sentences say it (`extract`), how well (`support`), and whether a quotation stands in
//! its source (`citation`, `verify`). No language model takes part: an answer is made of the documents' own sentences.

mod align;
pub mod citation;
mod decisive;
pub mod extract;
mod fuzzy;
mod question;
mod quote;
mod reading;
pub mod support;
mod verify;
mod words;

pub use quote::{Answer, Citation, Drafted, QuoteRequest, Sentence};
pub use verify::Standing;
