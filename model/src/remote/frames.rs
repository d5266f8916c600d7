//! Cuts the bytes of an answer into frames: server-sent events as the WHATWG's HTML standard has them (§9.2.6), or lines
//! of JSON. Bytes are looked at once and copied only where a frame is spread over several pushes.

use std::borrow::Cow;

use crate::{Error, Kind, Result};

/// How an answer is cut into frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Sse,
    /// A frame on each line.
    Lines,
}

/// The longest frame: an image in base64 fits.
pub(crate) const FRAME_BYTES_MAX: usize = 48 << 20;

/// A frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The kind of the event, if it has one.
    pub(crate) event: &'a str,
    /// What it holds.
    pub(crate) data: &'a str,
}

/// Cuts bytes into frames.
#[derive(Debug)]
pub(crate) struct Framer {
    framing: Framing,
    /// The line that is not whole yet.
    line: Vec<u8>,
    event: String,
    data: String,
    has_data: bool,
    /// The last line ended in a carriage return, so a line feed now belongs to it.
    after_return: bool,
    is_first: bool,
    /// It is no stream at all but one piece of JSON: some servers answer so whatever they are asked.
    is_whole: bool,
    /// A line that is not empty has come.
    has_begun: bool,
}

impl Framer {
    pub(crate) fn new(framing: Framing) -> Self {
        let (line, event, data) = (Vec::new(), String::new(), String::new());
        let (has_data, after_return, is_whole, has_begun) = (false, false, false, false);
        Self { framing, line, event, data, has_data, after_return, is_first: true, is_whole, has_begun }
    }

