//! The sums by which files are known: SHA-256 of large ones, which lie beside git, and for the others what git makes,
//! SHA-1 of a head and the content.

use std::fmt::Write as _;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// What a file must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sum {
    /// SHA-256 of the content.
    Sha256(String),
    /// SHA-1 of `blob LENGTH\0` and the content, as git names what it stores.
    Git(String),
}

impl Sum {
    /// Reads it from an `ETag`, which may be in quotes and marked as weak. What is no sum is none: it would become the name
    /// of a file, and nothing could be held against it.
    pub(super) fn parse(etag: &str) -> Option<Self> {
        let hex = etag.trim().trim_start_matches("W/").trim_matches('"');
        let is_hex = hex.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        match hex.len() {
            64 if is_hex => Some(Self::Sha256(hex.to_owned())),
            40 if is_hex => Some(Self::Git(hex.to_owned())),
            _ => None,
        }
    }

    /// Returns its digits, under which the file lies in the cache.
    pub(super) fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Git(hex) => hex,
        }
    }

    /// Begins to sum up a file of this length.
    pub(super) fn summing(&self, bytes: u64) -> Summing {
        match self {
            Self::Sha256(_) => Summing::Sha256(Sha256::new()),
            Self::Git(_) => Summing::Git(Sha1::new_with_prefix(format!("blob {bytes}\0"))),
        }
    }
}

/// A sum in the making.
#[derive(Debug, Clone)]
pub(super) enum Summing {
    Sha256(Sha256),
    Git(Sha1),
}

impl Summing {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sum) => sum.update(bytes),
            Self::Git(sum) => sum.update(bytes),
        }
    }

    /// Returns the digits of what was summed up so far.
    pub(super) fn hex(&self) -> String {
        match self {
            Self::Sha256(sum) => hex(&sum.clone().finalize()),
            Self::Git(sum) => hex(&sum.clone().finalize()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes all that is written to it");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_git_and_of_sha256() {
        let check = |sum: &str, content: &[u8]| {
            let mut summing = Sum::parse(sum).unwrap().summing(content.len() as u64);
            content.chunks(2).for_each(|piece| summing.add(piece));
            assert_eq!(summing.hex(), sum);
        };
        // `printf 'hello\n' | git hash-object --stdin`, the empty blob, and `printf abc | sha256sum`.
        check("ce013625030ba8dba906f756967f9e9ca394464a", b"hello\n");
        check("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", b"");
        check("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", b"abc");
    }

    #[test]
    fn what_is_no_sum_is_none() {
        let digits = "ce013625030ba8dba906f756967f9e9ca394464a";
        for etag in [digits.to_owned(), format!("\"{digits}\""), format!("W/\"{digits}\"")] {
            assert_eq!(Sum::parse(&etag).unwrap().hex(), digits);
        }
        for etag in ["", "\"\"", "../../etc/passwd", "abc-5", &digits[1..], &format!("../{}", &digits[3..])] {
            assert_eq!(Sum::parse(etag), None, "{etag}");
        }
    }
}
