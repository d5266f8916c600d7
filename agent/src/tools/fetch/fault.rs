//! Why a page could not be fetched, and how the model is told: by what it can do about it, and without a word on where
//! a name leads to.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use lorewell_model::ToolError;
use reqwest::StatusCode;

use super::guard::{NoAddress, Refusal};
use crate::tools::invisible::excerpt;

/// Characters that are told of what a host says of itself: the name of a type, the names in a certificate.
pub(super) const SAID_CHARS_MAX: usize = 200;

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Fault {
    /// The address that the model gave.
    Refused(Refusal),
    /// One that it was sent on to.
    Redirected(Refusal),
    Redirects(usize),
    /// From `https` to `http`.
    Downgrade,
    /// Sent on to what is no address.
    Location,
    NoAddress,
    NoConnection,
    Tls(String),
    TooSlow(Duration),
    Status(StatusCode),
    Encoding(String),
    Broken,
}

impl Fault {
    /// A request that got no answer.
    pub(super) fn unsent(error: &reqwest::Error) -> Self {
        tracing::debug!(?error, "a page was not reached");
        if let Some(refusal) = cause::<Refusal>(error) {
            // By its name it looked public.
            return Self::Refused(*refusal);
        }
        if let Some(error) = cause::<rustls::Error>(error) {
            return Self::Tls(error.to_string());
        }
        match (cause::<NoAddress>(error), error.is_connect()) {
            (Some(_), _) => Self::NoAddress,
            (None, true) => Self::NoConnection,
            (None, false) => Self::Broken,
        }
    }

    /// An answer that broke off.
    pub(super) fn broken(error: &(dyn StdError + 'static)) -> Self {
        tracing::debug!(error, "a page broke off");
        Self::Broken
    }

    /// Says that it was not the address of the model that was refused.
    pub(super) fn at_step(self, step: usize) -> Self {
        match self {
            Self::Refused(refusal) if step > 0 => Self::Redirected(refusal),
            fault => fault,
        }
    }

    /// Returns what the model is told.
    pub(super) fn told(&self) -> ToolError {
        match self {
            Self::Refused(refusal @ (Refusal::Long | Refusal::Scheme | Refusal::Credentials)) => {
                ToolError::retry(refusal.to_string())
            }
            Self::Refused(refusal) => ToolError::failed(refusal.to_string()),
            Self::Redirected(refusal) => {
                ToolError::failed(format!("the page sends on to another address, which is not followed: {refusal}"))
            }
            Self::Redirects(max) => ToolError::failed(format!("the page sends on more than {max} times")),
            Self::Downgrade => ToolError::failed("the page sends on from `https:` to `http:`, which is not followed"),
            Self::Location => ToolError::failed("the page sends on to what is no address"),
            Self::NoAddress => ToolError::failed("there is no such host; check the spelling of the address"),
            Self::NoConnection => ToolError::failed("the host cannot be reached, or does not answer at this port"),
            Self::Tls(words) => {
                ToolError::failed(format!("the connection is not safe: {}", excerpt(words, SAID_CHARS_MAX)))
            }
            Self::TooSlow(limit) => ToolError::failed(format!("the page took longer than {} s", limit.as_secs_f32())),
            Self::Status(status) => ToolError::failed(of_status(*status)),
            Self::Encoding(name) => {
                let name = excerpt(name, SAID_CHARS_MAX);
                ToolError::failed(format!("the page is packed as `{name}`, and only gzip can be unpacked"))
            }
            Self::Broken => ToolError::failed("the answer broke off or cannot be read; it may work later"),
        }
    }
}

fn of_status(status: StatusCode) -> String {
    let advice = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => "; there is no such page, check the address or look for another",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; the page is not open to everyone",
        StatusCode::TOO_MANY_REQUESTS => "; the host asks for fewer requests, try later",
        _ if status.is_server_error() => "; the fault is the host's, it may work later",
        _ => "",
    };
    format!("the host answered with {status}{advice}")
}

/// Finds an error among the causes of another one.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An error of input and output calls the cause of what it holds its own cause, and passes over what it holds.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = held.map(|held| held as &(dyn StdError + 'static)).or_else(|| error.source());
    }
    None
}