    /// Hands on every frame that the bytes complete, until one says that no more are wanted.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut take: impl FnMut(Frame<'_>) -> Result<bool>) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.after_return) && bytes[0] == b'\n' {
            bytes = &bytes[1..];
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            let is_return = bytes[end] == b'\r';
            bytes = match (is_return, rest.first()) {
                (true, Some(b'\n')) => &rest[1..],
                (true, None) => {
                    self.after_return = true;
                    rest
                }
                _ => rest,
            };
            let goes_on = match self.line.is_empty() {
                true => self.line(line, &mut take)?,
                false => {
                    self.keep(line)?;
                    let line = std::mem::take(&mut self.line);
                    let goes_on = self.line(&line, &mut take)?;
                    self.line = line;
                    self.line.clear();
                    goes_on
                }
            };
            if !goes_on {
                return Ok(());
            }
        }
        self.keep(bytes)
    }

    /// Hands on what stands there without an end.
    pub(crate) fn end(&mut self, mut take: impl FnMut(Frame<'_>) -> Result<bool>) -> Result<()> {
        let line = std::mem::take(&mut self.line);
        let goes_on = line.is_empty() || self.line(&line, &mut take)?;
        // The standard drops an event without its empty line; some servers forget the last one.
        if goes_on && self.has_data {
            self.dispatch(&mut take)?;
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<()> {
        check(self.line.len() + bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn line(&mut self, line: &[u8], take: &mut impl FnMut(Frame<'_>) -> Result<bool>) -> Result<bool> {
        check(line.len())?;
        // A cut never lies within a character that is complete here, so what is not UTF-8 was sent so.
        let line = String::from_utf8_lossy(line);
        let line = match std::mem::take(&mut self.is_first) {
            true => Cow::Borrowed(line.strip_prefix('\u{feff}').unwrap_or(&line)),
            false => line,
        };
        match self.framing {
            Framing::Lines if line.trim().is_empty() => Ok(true),
            Framing::Lines => take(Frame { event: "", data: &line }),
            Framing::Sse => {
                if !self.has_begun && line.trim_ascii_start().starts_with('<') {
                    let message = "a web page instead of an answer; is the address right?";
                    return Err(Error::new(Kind::BadOutput, message));
                }
                // No field of an event begins with a brace.
                self.is_whole |= !self.has_begun && line.trim_start().starts_with('{');
                self.has_begun |= !line.trim_ascii().is_empty();
                match line.is_empty() && !self.is_whole {
                    true => self.dispatch(take),
                    false => self.field(&line, take),
                }
            }
        }
    }

    fn field(&mut self, line: &str, take: &mut impl FnMut(Frame<'_>) -> Result<bool>) -> Result<bool> {
        let (name, value) = match self.is_whole {
            true => ("data", line),
            false => line.split_once(':').unwrap_or((line, "")),
        };
        let value = if self.is_whole { value } else { value.strip_prefix(' ').unwrap_or(value) };
        match name {
            "data" => {
                check(self.data.len() + value.len())?;
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.event),
            // Servers of llama.cpp (#16109) say what went wrong in a field of this name, which is no field of the standard.
            "error" if !value.is_empty() => {
                let goes_on = self.dispatch(take)?;
                return Ok(goes_on && take(Frame { event: "error", data: value })?);
            }
            // Comments have no name; ids and times to retry mean nothing to an answer that is read once.
            _ => {}
        }
        Ok(true)
    }

    fn dispatch(&mut self, take: &mut impl FnMut(Frame<'_>) -> Result<bool>) -> Result<bool> {
        let goes_on = match std::mem::take(&mut self.has_data) {
            true => take(Frame { event: &self.event, data: &self.data })?,
            false => true,
        };
        self.event.clear();
        self.data.clear();
        Ok(goes_on)
    }
}

fn check(bytes: usize) -> Result<()> {
    match bytes > FRAME_BYTES_MAX {
        true => Err(Error::new(Kind::Limit, format!("a piece of the answer has more than {FRAME_BYTES_MAX} bytes"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts bytes at some places and returns the frames, as `event|data`.
    fn frames(framing: Framing, pieces: &[&[u8]]) -> Vec<String> {
        let mut framer = Framer::new(framing);
        let mut frames = Vec::new();
        let mut take = |frame: Frame<'_>| {
            frames.push(format!("{}|{}", frame.event, frame.data));
            Ok(true)
        };
        pieces.iter().for_each(|piece| framer.push(piece, &mut take).unwrap());
        framer.end(&mut take).unwrap();
        frames
    }

    #[test]
    fn fields_are_read_as_the_standard_says() {
        let stream =
            "\u{feff}: hello\n\ndata: a\ndata:b\nevent: x\nid: 3\n\ndata\n\nretry: 1\n\ndata:  c\r\n\r\nevent: y\n\n";
        assert_eq!(frames(Framing::Sse, &[stream.as_bytes()]), ["x|a\nb", "|", "| c"]);
        assert_eq!(frames(Framing::Sse, &[b"data: no end"]), ["|no end"]);
        assert_eq!(frames(Framing::Lines, &[b"{}\n\n {\"a\":1}\r\n3"]), ["|{}", "| {\"a\":1}", "|3"]);
    }

    #[test]
    fn an_answer_in_one_piece_is_one_frame() {
        let whole = b"\n   \n{\n \"data\": 1,\n\ndata: 3}\n";
        for cut in 0..=whole.len() {
            let got = frames(Framing::Sse, &[&whole[..cut], &whole[cut..]]);
            assert_eq!(got, ["|{\n \"data\": 1,\n\ndata: 3}"], "{cut}");
        }
        assert_eq!(frames(Framing::Sse, &[b"{}"]), ["|{}"]);
    }

    #[test]
    fn an_error_may_be_a_field() {
        let stream = "data: a\n\nerror: {\"code\":400}\n\ndata: b\nerror:c\nerror\n\ndata: [DONE]\n\n";
        assert_eq!(
            frames(Framing::Sse, &[stream.as_bytes()]),
            ["|a", "error|{\"code\":400}", "|b", "error|c", "|[DONE]"]
        );
    }

    #[test]
    fn a_web_page_is_no_stream() {
        for page in ["<!DOCTYPE html>\n<html>", "\u{feff}\r\n \n\t<html>", "<html><body>"] {
            for cut in 0..=page.len() {
                let mut framer = Framer::new(Framing::Sse);
                let (first, second) = page.as_bytes().split_at(cut);
                let mut take = |_: Frame<'_>| Ok(true);
                let read = framer.push(first, &mut take).and_then(|()| framer.push(second, &mut take));
                let error = read.and_then(|()| framer.end(&mut take)).unwrap_err();
                assert_eq!(error.kind(), Kind::BadOutput, "{page:?} {cut}");
            }
        }
        assert_eq!(frames(Framing::Sse, &[b"data: <a>\n\n<b>\n\n"]), ["|<a>"]);
    }

    #[test]
    fn cuts_do_not_matter() {
        let stream = "\u{feff}data: ä\r\ndata: 2\r\revent: é\ndata: 3\n\ndata: 4\r\n\r\n".as_bytes();
        let whole = frames(Framing::Sse, &[stream]);
        assert_eq!(whole, ["|ä\n2", "é|3", "|4"]);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(frames(Framing::Sse, &pieces), whole, "{first} {second}");
            }
        }
    }

    #[test]
    fn a_frame_without_end_is_given_up() {
        let mut framer = Framer::new(Framing::Sse);
        let piece = vec![b'a'; 1 << 20];
        let error = (0..100).find_map(|_| framer.push(&piece, |_| Ok(true)).err()).unwrap();
        assert_eq!(error.kind(), Kind::Limit);
        let mut framer = Framer::new(Framing::Sse);
        let line = [b"data: ", &piece[..], b"\n"].concat();
        let error = (0..100).find_map(|_| framer.push(&line, |_| Ok(true)).err()).unwrap();
        assert_eq!(error.kind(), Kind::Limit);
    }
}
