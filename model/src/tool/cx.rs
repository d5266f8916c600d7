//! What a tool is given besides its arguments: the key of its call, what its host shares, ways to report and to ask, and a sign
//! that nobody waits for it any more.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;

use crate::message::ToolCall;
use crate::{Error, Kind, Result};

/// Who calls a tool: an agent, a server, a test.
#[async_trait]
pub trait ToolHost: Any + Send + Sync {
    /// Takes note of how far a call is.
    async fn progress(&self, call: &ToolCall, value: Value) {
        let _ = (call, value);
    }

    /// Takes note of something that a call has to tell, under a name.
    async fn emit(&self, call: &ToolCall, name: &str, value: Value) {
        let _ = (call, name, value);
    }

    /// Asks a person, and returns an answer that fits the schema. It may never return: a call that waits for a person is
    /// dropped and made again, with the same key, when there is an answer.
    ///
    /// # Errors
    /// `Refused` where nobody can be asked.
    async fn ask(&self, call: &ToolCall, prompt: &str, schema: Value) -> Result<Value> {
        let _ = (prompt, schema);
        let message = format!("`{}` asks a person, and nobody can be asked here", call.name);
        Err(Error::new(Kind::Refused, message))
    }
}

/// The host that only calls.
struct Nobody;

impl ToolHost for Nobody {}

/// Things that tools share, by their types.
#[derive(Clone, Default)]
pub struct Shared(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Shared {
    /// Adds something, in the place of what has the same type.
    pub fn insert<T: Any + Send + Sync>(&mut self, shared: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(shared));
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({} values)", self.0.len())
    }
}

/// What a tool is given when it is called.
#[derive(Clone)]
pub struct ToolCx {
    call: Arc<ToolCall>,
    key: Arc<str>,
    shared: Arc<Shared>,
    host: Arc<dyn ToolHost>,
    /// Its other end is gone when the attempt is over. None if whoever calls makes no attempts.
    attempt: Option<watch::Receiver<()>>,
}

/// An attempt at a call, for whoever makes it. When it is dropped, all contexts of the attempt are cancelled.
#[derive(Debug)]
#[must_use = "the attempt is over when this is dropped"]
pub struct Attempt {
    _open: watch::Sender<()>,
}

impl ToolCx {
    /// Makes one for a call. `key` must be the same whenever this call is tried again, and no other call may have it.
    pub fn new(call: ToolCall, key: impl Into<Arc<str>>) -> Self {
        Self { call: Arc::new(call), key: key.into(), shared: Arc::default(), host: Arc::new(Nobody), attempt: None }
    }

    /// Sets who calls.
    #[must_use]
    pub fn host(mut self, host: Arc<dyn ToolHost>) -> Self {
        self.host = host;
        self
    }

    /// Begins an attempt: returns the context for it, and what is to be kept for as long as somebody waits for the answer. Whoever
    /// calls a tool keeps it beside the future of the call, so that both are dropped together.
    ///
    /// ```
    /// use lorewell_model::{ToolCall, ToolCx};
    ///
    /// let cx = ToolCx::new(ToolCall::new("1", "count", &serde_json::json!({})), "key");
    /// let (cx, attempt) = cx.attempt();
    /// assert!(!cx.is_cancelled());
    /// drop(attempt);
    /// assert!(cx.is_cancelled());
    /// ```
    pub fn attempt(&self) -> (Self, Attempt) {
        let (open, attempt) = watch::channel(());
        (Self { attempt: Some(attempt), ..self.clone() }, Attempt { _open: open })
    }

    /// Sets what is shared.
    #[must_use]
    pub fn share(mut self, shared: Arc<Shared>) -> Self {
        self.shared = shared;
        self
    }

    /// Returns the call.
    #[must_use]
    pub fn call(&self) -> &ToolCall {
        &self.call
    }

    /// Returns who calls, if it is a `T`: tools that belong to a host can do more there.
    #[must_use]
    pub fn caller<T: ToolHost>(&self) -> Option<&T> {
        let caller: &dyn Any = &*self.host;
        caller.downcast_ref()
    }

    /// Returns the idempotency key of the call: the same whenever it is tried again, after a crash too. Hand it to the other
    /// side, which knows by it what it has done already.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns what the host shares of a type.
    ///
    /// # Errors
    /// `Config` if it shares nothing of it.
    pub fn shared<T: Send + Sync + 'static>(&self) -> Result<Arc<T>> {
        let found = self.shared.0.get(&TypeId::of::<T>()).cloned();
        found.and_then(|shared| shared.downcast().ok()).ok_or_else(|| {
            let message = format!("no `{}` is shared with the tools; give the agent one", std::any::type_name::<T>());
            Error::new(Kind::Config, message)
        })
    }

    /// Tells how far the call is. Waits while those who listen are behind.
    ///
    /// # Errors
    /// The value has no form in JSON.
    pub async fn progress<T: Serialize>(&self, value: T) -> Result<()> {
        let value = serde_json::to_value(value)?;
        self.host.progress(&self.call, value).await;
        Ok(())
    }

    /// Tells something under a name, to those who listen to the run. Waits while they are behind.
    ///
    /// # Errors
    /// The value has no form in JSON.
    pub async fn emit<T: Serialize>(&self, name: &str, value: T) -> Result<()> {
        let value = serde_json::to_value(value)?;
        self.host.emit(&self.call, name, value).await;
        Ok(())
    }

    /// Tells whether nobody waits for this attempt any more: the call was dropped, has run into its timeout, or has ended. What
    /// runs on a thread of its own goes on after that, so it looks here before it does anything that lasts. Where whoever calls
    /// makes no [`attempt`](Self::attempt), it is never so.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.has_changed().is_err())
    }

    /// Waits until nobody waits for this attempt any more; see [`is_cancelled`](Self::is_cancelled).
    pub async fn cancelled(&self) {
        let Some(mut attempt) = self.attempt.clone() else { return std::future::pending().await };
        while attempt.changed().await.is_ok() {}
    }

    /// Asks a person, and waits for the answer as long as it takes: what comes before it runs again when there is one, with
    /// the same key. The answer is to this text: if the tool comes back with another, that is asked anew.
    ///
    /// # Errors
    /// `Refused` where nobody can be asked; `BadInput` if the answer is no `T`, because the type has changed since it was
    /// given.
    pub async fn ask<T: DeserializeOwned + JsonSchema>(&self, prompt: impl Into<String> + Send) -> Result<T> {
        let answer = self.ask_json(&prompt.into(), schemars::schema_for!(T).to_value()).await?;
        serde_json::from_value(answer).map_err(|error| {
            let message = format!("the answer to `{}` is no `{}`: {error}", self.call.name, std::any::type_name::<T>());
            Error::new(Kind::BadInput, message).caused_by(error)
        })
    }

    /// Asks a person as [`ask`](Self::ask) does, for an answer whose form is only known at run time.
    ///
    /// # Errors
    /// `Refused` where nobody can be asked.
    pub async fn ask_json(&self, prompt: &str, schema: Value) -> Result<Value> {
        self.host.ask(&self.call, prompt, schema).await
    }
}

impl fmt::Debug for ToolCx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolCx").field("call", &self.call).field("key", &self.key).finish_non_exhaustive()
    }
}
