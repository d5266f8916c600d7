//! Word documents. The package is unpacked here, within a budget, and docling sees only the XML parts of it: pictures
//! are of no use to us and a zip bomb ends before it is a parser's problem.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use docling::backend::{DeclarativeBackend, DocxBackend};
use docling::{ConversionError, DocumentConverter, InputFormat, SourceDocument};
use docling_core::Table;
use docling_core::tree::{ItemTree, TreeItem, TreeKind};
use lorewell_model::{Error, Kind, Result};
use zip::read::ZipArchive;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::{Composer, Properties, damaged, day, encrypted, telling};
use crate::document::{BlockKind, Document, Format, SourceMap};
use crate::load::Load;

/// The XML of a Word document, unpacked. A thousand pages of plain prose have some 20 MB; the tree that is parsed
/// from it takes about ten times as much memory.
pub(super) const XML_BYTES_MAX: u64 = 64 << 20;

/// Parts of a package. Word writes a few dozen, and one for each picture.
const PARTS_MAX: usize = 10_000;

/// How an OLE container begins: what Word wrote before 2007, and what it wraps an encrypted document in.
pub(super) const OLE_MAGIC: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// Loads Word documents (`.docx`, `.docm`, `.dotx`).
#[derive(Debug, Clone, Copy, Default)]
pub struct Docx;

impl Load for Docx {
    fn load(&self, path: &Path, bytes: &[u8]) -> Result<Document> {
        refuse_ole(path, bytes)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let source = SourceDocument::from_bytes(name, InputFormat::Docx, xml_parts(path, bytes)?);
        let converted = DocxBackend::default().convert(&source).map_err(|error| explain(path, error))?;
        let tree = converted.tree.ok_or_else(|| damaged(path, "a Word document", "it has no body"))?;
        let properties = properties(&source);
        Ok(document(&tree, properties))
    }
}

fn refuse_ole(path: &Path, bytes: &[u8]) -> Result<()> {
    if !bytes.starts_with(&OLE_MAGIC) {
        return Ok(());
    }
    let stream: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    if bytes.windows(stream.len()).any(|window| window == stream) {
        return Err(encrypted(path));
    }
    let message = format!("`{}` is in the format of Word before 2007; save it as DOCX", path.display());
    Err(Error::new(Kind::BadInput, message))
}

/// Repacks the XML parts, uncompressed, and leaves everything else behind.
fn xml_parts(path: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    let broken = |why: &str| damaged(path, "a Word document", why);
    let mut package = ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error.to_string()))?;
    if package.len() > PARTS_MAX {
        let message = format!("`{}` has {} parts; more than {PARTS_MAX} are not read", path.display(), package.len());
        return Err(Error::new(Kind::Limit, message));
    }
    let mut parts = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut left = XML_BYTES_MAX;
    for index in 0..package.len() {
        let raw = package.by_index_raw(index).map_err(|error| broken(&error.to_string()))?;
        let name = raw.name().map_err(|error| broken(&error.to_string()))?.into_owned();
        if raw.encrypted() {
            return Err(encrypted(path));
        }
        drop(raw);
        if !is_wanted(&name) {
            continue;
        }
        let part = package.by_index(index).map_err(|error| broken(&error.to_string()))?;
        let mut xml = Vec::new();
        part.take(left + 1).read_to_end(&mut xml).map_err(|error| broken(&format!("{name}: {error}")))?;
        left = left.checked_sub(u64::try_from(xml.len()).unwrap_or(u64::MAX)).ok_or_else(|| too_large(path))?;
        parts.start_file(name.as_str(), stored).map_err(|error| broken(&error.to_string()))?;
        let body = name == "word/document.xml";
        parts.write_all(&if body { without_formatting(&xml) } else { xml })?;
    }
    if package.index_for_name("word/document.xml").is_none() {
        return Err(broken("it has no part `word/document.xml`"));
    }
    Ok(parts.finish().map_err(|error| broken(&error.to_string()))?.into_inner())
}

/// Tells whether docling needs a part. `customXml` and embedded files can be large and hold no text of the document.
fn is_wanted(name: &str) -> bool {
    let xml = name.ends_with(".xml") || name.ends_with(".rels");
    let folder = name.split('/').next().unwrap_or_default();
    xml && matches!(folder, "word" | "docProps" | "_rels" | "[Content_Types].xml")
        && !name.starts_with("word/embeddings/")
}

/// Takes the formatting of words out of a part. docling splits a paragraph where it changes and trims the pieces, so
/// that `re**fund**able` and `able *then*` cannot be told apart any more.
fn without_formatting(xml: &[u8]) -> Vec<u8> {
    const TAGS: [&[u8]; 14] = [
        b"w:b",
        b"w:bCs",
        b"w:i",
        b"w:iCs",
        b"w:u",
        b"w:strike",
        b"w:dstrike",
        b"w:vertAlign",
        b"w:rStyle",
        b"w:hyperlink",
        b"w:color",
        b"w:sz",
        b"w:highlight",
        b"w:shd",
    ];
    let mut kept = Vec::with_capacity(xml.len());
    let mut rest = xml;
    while let Some(at) = rest.iter().position(|byte| *byte == b'<') {
        let (before, tag) = rest.split_at(at);
        kept.extend_from_slice(before);
        let end = tag.iter().position(|byte| *byte == b'>').map_or(tag.len(), |at| at + 1);
        let (tag, after) = tag.split_at(end);
        let name = tag.strip_prefix(b"</").or_else(|| tag.strip_prefix(b"<")).unwrap_or(tag);
        let name_end = name.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'));
        if !TAGS.contains(&&name[..name_end.unwrap_or(name.len())]) {
            kept.extend_from_slice(tag);
        }
        rest = after;
    }
    kept.extend_from_slice(rest);
    kept
}

