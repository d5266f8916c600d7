//! PDF documents, written by a small writer here: pages, order, headings, and files that are damaged or lie.

use std::path::Path;

use expect_test::{Expect, expect};
use lorewell_model::Kind;
use proptest::prelude::*;

use super::{check_refusal, shown};
use crate::document::{Document, SourceMap, Warning};
use crate::load::Load;
use crate::load::docling::Pdf;

/// Builds a file of numbered objects with a correct cross-reference table.
struct Writer {
    objects: Vec<String>,
    /// What stands in the trailer beside `Size` and `Root`.
    trailer: String,
}

/// Text at a place: size in points, from the left, from the bottom, words.
type Words<'a> = (u32, u32, u32, &'a str);

impl Writer {
    /// A document whose pages have these content streams. Object 1 is the catalogue, 2 the page tree, 3 the font.
    fn new(contents: &[String]) -> Self {
        let kids: Vec<String> = (0..contents.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
        let mut objects = vec![
            "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
            format!("<< /Type /Pages /Count {} /Kids [{}] >>", kids.len(), kids.join(" ")),
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        ];
        for (page, content) in contents.iter().enumerate() {
            let stream = 5 + 2 * page;
            objects.push(format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {stream} 0 R \
                 /Resources << /Font << /F1 3 0 R >> >> >>"
            ));
            objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
        }
        Self { objects, trailer: String::new() }
    }

    /// Adds an object and returns its number.
    fn object(&mut self, object: String) -> usize {
        self.objects.push(object);
        self.objects.len()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut file = "%PDF-1.7\n".to_owned();
        let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", self.objects.len() + 1);
        for (index, object) in self.objects.iter().enumerate() {
            table.push_str(&format!("{:010} 00000 n \n", file.len()));
            file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", index + 1));
        }
        let (size, start) = (self.objects.len() + 1, file.len());
        let trailer = &self.trailer;
        file.push_str(&format!(
            "{table}trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n"
        ));
        file.into_bytes()
    }
}

