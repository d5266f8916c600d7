//! Part 3 of 3 of all-MiniLM-L6-v2, quantised to int8: the last layers.
//! A crate of its own, because registries take no more than 10 MB. `lorewell-embed` puts the parts together.

/// A shard of the weights, in the safetensors format.
pub static PART: &[u8] = include_bytes!("../part.bin");