fn too_large(path: &Path) -> Error {
    let mib = XML_BYTES_MAX >> 20;
    let message = format!("`{}` unpacks to more than {mib} MiB of XML; split the document", path.display());
    Error::new(Kind::Limit, message)
}

fn explain(path: &Path, error: ConversionError) -> Error {
    let kind = match (error.encryption(), error.limit()) {
        (Some(_), _) => return encrypted(path),
        (_, Some(_)) => Kind::Limit,
        (None, None) => Kind::BadInput,
    };
    let message = format!("`{}` cannot be read as a Word document: {error}", path.display());
    Error::new(kind, message).caused_by(error)
}

fn properties(source: &SourceDocument) -> Properties {
    let metadata = DocumentConverter::new().document_metadata(source);
    let date = [metadata.date, metadata.modified, metadata.created];
    Properties {
        title: metadata.title.as_deref().and_then(telling),
        date: date.iter().flatten().find_map(|stated| day(stated)),
    }
}

/// Writes the items of the body in order. The walk is not recursive: nesting is the file's to choose.
fn document(tree: &ItemTree, properties: Properties) -> Document {
    let titled = tree.items.iter().any(|item| label(item) == Some("title"));
    let mut composer = Composer::default();
    let mut first_title = None;
    let mut todo: Vec<usize> = tree.body.iter().rev().copied().collect();
    while let Some(item) = todo.pop().and_then(|index| tree.items.get(index)) {
        // Headers, footers, comments and hidden text are in other layers than the body, and so are footnotes, the
        // only ones that are part of what the author says.
        let in_text = item.layer.is_none() || label(item) == Some("footnote");
        if item.deleted || !in_text {
            continue;
        }
        let before = composer.sections.len();
        if write(tree, item, titled, &mut composer) {
            todo.extend(item.children.iter().rev());
        }
        if first_title.is_none() {
            first_title = composer.sections.get(before).map(|section| section.title.clone());
        }
    }
    let (text, blocks, sections) = composer.finish();
    let mut document = Document::new(Format::Docx, text);
    (document.blocks, document.sections, document.source) = (blocks, sections, SourceMap::Headings);
    document.title = properties.title.or(first_title);
    document.date = properties.date;
    document
}

fn label(item: &TreeItem) -> Option<&str> {
    if let TreeKind::Text { label, .. } = &item.kind { Some(label) } else { None }
}

/// Writes one item; tells whether its children still are to be written.
fn write(tree: &ItemTree, item: &TreeItem, titled: bool, composer: &mut Composer) -> bool {
    match &item.kind {
        TreeKind::Text { label, text, level, list, .. } => {
            let below_title = u8::from(titled);
            match label.as_str() {
                "title" => composer.push_heading(1, text),
                "section_header" => composer.push_heading(level.unwrap_or(1).max(1).saturating_add(below_title), text),
                "list_item" => {
                    let marker = list.as_ref().map_or("", |list| list.marker.trim());
                    let marker = if marker.is_empty() { "-" } else { marker };
                    let inline =
                        item.children.iter().filter_map(|child| tree.items.get(*child)).find(|it| is_inline(it));
                    let words = inline.map_or_else(|| text.clone(), |group| runs(tree, group));
                    if !words.trim().is_empty() {
                        composer.push(BlockKind::ListItem, &format!("{marker} {}", words.trim()));
                    }
                }
                "checkbox_selected" => composer.push(BlockKind::ListItem, &format!("[x] {text}")),
                "checkbox_unselected" => composer.push(BlockKind::ListItem, &format!("[ ] {text}")),
                _ => composer.push(BlockKind::Paragraph, text),
            }
            true
        }
        TreeKind::Group { .. } if is_inline(item) => {
            let parent = item.parent.and_then(|parent| tree.items.get(parent));
            if parent.and_then(label) != Some("list_item") {
                composer.push(BlockKind::Paragraph, &runs(tree, item));
            }
            false
        }
        TreeKind::Code { text, .. } => {
            composer.push(BlockKind::Listing, text);
            true
        }
        TreeKind::Table { table, .. } => {
            composer.push(BlockKind::Table, &rows(table));
            false // the cells' own items repeat what the rows hold
        }
        TreeKind::Group { .. } | TreeKind::Picture { .. } => true,
        TreeKind::FieldRegion { .. } | TreeKind::KeyValueGraph { .. } => false, // docling makes none from DOCX
    }
}

fn is_inline(item: &TreeItem) -> bool {
    matches!(&item.kind, TreeKind::Group { label, .. } if label == "inline")
}

/// Joins the pieces of a paragraph that holds more than words: formulas between them.
fn runs(tree: &ItemTree, group: &TreeItem) -> String {
    let texts = group.children.iter().filter_map(|child| match &tree.items.get(*child)?.kind {
        TreeKind::Text { text, .. } | TreeKind::Code { text, .. } => Some(text.as_str()),
        TreeKind::Group { .. }
        | TreeKind::Table { .. }
        | TreeKind::Picture { .. }
        | TreeKind::FieldRegion { .. }
        | TreeKind::KeyValueGraph { .. } => None,
    });
    texts.collect::<Vec<_>>().join(" ")
}

/// Writes a table a row a line, so that a row reads as one statement.
fn rows(table: &Table) -> String {
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().map(|cell| cell.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        cells.join(" | ")
    };
    let lines: Vec<String> = table.rows.iter().map(line).collect();
    lines.join("\n")
}
