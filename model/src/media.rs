//! Pictures, documents and recordings: their bytes, or where they are.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Error, Kind, Result, ResultExt};

/// The largest file that is put into a message: what providers take in one request.
pub const MEDIA_BYTES_MAX: u64 = 32 << 20;

/// A picture, a document or a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Media {
    /// Its media type, such as `image/png`.
    pub media_type: String,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its bytes, or where they are.
    pub source: Source,
}

/// The bytes of a file, or where they are.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// The bytes themselves.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    Bytes(Arc<[u8]>),
    /// An address that the provider reads.
    Url(String),
    /// What the provider calls a file that it holds already.
    FileId(String),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Url(url) => f.debug_tuple("Url").field(url).finish(),
            Self::FileId(id) => f.debug_tuple("FileId").field(id).finish(),
        }
    }
}

impl Media {
    /// Holds bytes.
    pub fn bytes(media_type: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { media_type: media_type.into(), name: None, source: Source::Bytes(bytes.into()) }
    }

    /// Points to an address that the provider reads.
    pub fn url(media_type: impl Into<String>, url: impl Into<String>) -> Self {
        Self { media_type: media_type.into(), name: None, source: Source::Url(url.into()) }
    }

    /// Reads a file; its type is told by its first bytes, or by its name.
    ///
    /// # Errors
    /// `NotFound` and `Io` if it cannot be read; `Limit` above [`MEDIA_BYTES_MAX`]; `BadInput` if its type is not known.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let reading = || format!("reading `{}`", path.display());
        let bytes = std::fs::metadata(path).context(reading)?.len();
        if bytes > MEDIA_BYTES_MAX {
            let message = format!("`{}` has {bytes} bytes; a message takes {MEDIA_BYTES_MAX}", path.display());
            return Err(Error::new(Kind::Limit, message));
        }
        let bytes = std::fs::read(path).context(reading)?;
        let media_type = media_type(&bytes, path).ok_or_else(|| {
            let message = format!("`{}` is no picture, document or recording that models take", path.display());
            Error::new(Kind::BadInput, message)
        })?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self { name, ..Self::bytes(media_type, bytes) })
    }

    /// Gives it a name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Tells whether it is a picture.
    #[must_use]
    pub fn is_image(&self) -> bool {
        self.media_type.starts_with("image/")
    }

    /// Returns its bytes in base64, if it holds them.
    #[cfg(feature = "remote")]
    pub(crate) fn base64(&self) -> Option<String> {
        match &self.source {
            Source::Bytes(bytes) => Some(STANDARD.encode(bytes)),
            Source::Url(_) | Source::FileId(_) => None,
        }
    }
}

/// Signatures of file formats, from their specifications.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
];

const BY_NAME: &[(&str, &str)] = &[
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("mp3", "audio/mpeg"),
];

fn media_type(bytes: &[u8], path: &Path) -> Option<&'static str> {
    if let Some((_, known)) = SIGNATURES.iter().find(|(signature, _)| bytes.starts_with(signature)) {
        return Some(known);
    }
    match (bytes.get(..4), bytes.get(8..12)) {
        (Some(b"RIFF"), Some(b"WEBP")) => return Some("image/webp"),
        (Some(b"RIFF"), Some(b"WAVE")) => return Some("audio/wav"),
        _ => {}
    }
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    BY_NAME.iter().find(|(name, _)| *name == extension).map(|(_, known)| *known)
}

fn to_base64<S: Serializer>(bytes: &Arc<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[u8]>, D::Error> {
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    STANDARD.decode(text.as_bytes()).map(Into::into).map_err(de::Error::custom)
}
