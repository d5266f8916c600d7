//! Tools: what a model may call. A tool says what it does, what its arguments look like and what it may touch; it is a typed
//! async function as a rule. What goes wrong in one is an answer for the model and never the end of a run.

mod cx;
mod error;
mod function;
mod output;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::BitOr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use cx::{Attempt, Shared, ToolCx, ToolHost};
pub use error::ToolError;
pub use function::{FunctionTool, IntoTool, tool};
pub use output::ToolOutput;

use crate::origin::Origin;
use crate::request::ToolSpec;
use crate::retry::Retry;

/// How long one attempt of a call may take, unless its tool says otherwise.
pub const TOOL_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of text that the model gets of one call, unless its tool says otherwise: about 16,000 tokens.
pub const TOOL_OUTPUT_BYTES_MAX: usize = 64 << 10;

/// Something that a model may call. Most are made of async functions, by [`IntoTool`].
#[async_trait]
pub trait Tool: Send + Sync + 'static {
    /// Describes it, for the model.
    fn spec(&self) -> &ToolSpec;

    /// Returns what it may touch. What it does not declare here it must not do.
    fn access(&self) -> Access {
        Access::NONE
    }

    /// Returns how it is run.
    fn limits(&self) -> ToolLimits {
        ToolLimits::default()
    }

    /// Returns who wrote it. A call of a tool that nobody vouches for counts as [`NETWORK`](Access::NETWORK), whatever it declares:
    /// whoever wrote it learns the arguments.
    fn origin(&self) -> Origin {
        Origin::Developer
    }

    /// Returns who wrote its description, which the model reads before it does anything: whoever wrote the tool, unless said. A run
    /// that has read what nobody vouches for asks before it does harm.
    fn described_by(&self) -> Origin {
        self.origin()
    }

    /// Does what was asked for. The arguments were held against the schema. Dropping the future must stop what it does; what it
    /// has begun elsewhere learns of it by [`ToolCx::is_cancelled`].
    ///
    /// # Errors
    /// What the model is told instead of an answer.
    async fn call(&self, cx: ToolCx, arguments: Value) -> Result<ToolOutput, ToolError>;
}

/// What a tool may touch. Nothing, unless said.
///
/// ```
/// use lorewell_model::Access;
///
/// let access = Access::READ | Access::NETWORK;
/// assert!(access.has(Access::READ) && !access.has(Access::WRITE));
/// assert_eq!(access.to_string(), "read, network");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Access(u8);

impl Access {
    /// Nothing beyond its arguments.
    pub const NONE: Self = Self(0);
    /// It reads what is private: files, databases, the library.
    pub const READ: Self = Self(1);
    /// It changes something that outlives the call.
    pub const WRITE: Self = Self(2);
    /// It talks to others, who learn its arguments.
    pub const NETWORK: Self = Self(4);
    /// It runs programs.
    pub const EXECUTE: Self = Self(8);
    /// Anything: what must be assumed of a tool that says nothing of itself.
    pub const ALL: Self = Self(15);

    const NAMES: [(Self, &str); 4] =
        [(Self::READ, "read"), (Self::WRITE, "write"), (Self::NETWORK, "network"), (Self::EXECUTE, "execute")];

    /// Joins two of them.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Takes out what is in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Tells whether all of `other` is in it.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Tells whether any of `other` is in it.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Access {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.iter().filter(|(access, _)| self.has(*access)).map(|(_, name)| *name);
        let names: Vec<_> = names.collect();
        f.write_str(if names.is_empty() { "nothing" } else { "" })?;
        f.write_str(&names.join(", "))
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({self})")
    }
}

/// How a tool is run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ToolLimits {
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Bytes of text that the model gets; the rest is cut off, and said so.
    pub output_bytes_max: usize,
    /// Whether it is tried again when it fails in a way that may pass.
    pub retry: Option<Retry>,
}

impl Default for ToolLimits {
    fn default() -> Self {
        Self { timeout: TOOL_TIMEOUT, output_bytes_max: TOOL_OUTPUT_BYTES_MAX, retry: None }
    }
}

/// A tool behind a handle is one.
#[async_trait]
impl<T: Tool + ?Sized> Tool for Arc<T> {
    fn spec(&self) -> &ToolSpec {
        (**self).spec()
    }

    fn access(&self) -> Access {
        (**self).access()
    }

    fn limits(&self) -> ToolLimits {
        (**self).limits()
    }

    fn origin(&self) -> Origin {
        (**self).origin()
    }

    fn described_by(&self) -> Origin {
        (**self).described_by()
    }

    async fn call(&self, cx: ToolCx, arguments: Value) -> Result<ToolOutput, ToolError> {
        (**self).call(cx, arguments).await
    }
}
