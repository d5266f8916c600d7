//! Part 1 of 3 of all-MiniLM-L6-v2, quantised to int8: the vocabulary and most word embeddings.
//! A crate of its own, because registries take no more than 10 MB. `lorewell-embed` puts the parts together.

/// A shard of the weights, in the safetensors format.
pub static PART: &[u8] = include_bytes!("../part.bin");

/// Shape, pooling, limits and fingerprint of the model, in JSON.
pub static CONFIG: &[u8] = include_bytes!("../config.json");

/// The vocabulary of its WordPiece tokenizer, one token a line.
pub static VOCABULARY: &[u8] = include_bytes!("../vocab.txt");
