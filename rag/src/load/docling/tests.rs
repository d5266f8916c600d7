//! PDF and DOCX files made on the spot, good and bad, and what the loaders make of them.

mod docx;
mod pdf;

use std::path::Path;

use lorewell_model::{Error, Kind};

use crate::document::Document;
use crate::load::Load;

/// Shows a document's blocks a line each, and its sections by indentation.
fn shown(document: &Document) -> String {
    let mut lines = String::new();
    for block in &document.blocks {
        let path = document.heading_path(block.range.start).join(" > ");
        let text = &document.text[block.range.clone()];
        lines.push_str(&format!("{:?} [{path}] {text:?}\n", block.kind));
    }
    lines
}

fn check_refusal(loader: &dyn Load, name: &str, bytes: &[u8], kind: Kind, said: &str) -> Error {
    let error = loader.load(Path::new(name), bytes).expect_err("the file is bad");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.message().contains(said), "`{error}` should say `{said}`");
    assert!(error.message().contains(name), "`{error}` should name the file");
    error
}
