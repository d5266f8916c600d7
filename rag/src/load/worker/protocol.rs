//! What a pool and its workers say to each other: frames of a length (4 bytes, little-endian) and a body. First
//! [`Settings`] one way and [`HELLO`] back; then a path one way and a [`Reply`] back, for each file.
//!
//! The worker may have been taken over by a hostile file, so nothing it says is believed unchecked.

use std::io::{self, Read, Write};

use lorewell_model::{Error, Kind};
use serde::{Deserialize, Serialize};

use super::Loaded;
use crate::load::SkipReason;
use crate::load::check::check_structure;

/// What a worker says when it is ready; the number changes with the protocol.
pub(super) const HELLO: &[u8] = b"lorewell load worker 1";

/// The longest frame a worker reads: a path has 4,096 bytes at most on Linux, and settings fewer.
pub(super) const REQUEST_BYTES_MAX: u32 = 64 << 10;

/// What a worker is told at its start.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Settings {
    pub(super) memory_bytes: u64,
    pub(super) file_bytes: u64,
    pub(super) reply_bytes: u32,
}

/// What a worker answers about one file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Loaded(Box<Loaded>),
    Failed { kind: String, message: String, skip: Option<SkipReason> },
}

/// Why no frame could be read.
#[derive(Debug)]
pub(super) enum Broken {
    /// The other side closed the connection, between frames or within one.
    Closed,
    /// The frame says it is this long.
    TooLong(u32),
    /// Reading failed.
    Io(io::Error),
}

/// Writes one frame.
pub(super) fn write_frame(to: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(body)?;
    to.flush()
}

/// Reads one frame. Memory grows with what arrives, not with what the length promises.
pub(super) fn read_frame(from: &mut impl Read, bytes_max: u32) -> Result<Vec<u8>, Broken> {
    let mut length = [0; 4];
    from.read_exact(&mut length).map_err(broken)?;
    let length = u32::from_le_bytes(length);
    if length > bytes_max {
        return Err(Broken::TooLong(length));
    }
    let mut body = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut body).map_err(broken)?;
    match u32::try_from(body.len()) {
        Ok(read) if read == length => Ok(body),
        _ => Err(Broken::Closed),
    }
}

fn broken(error: io::Error) -> Broken {
    const ENDS: [io::ErrorKind; 3] =
        [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    if ENDS.contains(&error.kind()) { Broken::Closed } else { Broken::Io(error) }
}

impl Reply {
    /// Puts an error into words that travel.
    pub(super) fn failed(error: &Error) -> Self {
        let skip = SkipReason::of(error).cloned();
        Self::Failed { kind: format!("{:?}", error.kind()), message: error.to_string(), skip }
    }

    /// Reads a reply; none if it is not one, or if its document contradicts itself.
    pub(super) fn parse(body: &[u8]) -> Option<Result<Loaded, Error>> {
        match serde_json::from_slice(body).ok()? {
            Self::Loaded(loaded) => {
                let bytes = usize::try_from(loaded.bytes).ok()?;
                check_structure(&loaded.document, bytes).ok()?;
                Some(Ok(*loaded))
            }
            Self::Failed { kind, message, skip } => {
                let error = Error::new(kind_named(&kind), message);
                Some(Err(match skip {
                    Some(reason) => error.caused_by(reason),
                    None => error,
                }))
            }
        }
    }
}

/// Finds the kind a loader gave. Others are not a loader's to give.
fn kind_named(name: &str) -> Kind {
    const KINDS: [Kind; 6] = [Kind::BadInput, Kind::Refused, Kind::Limit, Kind::NotFound, Kind::Io, Kind::Timeout];
    KINDS.into_iter().find(|kind| format!("{kind:?}") == name).unwrap_or(Kind::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Block, BlockKind, Document, Format, Piece, Section, SourceMap};

    fn loaded(document: Document) -> Vec<u8> {
        serde_json::to_vec(&Reply::Loaded(Box::new(Loaded { document, hash: [7; 32], bytes: 3 }))).unwrap()
    }

    #[test]
    fn frames_come_back() {
        let mut pipe = Vec::new();
        write_frame(&mut pipe, b"one").unwrap();
        write_frame(&mut pipe, b"").unwrap();
        let mut from = pipe.as_slice();
        assert_eq!(read_frame(&mut from, 3).unwrap(), b"one");
        assert_eq!(read_frame(&mut from, 3).unwrap(), b"");
        assert!(matches!(read_frame(&mut from, 3), Err(Broken::Closed)));
        assert!(matches!(read_frame(&mut pipe.as_slice(), 2), Err(Broken::TooLong(3))));
        assert!(matches!(read_frame(&mut &pipe[..5], 3), Err(Broken::Closed)));
    }

    #[test]
    fn replies_come_back() {
        let document = Document::new(Format::Text, "é!".into());
        let reply = Reply::parse(&loaded(document.clone())).unwrap().unwrap();
        assert_eq!(reply, Loaded { document, hash: [7; 32], bytes: 3 });

        let failed = Reply::failed(&Error::new(Kind::Refused, "it is encrypted").context("reading `a.pdf`"));
        let error = Reply::parse(&serde_json::to_vec(&failed).unwrap()).unwrap().unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Refused, "reading `a.pdf`: it is encrypted"));
    }

    #[test]
    fn lies_are_caught() {
        assert!(Reply::parse(b"").is_none());
        assert!(Reply::parse(b"{\"Loaded\":{}}").is_none());
        let check = |spoil: fn(&mut Document)| {
            let mut document = Document::new(Format::Text, "é! and on".into());
            spoil(&mut document);
            assert!(Reply::parse(&loaded(document.clone())).is_none(), "{document:?}");
        };
        check(|it| it.blocks = vec![Block { range: 0..1, kind: BlockKind::Paragraph }]); // within a character
        check(|it| it.blocks = vec![Block { range: 0..99, kind: BlockKind::Paragraph }]);
        check(|it| it.blocks = [0..4, 3..5].map(|range| Block { range, kind: BlockKind::Paragraph }).to_vec());
        check(|it| it.sections = vec![Section { range: 4..99, rank: 1, title: "x".into() }]);
        check(|it| it.source = SourceMap::Pages { starts: vec![3, 2] });
        check(|it| it.source = SourceMap::Pages { starts: vec![99] });
        check(|it| it.source = SourceMap::Pages { starts: vec![0, 1] }); // within a character
        // What the loaders themselves are held to: no blank block, and pieces that cover the text.
        check(|it| it.blocks = vec![Block { range: 3..4, kind: BlockKind::Paragraph }]);
        check(|it| it.source = SourceMap::Pieces(vec![]));
        check(|it| it.source = SourceMap::Pieces(vec![Piece { text: 0..4, source: 0..1, line: 1 }]));
        // Behind the end of the file.
        check(|it| it.source = SourceMap::Pieces(vec![Piece { text: 0..10, source: 0..99, line: 1 }]));
    }

    #[test]
    fn a_worker_cannot_pose_as_the_host() {
        assert_eq!(kind_named("Config"), Kind::Internal);
        assert_eq!(kind_named("Limit"), Kind::Limit);
    }
}
