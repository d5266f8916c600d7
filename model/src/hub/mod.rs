//! Models from a hub that speaks Hugging Face's protocol. What is fetched lies in the cache that Python's
//! `huggingface_hub` uses, in its layout, so that each finds what the other has fetched. Every file is held against the
//! sum that the hub gives for it before it gets its name.

mod cache;
mod choice;
mod client;
mod fetch;
mod lock;
mod name;
mod part;
mod progress;
mod pull;
mod settings;
mod sum;

pub use cache::{Cached, CachedFile};
pub use choice::Files;
pub use name::{HubName, Repo};
pub use progress::Progress;
pub use pull::Pulled;
pub use settings::{ENDPOINT, Hub};

use crate::Result;

/// Finds a model by its name, `hf:owner/name[:FILE_OR_QUANT][@revision]`: in the cache, or else at the hub, if a connection
/// is allowed. Cache, hub and token are those of the environment.
///
/// # Errors
/// `Config` if the name or the environment is wrong; those of [`Hub::pull`].
pub async fn resolve(name: &str) -> Result<Pulled> {
    let name: HubName = name.parse()?;
    Hub::from_environment()?.resolve(&name, |_| ()).await
}
