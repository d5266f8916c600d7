//! From bytes to text, with the way back. UTF-8 is taken as it is; UTF-16 is known by its byte order mark; for the
//! rest the document's own declaration counts, and then a guess that the document carries as a warning.

use std::ops::Range;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::pieces::{Pieces, chain};
use crate::document::{Document, Format, Piece, SourceMap, Warning};

/// Characters that one piece covers at most where text and source differ in length. It bounds how far beyond a quote
/// its source span can reach, against 40 bytes of memory for each piece.
const RUN_CHARS_MAX: usize = 64;

/// Bytes at the start of an HTML file that may declare its encoding (WHATWG HTML §13.2.3.2).
const DECLARATION_BYTES: usize = 1024;

const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A file as text.
#[derive(Debug)]
pub(super) struct Decoded {
    /// The text.
    pub(super) text: String,
    source: SourceMap,
    warning: Option<Warning>,
}

impl Decoded {
    /// Makes the document whose text is the whole file.
    pub(super) fn document(self, format: Format) -> Document {
        Document {
            source: self.source,
            warnings: self.warning.into_iter().collect(),
            ..Document::new(format, self.text)
        }
    }

    /// Makes the document whose text was taken in pieces from this text.
    pub(super) fn extract(self, format: Format, text: String, pieces: Vec<Piece>) -> Document {
        let pieces = match &self.source {
            SourceMap::Pieces(inner) => chain(&pieces, &self.text, inner),
            SourceMap::Same | SourceMap::Pages { .. } | SourceMap::Headings => pieces,
        };
        let source = SourceMap::Pieces(pieces);
        Document { source, warnings: self.warning.into_iter().collect(), ..Document::new(format, text) }
    }
}

/// Decodes a file.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    decode_declared(bytes, None)
}

/// Decodes an HTML file, which may declare its encoding.
pub(super) fn decode_html(bytes: &[u8]) -> Decoded {
    decode_declared(bytes, declared(bytes))
}

fn decode_declared(bytes: &[u8], declared: Option<&'static Encoding>) -> Decoded {
    if let Some(rest) = bytes.strip_prefix(UTF8_MARK)
        && let Ok(text) = std::str::from_utf8(rest)
    {
        let mut pieces = Pieces::default();
        pieces.push_exact(UTF8_MARK.len()..bytes.len(), 1);
        return Decoded { text: text.to_owned(), source: SourceMap::Pieces(pieces.finish()), warning: None };
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Decoded { text: text.to_owned(), source: SourceMap::Same, warning: None };
    }
    if let Some((encoding, mark_bytes)) = Encoding::for_bom(bytes) {
        return Transcoder::new(encoding, mark_bytes).run(bytes);
    }
    let encoding = match is_damaged_utf8(bytes) {
        true => UTF_8,
        false => declared.filter(|encoding| !is_utf16(encoding)).unwrap_or_else(|| guess(bytes)),
    };
    Transcoder::new(encoding, 0).run(bytes)
}

/// Tells whether most of what is not ASCII is UTF-8. Text in another encoding hardly ever looks like it, so a few
/// wrong bytes are damage, and guessing another encoding would spoil all the rest.
fn is_damaged_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0usize, 0usize);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    good > bad
}

fn is_utf16(encoding: &Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Deny)
}

/// Finds `charset=…` or the `encoding=…` of an XML declaration near the start of the file.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(DECLARATION_BYTES)]).to_ascii_lowercase();
    let at = head.find("charset=").map(|at| at + 8);
    let at = at.or_else(|| head.starts_with("<?xml").then(|| head.find("encoding=").map(|at| at + 9)).flatten())?;
    let label = head[at..].trim_start_matches(['"', '\'', ' ']);
    let end = label.find(|c: char| !c.is_ascii_alphanumeric() && !"-_:.".contains(c)).unwrap_or(label.len());
    Encoding::for_label(&label.as_bytes()[..end])
}

/// Decodes character by character, so that each is known by the bytes it came from.
struct Transcoder {
    encoding: &'static Encoding,
    text: String,
    pieces: Pieces,
    line: u32,
    replaced: u64,
    run: Run,
    at: usize,
}

