//! Hints by which providers keep the beginning of a conversation, so that each step of a turn costs only what is new in it.

use async_trait::async_trait;
use lorewell_model::{Cache, Message, Request, Result};

use super::middleware::Middleware;
use super::turn::Turn;

/// Asks the provider to keep what was said for the next step: in long turns with tools that saves most of what the request
/// costs, and of the wait. Providers that keep it without being asked are not told.
///
/// Two places are marked: the end of what was said before the turn, and the end of the request.
///
/// ```
/// use lorewell_agent::{Agent, PromptCache};
/// use lorewell_model::model;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let agent = Agent::new(model("mock:echo").await?).middleware(PromptCache::default());
/// # Ok::<(), lorewell_agent::Error>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PromptCache {
    /// For how long, and under which key; some minutes unless said.
    pub cache: Cache,
}

impl PromptCache {
    /// Sets for how long it is kept, and under which key.
    #[must_use]
    pub fn cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }
}

#[async_trait]
impl Middleware for PromptCache {
    async fn before_model(&self, turn: &Turn, request: &mut Request) -> Result<()> {
        request.cache.get_or_insert_with(|| self.cache.clone());
        let (all, added) = (request.messages.len(), turn.added().len());
        let ends = [all.saturating_sub(added), all];
        for end in ends {
            let Some(last) = end.checked_sub(1) else { continue };
            // The conversation is shared, and as long as it is.
            if let Some(message) = request.messages.get(last).cloned() {
                request.messages.replace(last, Message { cache_here: true, ..message });
            }
        }
        Ok(())
    }
}
