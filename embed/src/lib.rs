//! Embedders: text in, unit vectors out. The [`Embed`] trait is what others implement, [`Embedder`] is the handle
//! everyone passes around; local models live in `local/`, vector maths in `vector`, the cache in `cache`.

mod cache;
mod embedder;
#[cfg(feature = "candle")]
mod local;
mod vector;

pub use embedder::{Embed, Embedder, Info, Purpose, Vectors};
#[cfg(feature = "candle")]
pub use local::quantize;
pub use vector::{dot, normalize};
