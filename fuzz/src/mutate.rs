//! Changes to bytes: small ones, as bit rot makes them, and large ones, as truncation and bad merges do. Deterministic
//! for a seed.

/// No input grows beyond this, so that time goes into many inputs and not into long ones.
const INPUT_BYTES_MAX: usize = 256 << 10;

/// Changes made to one input at most.
const CHANGES_MAX: u64 = 6;

/// What breaks parsers: the ends of number ranges, and brackets without a partner.
const TOKENS: [&[u8]; 24] = [
    b"-1",
    b"0",
    b"65536",
    b"2147483648",
    b"18446744073709551616",
    b"1e999",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\n\n",
    b"<",
    b"</",
    b"<!--",
    b"]]>",
    b"{",
    b"}",
    b"((((((((",
    b"\"",
    b"\\",
    b"```",
    b"\xf0\x9f\xa6\x80",
    b"endstream",
    b"/Prev 0",
];

/// Makes new inputs from old ones.
#[derive(Debug)]
pub(crate) struct Mutator {
    state: u64,
}

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// The next number: xorshift64*, Vigna 2016.
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("a length fits 64 bits");
        usize::try_from(self.next() % end).expect("it is below a length")
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.next() % n == 0
    }

    pub(crate) fn pick_mut<'a, T>(&mut self, from: &'a mut [T]) -> &'a mut T {
        let index = self.below(from.len());
        &mut from[index]
    }

    /// Makes an input from one of a pool.
    pub(crate) fn mutate(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = pool[self.below(pool.len())].clone();
        for _ in 0..=self.next() % CHANGES_MAX {
            self.change(&mut bytes, pool);
        }
        bytes.truncate(INPUT_BYTES_MAX);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let (a, b) = (self.below(bytes.len() + 1), self.below(bytes.len() + 1));
        let (start, end) = (a.min(b), a.max(b));
        let near = end.min(start + 1 + self.below(32)); // most changes are small
        match self.below(9) {
            0 if start < bytes.len() => bytes[start] ^= 1 << self.below(8),
            1 if start < bytes.len() => bytes[start] = self.next().to_le_bytes()[0],
            2 => drop(bytes.drain(start..near)),
            3 => {
                let token = TOKENS[self.below(TOKENS.len())];
                bytes.splice(start..start, token.iter().copied());
            }
            4 => {
                let token = TOKENS[self.below(TOKENS.len())];
                bytes.splice(start..near, token.iter().copied());
            }
            5 => {
                let times = 1 << self.below(8);
                let piece = bytes[start..near].repeat(times);
                bytes.splice(start..start, piece);
            }
            6 => bytes.truncate(end),
            7 => {
                let other = &pool[self.below(pool.len())];
                let from = self.below(other.len() + 1);
                let to = other.len().min(from + self.below(4096));
                bytes.splice(start..near, other[from..to].iter().copied());
            }
            _ => {
                let piece = bytes[start..near].to_vec();
                let at = self.below(bytes.len() + 1);
                bytes.splice(at..at, piece);
            }
        }
    }
}
