//! OpenAI's two formats, and what they share: errors, usage, lists of models, schemas, and reading without trust.

mod chat;
mod fault;
mod lenient;
mod models;
mod responses;
mod schema;
mod shared;
#[cfg(test)]
mod testing;
mod usage;

pub(crate) use chat::Chat;
pub(crate) use responses::Responses;
