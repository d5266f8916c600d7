//! What traces and spans are called: the ids of the W3C's Trace Context, so that they are the same wherever a trace is sent.

use std::fmt;
use std::str::FromStr;

use lorewell_model::{Error, Kind, Result};
use serde::{Serialize, Serializer};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $number:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($number);

        impl $name {
            /// Takes it from bytes, the most significant first.
            #[must_use]
            pub fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self($number::from_be_bytes(bytes))
            }

            /// Returns its bytes, the most significant first.
            #[must_use]
            pub fn to_bytes(self) -> [u8; $bytes] {
                self.0.to_be_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:0width$x}", self.0, width = 2 * $bytes)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let is_hex = text.len() == 2 * $bytes && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let id = if is_hex { $number::from_str_radix(text, 16).ok() } else { None };
                id.map(Self).ok_or_else(|| {
                    let digits = 2 * $bytes;
                    Error::new(Kind::BadInput, format!("`{text}` is no id of a {}: that has {digits} hexadecimal digits", $what))
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

id!(
    /// The id of a trace, as 32 hexadecimal digits.
    ///
    /// ```
    /// # use lorewell_agent::trace::TraceId;
    /// let id: TraceId = "4bf92f3577b34da6a3ce929d0e0e4736".parse()?;
    /// assert_eq!(id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    /// # Ok::<(), lorewell_agent::Error>(())
    /// ```
    TraceId, u128, 16, "trace"
);
id!(
    /// The id of a span within its trace, as 16 hexadecimal digits.
    SpanId, u64, 8, "span"
);

impl TraceId {
    /// Draws one. The one that is all zeros is no id.
    pub(super) fn draw() -> Self {
        let (high, low) = (crate::cx::entropy(), crate::cx::entropy());
        Self((u128::from(high) << 64 | u128::from(low)).max(1))
    }
}

impl SpanId {
    /// Draws one. The one that is all zeros is no id.
    pub(super) fn draw() -> Self {
        Self(crate::cx::entropy().max(1))
    }
}