/// Characters that wait to become one piece.
#[derive(Default)]
struct Run {
    chars: usize,
    text_bytes: usize,
    source: Range<usize>,
}

impl Transcoder {
    fn new(encoding: &'static Encoding, mark_bytes: usize) -> Self {
        Self {
            encoding,
            text: String::new(),
            pieces: Pieces::default(),
            line: 1,
            replaced: 0,
            run: Run::default(),
            at: mark_bytes,
        }
    }

    fn run(mut self, bytes: &[u8]) -> Decoded {
        let skips_ascii = !is_utf16(self.encoding); // the detector never answers ISO-2022-JP, the other stateful one
        let mut decoder = self.encoding.new_decoder_without_bom_handling();
        let mut next = self.at;
        let mut buffer = [0u8; 64]; // one byte completes or breaks a sequence of at most four, each at most a character
        while next < bytes.len() {
            if skips_ascii && next == self.at {
                let ascii = Encoding::ascii_valid_up_to(&bytes[next..]);
                self.push_ascii(&bytes[next..next + ascii]);
                next += ascii;
            }
            let Some(byte) = bytes.get(next..=next) else { break };
            next += 1;
            let is_last = next == bytes.len();
            let written = decode_byte(&mut decoder, byte, is_last, &mut buffer, &mut self.replaced);
            if written > 0 {
                self.push(&String::from_utf8_lossy(&buffer[..written]), next);
            }
        }
        self.flush();
        let warning = Warning::Decoded { encoding: self.encoding.name().to_owned(), replaced: self.replaced };
        Decoded { text: self.text, source: SourceMap::Pieces(self.pieces.finish()), warning: Some(warning) }
    }

    /// Adds ASCII, which is the same in text and source.
    fn push_ascii(&mut self, ascii: &[u8]) {
        if !ascii.is_empty() {
            self.flush();
            self.pieces.push_exact(self.at..self.at + ascii.len(), self.line);
            self.text.push_str(&String::from_utf8_lossy(ascii));
            self.advance(ascii, self.at + ascii.len());
        }
    }

    /// Adds characters that came from the bytes up to `end`.
    fn push(&mut self, characters: &str, end: usize) {
        self.text.push_str(characters);
        let source = self.at..end;
        // One character of as many bytes in both forms maps offset by offset; of several, only the ends are known.
        if characters.len() == source.len() && characters.chars().count() == 1 {
            self.flush();
            self.pieces.push_exact(source, self.line);
        } else {
            // A run of equal lengths would read as one to one.
            if self.run.text_bytes + characters.len() == self.run.source.len() + source.len() {
                self.flush();
            }
            if self.run.chars == 0 {
                self.run.source = source.clone();
            }
            self.run.chars += characters.chars().count();
            self.run.text_bytes += characters.len();
            self.run.source.end = end;
            if self.run.chars >= RUN_CHARS_MAX || characters.contains('\n') {
                self.flush();
            }
        }
        self.advance(characters.as_bytes(), end);
    }

    fn advance(&mut self, text: &[u8], end: usize) {
        let lines = text.iter().filter(|byte| **byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.at = end;
    }

    fn flush(&mut self) {
        let run = std::mem::take(&mut self.run);
        self.pieces.push_whole(run.text_bytes, run.source, self.line);
    }
}

/// Feeds one byte to the decoder and returns how much text came out. What cannot be decoded becomes U+FFFD.
fn decode_byte(
    decoder: &mut encoding_rs::Decoder,
    byte: &[u8],
    is_last: bool,
    buffer: &mut [u8],
    replaced: &mut u64,
) -> usize {
    let (mut read, mut written) = (0, 0);
    loop {
        let (result, r, w) = decoder.decode_to_utf8_without_replacement(&byte[read..], &mut buffer[written..], is_last);
        read += r;
        written += w;
        match result {
            DecoderResult::InputEmpty => return written,
            DecoderResult::OutputFull => unreachable!("the buffer holds what one byte can yield"),
            DecoderResult::Malformed(..) => {
                *replaced += 1;
                written += char::REPLACEMENT_CHARACTER.encode_utf8(&mut buffer[written..]).len();
            }
        }
    }
}
