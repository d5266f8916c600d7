//! What the workloads begin with: letters and ids from a fixed seed, and the nested document of the wide state. The
//! program that measures juncture includes this file, so that both begin with the same.

use serde_json::{Map, Value, json};

/// SplitMix64 (Steele, Lea and Flood 2014): the same letters in every run.
#[derive(Debug, Clone)]
pub(crate) struct Letters(u64);

impl Letters {
    /// Starts a sequence.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Returns a word of lower-case letters.
    pub(crate) fn word(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(b'a' + u8::try_from(self.number() % 26).unwrap_or(0))).collect()
    }

    /// Returns a subject for a joke: letters as Python shows a list of them.
    pub(crate) fn subject(&mut self, letters: usize) -> String {
        let shown: Vec<String> = self.word(letters).chars().map(|letter| format!("'{letter}'")).collect();
        format!("[{}]", shown.join(", "))
    }

    /// Returns what looks like a UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.number(), self.number());
        let tail = low & 0xffff_ffff_ffff;
        format!("{:08x}-{:04x}-{:04x}-{:04x}-{tail:012x}", high >> 32, high >> 16 & 0xffff, high & 0xffff, low >> 48)
    }
}

/// Returns the document that the wide state begins with: `outer` objects of `inner` lists of 25 values.
pub(crate) fn document(outer: usize, inner: usize) -> Value {
    let leaf: Vec<Value> = (0..5)
        .flat_map(|_| [json!("hi?".repeat(10)), json!(true), json!(1), json!(6_327_816_386_138_u64), json!(null)])
        .collect();
    let key = |index: usize| index.to_string().repeat(10);
    let lists: Map<String, Value> = (0..inner).map(|index| (key(index), json!(leaf))).collect();
    (0..outer).map(|index| (key(index), json!(lists))).collect::<Map<_, _>>().into()
}