fn content(words: &[Words<'_>]) -> String {
    let show = |(size, x, y, words): &Words<'_>| format!("BT /F1 {size} Tf {x} {y} Td ({words}) Tj ET\n");
    words.iter().map(show).collect()
}

fn written(pages: &[&[Words<'_>]]) -> Vec<u8> {
    Writer::new(&pages.iter().map(|page| content(page)).collect::<Vec<_>>()).bytes()
}

fn load(bytes: &[u8]) -> Document {
    Pdf.load(Path::new("a.pdf"), bytes).unwrap()
}

fn check(pages: &[&[Words<'_>]], expected: &Expect) {
    expected.assert_eq(&shown(&load(&written(pages))));
}

const ONE: &[Words<'_>] = &[
    (20, 72, 760, "Refund policy"),
    (11, 72, 730, "A refund is possible within thirty days of the"),
    (11, 72, 717, "purchase, if the goods are unused and com-"),
    (11, 72, 704, "plete."),
    (14, 72, 670, "Fees"),
    (11, 72, 650, "There are none."),
];
const TWO: &[Words<'_>] = &[(11, 72, 760, "Questions go to the office."), (11, 72, 730, "It is open on weekdays.")];

#[test]
fn paragraphs_and_headings_come_from_the_layout() {
    check(
        &[ONE, TWO],
        &expect![[r#"
        Heading [Refund policy] "Refund policy"
        Paragraph [Refund policy] "A refund is possible within thirty days of the purchase, if the goods are unused and complete."
        Heading [Refund policy > Fees] "Fees"
        Paragraph [Refund policy > Fees] "There are none."
        Paragraph [Refund policy > Fees] "Questions go to the office."
        Paragraph [Refund policy > Fees] "It is open on weekdays."
    "#]],
    );
}

#[test]
fn pages_start_where_their_text_does() {
    let document = load(&written(&[ONE, TWO]));
    let SourceMap::Pages { starts } = &document.source else { panic!("{:?}", document.source) };
    assert_eq!(starts[0], 0);
    assert!(document.text[starts[1]..].starts_with("Questions go"), "{document:?}");
    assert_eq!((starts.len(), document.warnings.len()), (2, 0));
    assert_eq!(document.title.as_deref(), Some("Refund policy"));
}

#[test]
fn a_page_without_text_is_reported() {
    let document = load(&written(&[ONE, &[], TWO]));
    assert_eq!(document.warnings, [Warning::NeedsOcr { pages: vec![2] }]);
    let SourceMap::Pages { starts } = document.source else { panic!("a PDF has pages") };
    assert!(starts.is_sorted() && starts.len() == 3, "{starts:?}");
}

#[test]
fn a_scan_needs_ocr() {
    let mut writer = Writer::new(&["q 595 0 0 842 0 0 cm /Im1 Do Q".to_owned()]);
    let image = "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 \
                 /Length 1 >>\nstream\n0\nendstream";
    let image = writer.object(image.to_owned());
    writer.objects[3] = writer.objects[3].replace("/Font <<", &format!("/XObject << /Im1 {image} 0 R >> /Font <<"));
    check_refusal(&Pdf, "scan.pdf", &writer.bytes(), Kind::BadInput, "needs OCR");
}

#[test]
fn columns_are_read_one_after_the_other() {
    let left = [
        "The left column says one thing,",
        "then it says another thing, and",
        "it goes on like this until the",
        "end of the column on the left.",
    ];
    let right = [
        "The right column is read after it",
        "and not line by line with the left",
        "one, although the lines stand side",
        "by side on this very page of ours.",
    ];
    let mut words: Vec<Words<'_>> = vec![(20, 72, 760, "A title above both of the columns")];
    for (row, (left, right)) in (0..).zip(left.iter().zip(right)) {
        words.push((11, 72, 730 - 13 * row, left));
        words.push((11, 320, 730 - 13 * row, right));
    }
    check(
        &[&words],
        &expect![[r#"
        Heading [A title above both of the columns] "A title above both of the columns"
        Paragraph [A title above both of the columns] "The left column says one thing, then it says another thing, and it goes on like this until the end of the column on the left."
        Paragraph [A title above both of the columns] "The right column is read after it and not line by line with the left one, although the lines stand side by side on this very page of ours."
    "#]],
    );
}

#[test]
fn tables_are_read_row_by_row() {
    let mut words: Vec<Words<'_>> = vec![(11, 72, 760, "These are the fees of the countries we send to:")];
    let rows = [
        ("Country", "Days", "Fee"),
        ("Austria", "2", "none"),
        ("Chile", "14", "9 EUR"),
        ("Kenya", "12", "8 EUR"),
        ("Oman", "9", "5 EUR"),
    ];
    for (row, (a, b, c)) in (0..).zip(rows) {
        words.extend([(11, 72, 730 - 13 * row, a), (11, 250, 730 - 13 * row, b), (11, 400, 730 - 13 * row, c)]);
    }
    check(
        &[&words],
        &expect![[r#"
        Paragraph [] "These are the fees of the countries we send to:"
        Table [] "Country | Days | Fee\nAustria | 2 | none\nChile | 14 | 9 EUR\nKenya | 12 | 8 EUR\nOman | 9 | 5 EUR"
    "#]],
    );
}

#[test]
fn list_items_stand_alone() {
    let words: &[Words<'_>] = &[
        (11, 72, 760, "You will need:"),
        (11, 72, 747, "- the receipt that came with it,"),
        (11, 80, 734, "or a copy,"),
        (11, 72, 721, "- the goods."),
        (11, 72, 708, "1. Fill in the form."),
        (11, 72, 695, "2. Send it."),
    ];
    check(
        &[words],
        &expect![[r#"
        Paragraph [] "You will need:"
        ListItem [] "- the receipt that came with it, or a copy,"
        ListItem [] "- the goods."
        ListItem [] "1. Fill in the form."
        ListItem [] "2. Send it."
    "#]],
    );
}

#[test]
fn running_heads_are_left_out() {
    let page = |number: &'static str, text: &'static str| -> Vec<Words<'static>> {
        vec![(9, 72, 800, "The handbook"), (11, 72, 700, text), (9, 300, 30, number)]
    };
    let pages =
        [page("Page 1", "First."), page("Page 2", "Second."), page("Page 3", "Third."), page("Page 4", "Fourth.")];
    let pages: Vec<&[Words<'_>]> = pages.iter().map(Vec::as_slice).collect();
    assert_eq!(load(&written(&pages)).text, "First.\n\nSecond.\n\nThird.\n\nFourth.");
}

#[test]
fn bookmarks_name_the_headings() {
    let numbered = format!("{}{}", content(&[(11, 300, 800, "1")]), content(ONE));
    let mut writer = Writer::new(&[numbered, content(TWO)]);
    writer.objects[0] = "<< /Type /Catalog /Pages 2 0 R /Outlines 8 0 R >>".to_owned();
    writer.object("<< /Type /Outlines /First 9 0 R /Last 9 0 R /Count 2 >>".to_owned());
    writer.object(
        "<< /Title (1. Refund policy) /Parent 8 0 R /First 10 0 R /Last 10 0 R /Dest [4 0 R /Fit] >>".to_owned(),
    );
    writer.object("<< /Title (Questions go to the office.) /Parent 9 0 R /Dest [6 0 R /Fit] >>".to_owned());
    let document = load(&writer.bytes());
    let sections: Vec<(u8, &str)> = document.sections.iter().map(|it| (it.rank, it.title.as_str())).collect();
    assert_eq!(sections, [(1, "Refund policy"), (2, "Questions go to the office.")]);
}

#[test]
fn properties_give_title_and_date() {
    let mut writer = Writer::new(&[content(ONE)]);
    let info = writer.object("<< /Title (The handbook) /ModDate (D:20240506070809Z) >>".to_owned());
    writer.trailer = format!("/Info {info} 0 R");
    let document = load(&writer.bytes());
    assert_eq!((document.title.as_deref(), document.date.as_deref()), (Some("The handbook"), Some("2024-05-06")));
}

#[test]
fn an_encrypted_file_is_refused() {
    let mut writer = Writer::new(&[content(ONE)]);
    let key = "00".repeat(32);
    let lock = format!("<< /Filter /Standard /V 2 /R 3 /Length 128 /P -1 /O <{key}> /U <{key}> >>");
    let lock = writer.object(lock);
    writer.trailer = format!("/Encrypt {lock} 0 R /ID [<{key}> <{key}>]");
    check_refusal(&Pdf, "locked.pdf", &writer.bytes(), Kind::Refused, "encrypted");
}

#[test]
fn damaged_files_are_refused_in_words() {
    let good = written(&[ONE]);
    check_refusal(&Pdf, "none.pdf", b"", Kind::BadInput, "damaged");
    check_refusal(&Pdf, "page.pdf", b"<!doctype html><title>Sign in</title>", Kind::BadInput, "not a PDF");
    check_refusal(&Pdf, "cut.pdf", &good[..good.len() / 3], Kind::BadInput, "damaged");
    check_refusal(&Pdf, "head.pdf", b"%PDF-1.7\n", Kind::BadInput, "damaged");
}

#[test]
fn loops_end() {
    // The cross-reference table names itself as the one before it.
    let good = String::from_utf8(written(&[ONE])).unwrap();
    let start = good.find("xref\n0").unwrap();
    let looped = good.replace("/Root 1 0 R", &format!("/Root 1 0 R /Prev {start}"));
    assert!(load(looped.as_bytes()).text.contains("thirty days"));
    // The page tree is its own child.
    let mut writer = Writer::new(&[content(ONE)]);
    writer.objects[1] = "<< /Type /Pages /Count 2 /Kids [2 0 R 4 0 R] >>".to_owned();
    let _ = Pdf.load(Path::new("loop.pdf"), &writer.bytes()); // it ends, either way
    // The outline goes round in circles.
    let mut writer = Writer::new(&[content(ONE)]);
    writer.objects[0] = "<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>".to_owned();
    writer.object("<< /Type /Outlines /First 7 0 R >>".to_owned());
    writer.object("<< /Title (Fees) /Parent 6 0 R /Next 7 0 R /First 7 0 R /Dest [4 0 R /Fit] >>".to_owned());
    assert!(load(&writer.bytes()).text.contains("thirty days"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_changed_byte_never_breaks_the_ranges(at in 0usize..8192, value: u8) {
        let mut bytes = written(&[ONE, TWO]);
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(document) = Pdf.load(Path::new("a.pdf"), &bytes) {
            for block in &document.blocks {
                prop_assert!(document.text.get(block.range.clone()).is_some());
            }
        }
    }
}
