//! From hits to an answer: which sentences say it, and whether a quotation stands in its source.

mod align;
pub mod citation;
mod decisive;
pub mod extract;
mod fuzzy;
mod question;
pub mod support;
mod words;
