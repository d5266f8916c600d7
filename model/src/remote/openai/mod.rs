//! OpenAI's two formats.

mod chat;
mod responses;

pub(crate) use chat::Chat;
pub(crate) use responses::Responses;
