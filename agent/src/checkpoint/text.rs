//! Values in a recording: they are JSON, so they are written as text.

use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

pub(in crate::checkpoint) fn serialize<S: Serializer>(value: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(std::str::from_utf8(value).map_err(S::Error::custom)?)
}

pub(in crate::checkpoint) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    String::deserialize(deserializer).map(String::into_bytes)
}

pub(in crate::checkpoint) mod numbered {
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    type Numbered<T> = Option<(u64, T)>;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(in crate::checkpoint) fn serialize<S: Serializer>(
        value: &Numbered<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let text = value.as_ref().map(|(seq, value)| Ok((*seq, std::str::from_utf8(value)?))).transpose();
        text.map_err(|error: std::str::Utf8Error| S::Error::custom(error))?.serialize(serializer)
    }

    pub(in crate::checkpoint) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Numbered<Vec<u8>>, D::Error> {
        let text = Numbered::<String>::deserialize(deserializer)?;
        Ok(text.map(|(seq, text)| (seq, text.into_bytes())))
    }
}
