//! From hits to an answer: which sentences say it (`extract`), how well (`support`), and whether a quotation stands in
//! its source (`citation`).

mod align;
pub mod citation;
mod decisive;
pub mod extract;
mod fuzzy;
mod question;
pub mod support;
mod words;
