//! What stands around the model and the tools of an agent. Each hook runs when something is really done, and not when it is read
//! back after a crash: what it changed was journalled with it.

use async_trait::async_trait;
use lorewell_model::{Error, Reply, Request, Result, ToolCall, ToolResult};
use serde::{Deserialize, Serialize};

use super::turn::Turn;

/// Something around the model and the tools of an agent. Those that were given first are outermost: asked first before something
/// is done, and last after it. An error of a hook ends the run.
///
/// ```
/// use async_trait::async_trait;
/// use lorewell_agent::{Agent, Middleware, Result, Turn, Verdict};
/// use lorewell_model::{ToolCall, model};
///
/// /// Lets nobody be mailed at night.
/// struct Quiet;
///
/// #[async_trait]
/// impl Middleware for Quiet {
///     async fn before_tool(&self, _: &Turn, call: &ToolCall) -> Result<Verdict> {
///         Ok(if call.name == "mail" { Verdict::Refuse("no mail is sent at night".to_owned()) } else { Verdict::Go })
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let agent = Agent::new(model("mock:echo").await?).middleware(Quiet);
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[async_trait]
pub trait Middleware: Send + Sync + 'static {
    /// Before the model is asked, for a summary of the conversation too; may change what it is asked.
    ///
    /// # Errors
    /// Any, which ends the run.
    async fn before_model(&self, turn: &Turn, request: &mut Request) -> Result<()> {
        let _ = (turn, request);
        Ok(())
    }

    /// After the model has answered; may change what it said, before its calls are made.
    ///
    /// # Errors
    /// Any, which ends the run.
    async fn after_model(&self, turn: &Turn, reply: &mut Reply) -> Result<()> {
        let _ = (turn, reply);
        Ok(())
    }

    /// When the model has failed; may answer in its place.
    ///
    /// # Errors
    /// Any, which ends the run.
    async fn on_error(&self, turn: &Turn, error: &Error) -> Result<Option<Reply>> {
        let _ = (turn, error);
        Ok(None)
    }

    /// Before a call is made: says whether it may be.
    ///
    /// # Errors
    /// Any, which ends the run.
    async fn before_tool(&self, turn: &Turn, call: &ToolCall) -> Result<Verdict> {
        let _ = (turn, call);
        Ok(Verdict::Go)
    }

    /// After a call was made; may change what the model is told.
    ///
    /// # Errors
    /// Any, which ends the run.
    async fn after_tool(&self, turn: &Turn, call: &ToolCall, result: &mut ToolResult) -> Result<()> {
        let _ = (turn, call, result);
        Ok(())
    }
}

/// Whether a call may be made. Of several the strictest counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It may, as far as this is asked.
    #[default]
    Go,
    /// A person decides, whatever the agent allows.
    Ask,
    /// It may not; says why, for the model.
    Refuse(String),
}

impl Verdict {
    /// Returns the stricter of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (refused @ Self::Refuse(_), _) | (_, refused @ Self::Refuse(_)) => refused,
            (Self::Ask, _) | (_, Self::Ask) => Self::Ask,
            (Self::Go, Self::Go) => Self::Go,
        }
    }
}
