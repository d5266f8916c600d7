//! Pictures and files in requests: decoded, to know their sizes and to refuse what is no base64.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::ask::Media;

/// Reads base64 of one or the other alphabet.
pub(crate) fn bytes(media_type: &str, data: &str) -> Option<Media> {
    let decoded = STANDARD.decode(data).or_else(|_| URL_SAFE.decode(data)).ok()?;
    (!decoded.is_empty()).then(|| Media::Bytes { media_type: media_type.to_owned(), length: decoded.len() })
}

/// Reads a `data:` address, or takes one of the web as it is.
pub(crate) fn url(url: &str) -> Option<Media> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Some(Media::Url(url.to_owned()));
    }
    let (media_type, data) = url.strip_prefix("data:")?.split_once(";base64,")?;
    bytes(media_type, data)
}
