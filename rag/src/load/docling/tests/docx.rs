//! Word documents: structure, properties, and packages that lie.

use std::io::{Cursor, Write};
use std::path::Path;

use expect_test::{Expect, expect};
use lorewell_model::Kind;
use proptest::prelude::*;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::{check_refusal, shown};
use crate::document::SourceMap;
use crate::load::Load;
use crate::load::docling::Docx;

const STYLES: &str = r#"
    <w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/></w:style>
    <w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/></w:style>
    <w:style w:type="paragraph" w:styleId="Heading2"><w:name w:val="heading 2"/></w:style>
    <w:style w:type="paragraph" w:styleId="ListParagraph"><w:name w:val="List Paragraph"/></w:style>"#;

const NUMBERING: &str = r#"
    <w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/>
        <w:lvlText w:val="%1."/></w:lvl></w:abstractNum>
    <w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="-"/></w:lvl>
        </w:abstractNum>
    <w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
    <w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>"#;

const PROPERTIES: &str = r#"<cp:coreProperties
    xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"
    xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">
    <dc:title>Refund policy</dc:title><dcterms:created>2023-01-02T10:00:00Z</dcterms:created>
    <dcterms:modified>2024-05-06T07:08:09Z</dcterms:modified></cp:coreProperties>"#;

