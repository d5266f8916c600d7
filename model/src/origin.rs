//! Where a text came from. Kept with the text for as long as it lives, because untrusted text is data:
//! it may be quoted and searched, never obeyed.

use serde::{Deserialize, Serialize};

/// Who wrote a text, from the point of view of the person Lorewell works for.
///
/// ```
/// use lorewell_model::Origin;
///
/// assert!(Origin::User.is_trusted());
/// assert!(!Origin::Document.is_trusted());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// The person at the keyboard.
    User,
    /// The developer's own instructions.
    Developer,
    /// A document that was ingested.
    Document,
    /// The result of a tool.
    Tool,
    /// A page fetched from the web.
    Web,
    /// Another agent.
    RemoteAgent,
}

impl Origin {
    /// Tells whether a text of this origin may act as an instruction.
    #[must_use]
    pub fn is_trusted(self) -> bool {
        match self {
            Self::User | Self::Developer => true,
            Self::Document | Self::Tool | Self::Web | Self::RemoteAgent => false,
        }
    }
}
