//! Answers that are errors, before a format says them in its provider's words.

use serde_json::Value;

use crate::shape::Problem;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Failure {
    NoKey,
    WrongKey(String),
    ExpiredKey,
    /// The body is no JSON object.
    NoJson,
    /// A field is at fault.
    Field(Problem),
    /// Something else about the request, already in the words of the provider.
    Invalid(Invalid),
    UnknownModel(String),
    /// Too many requests, with or without a word on when to come back.
    RateLimited {
        says_when: bool,
    },
    Quota,
    Internal,
    Overloaded,
    TooLong {
        tokens: usize,
        limit: usize,
    },
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Invalid {
    pub message: String,
    pub param: Option<String>,
    pub code: Option<&'static str>,
}

impl Failure {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(Invalid { message: message.into(), ..Invalid::default() })
    }

    pub(crate) fn coded(message: impl Into<String>, param: impl Into<String>, code: &'static str) -> Self {
        Self::Invalid(Invalid { message: message.into(), param: Some(param.into()), code: Some(code) })
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Field(problem)
    }
}

/// An error as it goes out.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Value,
}

impl Reply {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
