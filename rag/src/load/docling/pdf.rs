//! PDF documents. docling's own conversion of the text layer joins paragraphs across pages and knows no headings, and a
//! citation needs the page: so we take its lines with their boxes, page by page, and lay them out ourselves.

use std::path::Path;

use docling_pdf::PdfError;
use docling_pdf::info::document_info;
use docling_pdf::outline::extract_outline;
use docling_pdf::pdf_meta::PdfMeta;
use docling_pdf::textparse::PageTextParser;
use lorewell_model::{Error, Kind, Result};

use super::layout::{Line, Page, Styles};
use super::{Composer, Properties, damaged, day, encrypted, telling};
use crate::document::{Document, Format, SourceMap, Warning};
use crate::load::Load;

/// Pages of one file. The longest books have some 5,000; a page tree that loops looks endless.
const PAGES_MAX: usize = 20_000;

/// Where the header must be. Readers tolerate as much rubbish before it (PDF 1.7, implementation note 13).
const HEADER_WITHIN: usize = 1024;

/// Loads PDF documents that have a text layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pdf;

impl Load for Pdf {
    fn load(&self, path: &Path, bytes: &[u8]) -> Result<Document> {
        let head = &bytes[..bytes.len().min(HEADER_WITHIN)];
        if !head.windows(5).any(|window| window == b"%PDF-") {
            return Err(damaged(path, "a PDF document", "it does not begin like one"));
        }
        let mut parser = PageTextParser::open(bytes).ok_or_else(|| unreadable(path, bytes))?;
        let count = parser.page_count();
        if count == 0 {
            return Err(damaged(path, "a PDF document", "it has no pages"));
        }
        if count > PAGES_MAX {
            let message =
                format!("`{}` has {count} pages; more than {PAGES_MAX} are not read: split it", path.display());
            return Err(Error::new(Kind::Limit, message));
        }
        let pages: Vec<Page> = (0..count).map(|index| page(&mut parser, index)).collect();
        if pages.iter().all(Page::is_empty) {
            let message = format!(
                "`{}` has no text layer (a scan?); it needs OCR, which Lorewell does not do yet",
                path.display()
            );
            return Err(Error::new(Kind::BadInput, message));
        }
        Ok(document(&pages, bytes))
    }
}

fn unreadable(path: &Path, bytes: &[u8]) -> Error {
    match PdfMeta::open_with_password(bytes, None) {
        Err(PdfError::Encrypted(_)) => encrypted(path),
        Err(other) => damaged(path, "a PDF document", &other.to_string()),
        Ok(_) => damaged(path, "a PDF document", "its cross-references lead nowhere"),
    }
}

fn page(parser: &mut PageTextParser, index: usize) -> Page {
    let page = parser.text_page(index);
    let lines = page.cells.into_iter().map(|cell| Line {
        text: cell.text,
        left: cell.l,
        top: cell.t,
        right: cell.r,
        bottom: cell.b,
    });
    Page::new(lines.collect())
}

fn document(pages: &[Page], bytes: &[u8]) -> Document {
    let outline = extract_outline(bytes).into_iter();
    let bookmarks = outline.filter_map(|it| Some((it.page_no?.checked_sub(1)?, it.level, it.title))).collect();
    let styles = Styles::of(pages, bookmarks);
    let mut composer = Composer::default();
    let (mut starts, mut blank) = (Vec::with_capacity(pages.len()), Vec::new());
    for (index, page) in pages.iter().enumerate() {
        let blocks = composer.blocks.len();
        let end = composer.text.len();
        for piece in page.pieces(index, &styles) {
            match piece.rank {
                Some(rank) => composer.push_heading(rank, &piece.text),
                None => composer.push(piece.kind, &piece.text),
            }
        }
        // A page begins where its first block does; one without text, where the text before it ended.
        starts.push(composer.blocks.get(blocks).map_or(end, |block| block.range.start));
        if page.is_empty() {
            blank.extend(u32::try_from(index + 1));
        }
    }
    let Properties { title, date } = properties(bytes);
    let first = composer.sections.first().map(|section| section.title.clone());
    let (text, blocks, sections) = composer.finish();
    let mut document = Document::new(Format::Pdf, text);
    (document.blocks, document.sections, document.source) = (blocks, sections, SourceMap::Pages { starts });
    (document.title, document.date) = (title.or(first), date);
    if !blank.is_empty() {
        document.warnings.push(Warning::NeedsOcr { pages: blank });
    }
    document
}

fn properties(bytes: &[u8]) -> Properties {
    let info = document_info(bytes, None);
    let value = |key: &str| info.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    Properties {
        title: value("Title").and_then(telling),
        date: [value("ModDate"), value("CreationDate")].into_iter().flatten().find_map(day),
    }
}
