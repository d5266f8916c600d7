//! Rows of values parted by commas, semicolons or tabs. The text is the file; each row is a record. A header row
//! becomes a heading over all rows, so that a passage from the middle of the file still says what its values mean.

use std::ops::Range;
use std::path::Path;

use lorewell_model::{Error, Kind, Result};

use super::Load;
use super::decode::decode;
use super::outline::{Heading, sections, trim};
use crate::document::{Block, BlockKind, Document, Format, Warning};

/// Delimiters that are tried. Where two part the rows equally well the later one wins: values with decimal commas
/// stand between semicolons, but semicolons seldom stand evenly among commas.
const DELIMITERS: [u8; 4] = [b',', b'|', b'\t', b';'];

/// Rows that are read to choose a delimiter.
const SAMPLE_ROWS: usize = 20;

/// Bytes that are read to choose a delimiter, should the rows be very long.
const SAMPLE_BYTES: usize = 64 * 1024;

/// Bytes of the heading made from a header row; a heading goes into the context of every chunk.
const HEADING_BYTES_MAX: usize = 300;

/// Loads comma-separated values, and their relatives with semicolons or tabs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Csv;

impl Load for Csv {
    fn load(&self, path: &Path, bytes: &[u8]) -> Result<Document> {
        let mut document = decode(bytes).document(Format::Csv);
        let is_tsv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tsv"));
        let delimiter = if is_tsv { b'\t' } else { sniff(&document.text) };
        let mut rows = rows(&document.text, delimiter)
            .map_err(|error| Error::new(Kind::BadInput, format!("`{}`: {error}", path.display())).caused_by(error))?;
        document.warnings.extend(unclosed_quote(&document.text, rows.last()));
        let header = rows.first().filter(|first| rows.len() > 1 && is_header(&first.fields)).map(heading);
        if let Some(heading) = header {
            document.warnings.extend(uneven(&document.text, &rows));
            document.blocks.push(Block { range: rows.remove(0).range, kind: BlockKind::Heading });
            document.sections = sections(vec![heading], document.text.len());
        }
        document.blocks.extend(rows.into_iter().map(|row| Block { range: row.range, kind: BlockKind::Record }));
        Ok(document)
    }
}

/// A row, where it lies; `fields` is kept of the first row only.
struct Row {
    range: Range<usize>,
    n_fields: usize,
    fields: Vec<String>,
}

/// Reads all rows. A row of only white space is left out.
fn rows(text: &str, delimiter: u8) -> Result<Vec<Row>, csv::Error> {
    let mut reader = reader(text, delimiter);
    let mut record = csv::ByteRecord::new();
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let start = offset(&reader, text);
        if !reader.read_byte_record(&mut record)? {
            return Ok(rows);
        }
        let range = trim(text, start..offset(&reader, text));
        if range.is_empty() {
            continue;
        }
        let field = |field: &[u8]| String::from_utf8_lossy(field).trim().to_owned();
        let fields = if rows.is_empty() { record.iter().map(field).collect() } else { Vec::new() };
        rows.push(Row { range, n_fields: record.len(), fields });
    }
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(text.as_bytes())
}

fn offset(reader: &csv::Reader<&[u8]>, text: &str) -> usize {
    usize::try_from(reader.position().byte()).unwrap_or(usize::MAX).min(text.len())
}

/// Chooses the delimiter by which the first rows have the most fields in common.
fn sniff(text: &str) -> u8 {
    let end = text.floor_char_boundary(SAMPLE_BYTES);
    let score = |delimiter: u8| {
        let mut reader = reader(&text[..end], delimiter);
        let fields: Vec<usize> =
            reader.byte_records().take(SAMPLE_ROWS).filter_map(|row| row.ok().map(|row| row.len())).collect();
        let first = fields.first().copied().unwrap_or(0);
        let n_alike = fields.iter().filter(|n_fields| **n_fields == first).count();
        if first > 1 { (n_alike, first) } else { (0, 0) }
    };
    DELIMITERS.into_iter().max_by_key(|delimiter| score(*delimiter)).unwrap_or(b',')
}

/// Tells whether a first row names its columns: no field is empty, none a number, and no two are the same.
fn is_header(fields: &[String]) -> bool {
    let is_name = |field: &String| !field.is_empty() && field.parse::<f64>().is_err();
    let names: std::collections::HashSet<&String> = fields.iter().collect();
    fields.iter().all(is_name) && names.len() == fields.len()
}

fn heading(row: &Row) -> Heading {
    let mut title = row.fields.join(", ");
    if title.len() > HEADING_BYTES_MAX {
        let end = title.floor_char_boundary(HEADING_BYTES_MAX);
        title.truncate(end);
        title.push('…');
    }
    Heading { start: row.range.start, rank: 1, title }
}

fn uneven(text: &str, rows: &[Row]) -> Option<Warning> {
    let expected = rows.first()?.n_fields;
    let mut uneven = rows.iter().filter(|row| row.n_fields != expected);
    let first = uneven.next()?;
    let line = line(text, first.range.start);
    let n_rows = uneven.count() + 1;
    let message =
        format!("{n_rows} rows do not have the {expected} fields of the header (the first is on line {line})");
    Some(Warning::Other { message })
}

/// Warns if a quote is never closed, because then everything behind it became one row.
fn unclosed_quote(text: &str, last: Option<&Row>) -> Option<Warning> {
    let row = last?;
    let slice = &text[row.range.clone()];
    let is_unclosed = slice.contains('\n') && slice.matches('"').count() % 2 == 1;
    let line = line(text, row.range.start);
    is_unclosed.then(|| Warning::Other {
        message: format!("a quote in the row on line {line} is never closed, so the rest of the file is one row"),
    })
}

fn line(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}
