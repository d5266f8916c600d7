//! A span for each time that a model is asked: what it was asked, what it used, what that costs, how it ended. It is entered only
//! while the model itself is at work, so whoever reads the answer slowly is not inside of it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::{Stream, StreamExt as _};
use tracing::Span;
use tracing::field::Empty;

use super::content;
use crate::chat::{ChatModel, Events};
use crate::event::{Event, Finish};
use crate::fold::Fold;
use crate::name::ModelName;
use crate::price::Price;
use crate::request::Request;
use crate::semconv as name;
use crate::usage::Usage;
use crate::{Error, Result, span};

/// A model that is observed.
#[derive(Debug)]
pub(crate) struct Observed {
    inner: Arc<dyn ChatModel>,
    name: Arc<ModelName>,
    price: Option<Price>,
}

impl Observed {
    pub(crate) fn new(inner: Arc<dyn ChatModel>, name: Arc<ModelName>, price: Option<Price>) -> Self {
        Self { inner, name, price }
    }

    /// The span, with what is known before the model is asked.
    fn span(&self, request: &Request) -> Span {
        let kind = if self.name.is_local() { "internal" } else { "client" };
        let temperature = request.temperature.map(f64::from);
        let span = tracing::info_span!(
            target: span::TARGET,
            "chat",
            { name::SPAN_NAME } = %format_args!("chat {}", self.name.model()),
            { name::SPAN_KIND } = kind,
            { name::SPAN_STATUS } = Empty,
            { name::SPAN_STATUS_DESCRIPTION } = Empty,
            { name::OPERATION_NAME } = name::operation::CHAT,
            { name::PROVIDER_NAME } = name::provider(self.name.provider()),
            { name::REQUEST_MODEL } = self.name.model(),
            { name::REQUEST_TEMPERATURE } = temperature,
            { name::REQUEST_TOP_P } = request.top_p.map(f64::from),
            { name::REQUEST_TOP_K } = request.top_k,
            { name::REQUEST_MAX_TOKENS } = request.output_tokens_max,
            { name::REQUEST_SEED } = request.seed,
            { name::REQUEST_STREAM } = true,
            { name::OUTPUT_TYPE } = request.output.as_ref().map(|_| "json"),
            { name::RESPONSE_ID } = Empty,
            { name::RESPONSE_MODEL } = Empty,
            { name::RESPONSE_FINISH_REASONS } = Empty,
            { name::RESPONSE_TIME_TO_FIRST_CHUNK } = Empty,
            { name::USAGE_INPUT_TOKENS } = Empty,
            { name::USAGE_CACHE_READ_INPUT_TOKENS } = Empty,
            { name::USAGE_CACHE_WRITE_INPUT_TOKENS } = Empty,
            { name::USAGE_OUTPUT_TOKENS } = Empty,
            { name::USAGE_REASONING_OUTPUT_TOKENS } = Empty,
            { name::COST_USD } = Empty,
            { name::SYSTEM_INSTRUCTIONS } = Empty,
            { name::INPUT_MESSAGES } = Empty,
            { name::OUTPUT_MESSAGES } = Empty,
            { name::ERROR_TYPE } = Empty,
        );
        span::content(&span, name::SYSTEM_INSTRUCTIONS, || content::instructions(&request.messages));
        span::content(&span, name::INPUT_MESSAGES, || content::conversation(&request.messages));
        span
    }
}

impl ChatModel for Observed {
    fn stream(&self, request: Request) -> Events {
        let span = self.span(&request);
        if span.is_disabled() {
            return self.inner.stream(request);
        }
        let said = span::takes_content().then(Fold::new);
        let inner = self.inner.stream(request);
        let (began, price) = (Instant::now(), self.price);
        Events::new(Answer { inner, span, price, began, is_first: true, usage: Usage::default(), said })
    }

    fn window_tokens(&self) -> Option<usize> {
        self.inner.window_tokens()
    }

    fn count_tokens(&self, text: &str) -> Option<usize> {
        self.inner.count_tokens(text)
    }

    fn can_constrain(&self) -> bool {
        self.inner.can_constrain()
    }
}

/// An answer that is observed while it is read.
struct Answer {
    inner: Events,
    /// Disabled once the answer is over.
    span: Span,
    price: Option<Price>,
    began: Instant,
    is_first: bool,
    usage: Usage,
    said: Option<Fold>,
}

impl Answer {
    fn see(&mut self, event: &Event) {
        if std::mem::take(&mut self.is_first) {
            self.span.record(name::RESPONSE_TIME_TO_FIRST_CHUNK, self.began.elapsed().as_secs_f64());
        }
        // An answer that is too long is the caller's to refuse; what is told of it ends there.
        self.said = self.said.take().and_then(|mut said| said.push(event).is_ok().then_some(said));
        match event {
            Event::Start { id, model } => {
                self.span.record(name::RESPONSE_ID, id.as_deref());
                self.span.record(name::RESPONSE_MODEL, model.as_deref());
            }
            Event::Usage { usage } => self.usage = *usage,
            Event::Finish { finish } => self.finish(finish),
            _ => {}
        }
    }

    fn finish(&mut self, finish: &Finish) {
        self.span.record(name::RESPONSE_FINISH_REASONS, serde_json::json!([reason(finish)]).to_string());
        if let Some(said) = self.said.take() {
            span::content(&self.span, name::OUTPUT_MESSAGES, || content::answer(&said.message(), reason(finish)));
        }
        self.close();
    }

    fn fail(&mut self, error: &Error) {
        span::failed(&self.span, error);
        self.close();
    }

    /// Notes what was used, and lets the span end.
    fn close(&mut self) {
        let (span, usage) = (std::mem::replace(&mut self.span, Span::none()), self.usage);
        if usage == Usage::default() {
            return;
        }
        span.record(name::USAGE_INPUT_TOKENS, usage.input_tokens);
        span.record(name::USAGE_OUTPUT_TOKENS, usage.output_tokens);
        let parts = [
            (name::USAGE_CACHE_READ_INPUT_TOKENS, usage.cache_read_tokens),
            (name::USAGE_CACHE_WRITE_INPUT_TOKENS, usage.cache_write_tokens),
            (name::USAGE_REASONING_OUTPUT_TOKENS, usage.reasoning_tokens),
        ];
        for (field, tokens) in parts.into_iter().filter(|(_, tokens)| *tokens > 0) {
            span.record(field, tokens);
        }
        if let Some(price) = self.price {
            span.record(name::COST_USD, price.cost_usd(&usage));
        }
    }
}

impl Stream for Answer {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let polled = {
            let span = this.span.clone();
            let _entered = span.enter();
            this.inner.poll_next_unpin(cx)
        };
        match &polled {
            Poll::Ready(Some(Ok(event))) if !this.span.is_disabled() => this.see(event),
            Poll::Ready(Some(Err(error))) if !this.span.is_disabled() => this.fail(error),
            _ => {}
        }
        polled
    }
}

impl Drop for Answer {
    /// What is not over here was given up, by whoever read it or by the model.
    fn drop(&mut self) {
        if !self.span.is_disabled() {
            span::failed_as(&self.span, "cancelled", "the answer was not read to its end");
            self.close();
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// Returns the word of the conventions for the end of an answer.
fn reason(finish: &Finish) -> &str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ToolCalls => "tool_call",
        Finish::Refused => "content_filter",
        Finish::Paused => "paused",
        Finish::Other(word) => word,
    }
}
