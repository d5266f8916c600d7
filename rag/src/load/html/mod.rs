//! HTML: the part of a page that is its content, as text, with the way back to the bytes of the file. Three steps:
//! `tree` reads tags into a flat table of elements, `keep` decides which of them are content, `render` writes their
//! text. Nothing recurses, so a page may nest as deep as it likes.

use std::path::Path;

use lorewell_model::Result;

use super::Load;
use super::decode::decode_html;
use super::outline::sections;
use crate::document::{Document, Format};

mod keep;
mod render;
mod tree;

/// Loads HTML: menus, banners, scripts and other boilerplate are left out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Html;

impl Load for Html {
    fn load(&self, _path: &Path, bytes: &[u8]) -> Result<Document> {
        let decoded = decode_html(bytes);
        let page = tree::read(&decoded.text);
        let visible = keep::visible(&page.elements);
        let rendered = render::render(&decoded.text, &page, &visible);
        let end = rendered.text.len();
        let mut document = decoded.extract(Format::Html, rendered.text, rendered.pieces);
        document.title = page.title.or_else(|| rendered.headings.first().map(|first| first.title.clone()));
        document.tags = page.tags;
        document.date = page.date;
        document.blocks = rendered.blocks;
        document.sections = sections(rendered.headings, end);
        Ok(document)
    }
}