/// Wraps WordprocessingML in its root element.
fn part(root: &str, inner: &str) -> String {
    let namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";
    format!(r#"<?xml version="1.0" encoding="UTF-8"?><w:{root} xmlns:w="{namespace}">{inner}</w:{root}>"#)
}

/// A package of a body and of whatever other parts.
fn package(body: &str, others: &[(&str, &[u8])]) -> Vec<u8> {
    let document = part("document", &format!("<w:body>{body}</w:body>"));
    let (styles, numbering) = (part("styles", STYLES), part("numbering", NUMBERING));
    let mut parts: Vec<(&str, &[u8])> = vec![
        ("word/document.xml", document.as_bytes()),
        ("word/styles.xml", styles.as_bytes()),
        ("word/numbering.xml", numbering.as_bytes()),
    ];
    parts.extend(others);
    zipped(&parts)
}

fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn paragraph(style: &str, text: &str) -> String {
    format!(r#"<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"#)
}

fn item(list: u8, text: &str) -> String {
    format!(
        r#"<w:p><w:pPr><w:pStyle w:val="ListParagraph"/><w:numPr><w:ilvl w:val="0"/><w:numId w:val="{list}"/></w:numPr>
        </w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"#
    )
}

fn table(rows: &[&[&str]]) -> String {
    let cell = |text: &&str| format!("<w:tc><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>");
    let row = |cells: &&[&str]| format!("<w:tr>{}</w:tr>", cells.iter().map(cell).collect::<String>());
    format!("<w:tbl>{}</w:tbl>", rows.iter().map(row).collect::<String>())
}

fn check(body: &str, expected: &Expect) {
    let document = Docx.load(Path::new("a.docx"), &package(body, &[])).unwrap();
    expected.assert_eq(&shown(&document));
    assert_eq!(document.source, SourceMap::Headings);
}

#[test]
fn structure_survives() {
    let body = [
        paragraph("Heading1", "Refunds"),
        paragraph("", "Within thirty days."),
        item(1, "Fill in the form"),
        item(1, "Send it"),
        paragraph("Heading2", "Fees"),
        table(&[&["Country", "Fee"], &["Austria", "2 EUR"], &["Chile", "none"]]),
        paragraph("Heading1", "Contact"),
        item(2, "by post"),
    ];
    check(
        &body.concat(),
        &expect![[r#"
        Heading [Refunds] "Refunds"
        Paragraph [Refunds] "Within thirty days."
        ListItem [Refunds] "1. Fill in the form"
        ListItem [Refunds] "2. Send it"
        Heading [Refunds > Fees] "Fees"
        Table [Refunds > Fees] "Country | Fee\nAustria | 2 EUR\nChile | none"
        Heading [Contact] "Contact"
        ListItem [Contact] "- by post"
    "#]],
    );
}

#[test]
fn a_title_is_above_the_headings() {
    let body = [paragraph("Title", "Handbook"), paragraph("Heading1", "One"), paragraph("", "Text.")];
    check(
        &body.concat(),
        &expect![[r#"
        Heading [Handbook] "Handbook"
        Heading [Handbook > One] "One"
        Paragraph [Handbook > One] "Text."
    "#]],
    );
}

#[test]
fn formatting_within_a_word_does_not_split_it() {
    let body = r#"<w:p><w:r><w:t xml:space="preserve">It is re</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>fund</w:t></w:r>
        <w:r><w:t xml:space="preserve">able, </w:t></w:r><w:r><w:rPr><w:i/></w:rPr><w:t>a*b_c</w:t></w:r>
        <w:r><w:t xml:space="preserve"> &lt;too&gt;, see </w:t></w:r><w:hyperlink w:anchor="x"><w:r><w:t>here</w:t></w:r>
        </w:hyperlink><w:r><w:t>.</w:t></w:r></w:p>"#;
    check(
        body,
        &expect![[r#"
        Paragraph [] "It is refundable, a*b_c <too>, see here."
    "#]],
    );
}

#[test]
fn properties_give_title_and_date() {
    let bytes = package(&paragraph("Heading1", "Other"), &[("docProps/core.xml", PROPERTIES.as_bytes())]);
    let document = Docx.load(Path::new("a.docx"), &bytes).unwrap();
    assert_eq!(document.title.as_deref(), Some("Refund policy"));
    assert_eq!(document.date.as_deref(), Some("2024-05-06"));
    let without = Docx.load(Path::new("a.docx"), &package(&paragraph("Heading1", "Other"), &[])).unwrap();
    assert_eq!((without.title.as_deref(), without.date), (Some("Other"), None));
}

#[test]
fn an_empty_document_is_empty() {
    let document = Docx.load(Path::new("a.docx"), &package("", &[])).unwrap();
    assert_eq!((document.text.as_str(), document.blocks.len()), ("", 0));
}

#[test]
fn bad_packages_are_refused_in_words() {
    let good = package(&paragraph("", "Text."), &[]);
    check_refusal(&Docx, "cut.docx", &good[..good.len() / 2], Kind::BadInput, "damaged");
    check_refusal(&Docx, "none.docx", b"", Kind::BadInput, "damaged");
    check_refusal(&Docx, "other.docx", &zipped(&[("a.txt", b"a")]), Kind::BadInput, "no part `word/document.xml`");
    let broken = zipped(&[("word/document.xml", b"<w:document><w:body>")]);
    check_refusal(&Docx, "broken.docx", &broken, Kind::BadInput, "cannot be read");
}

#[test]
fn ole_containers_are_told_apart() {
    let mut ole = super::super::docx::OLE_MAGIC.to_vec();
    check_refusal(&Docx, "old.docx", &ole, Kind::BadInput, "before 2007");
    ole.extend([0; 512]);
    ole.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    check_refusal(&Docx, "locked.docx", &ole, Kind::Refused, "encrypted");
}

#[test]
fn a_zip_bomb_is_a_limit() {
    let zeros = vec![b' '; usize::try_from(super::super::docx::XML_BYTES_MAX).unwrap() + 1];
    let bomb = package("", &[("word/footnotes.xml", &zeros)]);
    assert!(bomb.len() < zeros.len() / 500, "a bomb is small");
    check_refusal(&Docx, "bomb.docx", &bomb, Kind::Limit, "64 MiB");
    // What we do not read may be as large as it likes.
    let large = package(&paragraph("", "Text."), &[("word/media/image1.bmp", &zeros)]);
    assert_eq!(Docx.load(Path::new("large.docx"), &large).unwrap().text, "Text.");
}

#[test]
fn deep_nesting_is_survived() {
    let depth = 20_000;
    let body = format!("{}{}{}", "<w:sdt>".repeat(depth), paragraph("", "deep"), "</w:sdt>".repeat(depth));
    check_refusal(&Docx, "deep.docx", &package(&body, &[]), Kind::BadInput, "deep.docx");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_changed_byte_never_panics(at in 0usize..4096, value: u8) {
        let body = [paragraph("Heading1", "One"), item(1, "first"), table(&[&["a", "b"]])].concat();
        let mut bytes = package(&body, &[("docProps/core.xml", PROPERTIES.as_bytes())]);
        let at = at % bytes.len();
        bytes[at] = value;
        let _ = Docx.load(Path::new("a.docx"), &bytes); // either outcome is right; a panic is not
    }
}
