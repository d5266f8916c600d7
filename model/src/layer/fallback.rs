//! Standing in for a model that cannot answer.

use std::sync::Arc;

use crate::chat::{ChatModel, Events};
use crate::model::Model;
use crate::name::ModelName;
use crate::request::Request;
use crate::{Error, Kind};

/// A model, and another for when it fails.
#[derive(Debug)]
pub(crate) struct Fallback {
    name: Arc<ModelName>,
    first: Arc<dyn ChatModel>,
    other: Model,
}

impl Fallback {
    pub(crate) fn new(name: Arc<ModelName>, first: Arc<dyn ChatModel>, other: Model) -> Self {
        Self { name, first, other }
    }
}

/// Whether another model may do better: not if the request itself is wrong, or was refused.
fn may_pass_elsewhere(error: &Error) -> bool {
    error.is_retryable() || matches!(error.kind(), Kind::Auth | Kind::NotFound | Kind::Limit)
}

impl ChatModel for Fallback {
    fn stream(&self, request: Request) -> Events {
        let (name, mut events, other) = (self.name.clone(), self.first.stream(request.clone()), self.other.clone());
        Events::new(async_stream::stream! {
            let mut has_content = false;
            let error = loop {
                match events.next().await {
                    Some(Ok(event)) => {
                        has_content |= event.is_content();
                        yield Ok(event);
                    }
                    Some(Err(error)) => break error,
                    None => return,
                }
            };
            if has_content || !may_pass_elsewhere(&error) {
                yield Err(error);
                return;
            }
            tracing::debug!(model = %name, %error, other = %other.name(), "another model answers");
            let mut events = other.stream(request);
            while let Some(event) = events.next().await {
                yield event.map_err(|other_error| {
                    other_error.context(format!("asking `{}`, as `{name}` failed ({error})", other.name()))
                });
            }
        })
    }
}
