//! Texts that come by standard input: read whole or refused, never cut.

use std::io::Read as _;

use anyhow::{Context as _, Result, bail};

/// Reads standard input up to a size; `instead` says what to do with a longer text.
pub(crate) fn read(bytes_max: usize, instead: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(bytes_max as u64 + 1).read_to_end(&mut bytes);
    read.context("reading standard input")?;
    if bytes.len() > bytes_max {
        bail!("standard input is longer than {bytes_max} bytes; {instead}");
    }
    String::from_utf8(bytes).context("reading standard input as UTF-8")
}
