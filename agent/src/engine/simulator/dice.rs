//! Chance that can be repeated: one number decides every throw. And the hash by which scripts look at a state.

use serde_json::{Map, Value};

/// A source of pseudo-random numbers: splitmix64, Steele et al. 2014.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// Throws for one purpose, which the parts name.
    pub(super) fn of(seed: u64, parts: &[&str]) -> Self {
        let mut hash = Hash::default();
        parts.iter().for_each(|part| hash.text(part));
        Self(hash.end() ^ seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("it is below `n`")
    }

    /// True so many times in a hundred.
    pub(super) fn percent(&mut self, n: usize) -> bool {
        self.below(100) < n
    }

    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index + 1));
        }
    }

    /// At most `most` of the items, in the order in which they stand.
    pub(super) fn some<T: Clone>(&mut self, items: &[T], most: usize) -> Vec<T> {
        let mut places: Vec<usize> = (0..items.len()).collect();
        self.shuffle(&mut places);
        places.truncate(self.below(most + 1));
        places.sort_unstable();
        places.into_iter().map(|place| items[place].clone()).collect()
    }
}

/// A hash of text and JSON; the order of members does not count.
#[derive(Debug, Default)]
pub(super) struct Hash(String);

impl Hash {
    pub(super) fn text(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\0');
    }

    pub(super) fn end(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(self.0.as_bytes()).as_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    pub(super) fn value(&mut self, value: &Value) {
        match value {
            Value::Array(items) => {
                self.text("[");
                items.iter().for_each(|item| self.value(item));
                self.text("]");
            }
            Value::Object(members) => self.members(members),
            Value::Null | Value::Bool(_) | Value::Number(_) => self.text(&value.to_string()),
            Value::String(text) => self.text(text),
        }
    }

    fn members(&mut self, members: &Map<String, Value>) {
        let mut names: Vec<&String> = members.keys().collect();
        names.sort_unstable();
        self.text("{");
        for name in names {
            self.text(name);
            self.value(&members[name]);
        }
        self.text("}");
    }
}

/// The hash of some of the fields of a state.
pub(super) fn digest<'a>(fields: impl Iterator<Item = (&'a String, &'a Value)>) -> u64 {
    let mut fields: Vec<_> = fields.collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    let mut hash = Hash::default();
    for (name, value) in fields {
        hash.text(name);
        hash.value(value);
    }
    hash.end()
}
