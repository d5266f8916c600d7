//! Every loader by what it makes of a file: hand-written pages as snapshots, then hostile and arbitrary bytes, for
//! which only the invariants of a document can be told.

use std::fmt::Write;
use std::path::Path;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use lorewell_model::Kind;

use super::{WalkOptions, check, load, read_text, walk};
use crate::document::{Document, Piece, SourceMap, Warning};

/// Finds the line and the bytes of the file from which a range of the text came.
fn source_of(document: &Document, bytes: &[u8], at: usize) -> (usize, usize) {
    let source = match &document.source {
        SourceMap::Pieces(pieces) => {
            let piece = &pieces[pieces.partition_point(|piece| piece.text.end <= at)];
            let is_exact = piece.text.len() == piece.source.len();
            piece.source.start + if is_exact { at - piece.text.start } else { 0 }
        }
        SourceMap::Same | SourceMap::Pages { .. } | SourceMap::Headings => at,
    };
    (bytes[..source].iter().filter(|byte| **byte == b'\n').count() + 1, source)
}

fn describe(document: &Document, bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut field = |name: &str, value: String| {
        if !value.is_empty() {
            writeln!(out, "{name}: {value}").unwrap();
        }
    };
    field("title", document.title.clone().unwrap_or_default());
    field("tags", document.tags.join(", "));
    field("links", document.links.join(", "));
    field("date", document.date.clone().unwrap_or_default());
    field("language", document.language.clone().unwrap_or_default());
    for warning in &document.warnings {
        field(
            "warning",
            match warning {
                Warning::Other { message } => message.clone(),
                Warning::NeedsOcr { .. } | Warning::Decoded { .. } => format!("{warning:?}"),
            },
        );
    }
    for block in &document.blocks {
        let (line, source) = source_of(document, bytes, block.range.start);
        let headings = document.heading_path(block.range.start).join(" > ");
        let text = &document.text[block.range.clone()];
        writeln!(out, "{line}@{source} {:?} [{headings}] {text:?}", block.kind).unwrap();
    }
    out
}

#[expect(clippy::needless_pass_by_value, reason = "`expect!` gives a value")]
fn check(name: &str, bytes: impl AsRef<[u8]>, expected: Expect) {
    let bytes = bytes.as_ref();
    let seen = match load(Path::new(name), bytes) {
        Ok(document) => {
            assert_source(&document, bytes);
            describe(&document, bytes)
        }
        Err(error) => format!("{:?}: {error}\n", error.kind()),
    };
    expected.assert_eq(&seen);
}

/// Checks that pieces of a UTF-8 file lead back to what they say.
fn assert_source(document: &Document, bytes: &[u8]) {
    assert_eq!(check::check(document, bytes), Ok(()));
    let (SourceMap::Pieces(pieces), Ok(source)) = (&document.source, std::str::from_utf8(bytes)) else { return };
    for Piece { text, source: range, line } in pieces {
        let (text, from) = (&document.text[text.clone()], &source[range.clone()]);
        assert_eq!(usize::try_from(*line).unwrap(), source[..range.start].matches('\n').count() + 1, "{text:?}");
        let is_gap = text.trim().is_empty() || text == " | ";
        assert!(text == from || is_gap || from.starts_with('&'), "{text:?} is not from {from:?}");
    }
}

#[test]
fn markdown_keeps_the_file_and_finds_its_blocks() {
    check(
        "a.md",
        "---\ntitle: The Guide\ntags: [a]\ndate: 2026-03-01\n---\n# One *bold*\n\nSee [[Other Note|that]], #tag/sub and \
         `#no`.\nMore.\n\nTwo\n---\n\n- a\n  - b\n\n    b2\n- c [[X#Y]] [[#here]]\n\n> quote\n> two\n\n| a | b |\n|---|---|\n| 1 | 2 \
         |\n\n```rust\n# fn\n\nx\n```\n\n<!-- gone -->\n\n<a id=\"gone\"></a>\n\n<https://kept>\n\n<p>\nkept\n</p>\n\n### `three`\n\n1. x\n2. y\n",
        expect![[r####"
            title: The Guide
            tags: a, tag/sub
            links: Other Note, X
            date: 2026-03-01
            6@52 Heading [One bold] "# One *bold*"
            8@66 Paragraph [One bold] "See [[Other Note|that]], #tag/sub and `#no`.\nMore."
            11@118 Heading [One bold > Two] "Two\n---"
            14@127 ListItem [One bold > Two] "- a"
            15@131 ListItem [One bold > Two] "  - b\n\n    b2"
            18@145 ListItem [One bold > Two] "- c [[X#Y]] [[#here]]"
            20@168 Paragraph [One bold > Two] "> quote\n> two"
            23@183 Table [One bold > Two] "| a | b |\n|---|---|\n| 1 | 2 |"
            27@214 Listing [One bold > Two] "```rust\n# fn\n\nx\n```"
            37@269 Paragraph [One bold > Two] "<https://kept>"
            39@285 Paragraph [One bold > Two] "<p>\nkept\n</p>"
            43@300 Heading [One bold > Two > three] "### `three`"
            45@313 ListItem [One bold > Two > three] "1. x"
            46@318 ListItem [One bold > Two > three] "2. y"
        "####]],
    );
}

#[test]
fn markdown_survives_slips() {
    check(
        "a.md",
        "---\ntitle: open\n\n# H\n\ntext",
        expect![[r##"
        title: H
        warning: the front matter on line 1 has no closing fence, so it was read as text
        2@4 Paragraph [] "title: open"
        4@17 Heading [H] "# H"
        6@22 Paragraph [H] "text"
    "##]],
    );
    check(
        "a.md",
        "---\n\ntext #a #a #1 (#b) x#c \\#d &#35;e\r\n\r\n# É 🦀\r\n\r\n```\r\nnever closed\r\n",
        expect![[r##"
            title: É 🦀
            tags: a, b
            3@5 Paragraph [] "text #a #a #1 (#b) x#c \\#d &#35;e"
            5@42 Heading [É 🦀] "# É 🦀"
            7@55 Listing [É 🦀] "```\r\nnever closed"
        "##]],
    );
    check(
        "a.md",
        "\u{FEFF}# H\n\ntext\n",
        expect![[r##"
        title: H
        1@3 Heading [H] "# H"
        3@8 Paragraph [H] "text"
    "##]],
    );
    check(
        "a.md",
        "Term[^1]\n\n[^1]: The note.\n\n    indented\n\n$$\nx\n$$\n\n> - in\n>   quote\n\n- # no heading",
        expect![[r#"
            1@0 Paragraph [] "Term[^1]"
            3@10 Paragraph [] "[^1]: The note.\n\n    indented"
            7@41 Paragraph [] "$$\nx\n$$"
            11@50 ListItem [] "> - in\n>   quote"
            14@68 ListItem [] "- # no heading"
        "#]],
    );
}

#[test]
fn nothing_between_two_thematic_breaks_is_lost() {
    check(
        "diary.md",
        "---\n\n# Monday\n\nnotes…\n\n---\n\n# Tuesday",
        expect![[r##"
            title: Monday
            3@5 Heading [Monday] "# Monday"
            5@15 Paragraph [Monday] "notes…"
            9@30 Heading [Tuesday] "# Tuesday"
        "##]],
    );
}

#[test]
fn text_is_parted_by_blank_lines() {
    check(
        "a.txt",
        "One\ntwo\n\n \n  Three\r\n\r\nFour",
        expect![[r#"
        1@0 Paragraph [] "One\ntwo"
        5@11 Paragraph [] "  Three"
        7@22 Paragraph [] "Four"
    "#]],
    );
    check(
        "Makefile",
        "all:\n\techo\n\nclean:\n\trm",
        expect![[r#"
        language: make
        1@0 Listing [] "all:\n\techo"
        4@12 Listing [] "clean:\n\trm"
    "#]],
    );
    check(
        "conf.toml",
        "a = 1\n",
        expect![[r#"
        language: toml
        1@0 Listing [] "a = 1"
    "#]],
    );
}

#[test]
fn other_encodings_are_decoded_and_said() {
    check(
        "latin1.txt",
        b"Ein sch\xF6nes Gel\xE4nde, m\xFC\xDFte man meinen.\nZwei\n\nF\xFCnf",
        expect![[r#"
        warning: Decoded { encoding: "windows-1252", replaced: 0 }
        1@0 Paragraph [] "Ein schönes Gelände, müßte man meinen.\nZwei"
        4@45 Paragraph [] "Fünf"
    "#]],
    );
    let utf16: Vec<u8> = "\u{FEFF}Hé\r\n\r\n🦀 x\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(
        "utf16.txt",
        &utf16,
        expect![[r#"
        warning: Decoded { encoding: "UTF-16LE", replaced: 0 }
        1@2 Paragraph [] "Hé"
        3@14 Paragraph [] "🦀 x"
    "#]],
    );
    let utf16: Vec<u8> = "\u{FEFF}<p>a &amp; b</p>\n<p>c</p>".encode_utf16().flat_map(u16::to_be_bytes).collect();
    check(
        "utf16.html",
        &utf16,
        expect![[r#"
        warning: Decoded { encoding: "UTF-16BE", replaced: 0 }
        1@2 Paragraph [] "a & b"
        2@36 Paragraph [] "c"
    "#]],
    );
    check(
        "odd.txt",
        b"\xFF\xFEa\0\0\xD8b\0c",
        expect![[r#"
        warning: Decoded { encoding: "UTF-16LE", replaced: 2 }
        1@2 Paragraph [] "a�b�"
    "#]],
    );
    check(
        "damaged.txt",
        "é è ê \u{FFFD}".as_bytes().iter().copied().chain([0xFF, b'!']).collect::<Vec<_>>(),
        expect![[r#"
            warning: Decoded { encoding: "UTF-8", replaced: 1 }
            1@0 Paragraph [] "é è ê ��!"
        "#]],
    );
    check(
        "sjis.html",
        b"<meta charset=Shift_JIS><p>\x93\xFA\x96\x7B\x8C\xEA &lt;\n\x82\xA0",
        expect![[r#"
        warning: Decoded { encoding: "Shift_JIS", replaced: 0 }
        1@27 Paragraph [] "日本語 < あ"
    "#]],
    );
}

#[test]
fn html_gives_the_content_and_the_way_back() {
    check(
        "a.html",
        "<!DOCTYPE html><html><head><title>T &amp; U</title><meta name=keywords content='a, b'>\n<meta name=date \
         content=2026-01-02T03:04><style>p{}</style><script>if (a<b) {}</script></head>\n<body><header><h1>Site</h1>\
         </header><nav><a href=/>Home</a></nav>\n<main><h1>One <em>two</em></h1>\n<p>First&nbsp;line,\n  second&hellip; \
         &notit; &bogus; & x<br>third.<p>Next<ul><li>a<li>b <ul><li>c</ul></ul>\n<pre>\n  fn x() {\r\n\n  &lt;T&gt;\n</pre>\
         <h2>Three<a href=#three>&para;</a></h2><pre>one<div>two</div></pre><table><caption>Cap</caption><tr><th>h<th>i<tr><td><p>1</p><td>2</table><p hidden>no</p>\
         <dl><dt>term<dd>meaning</dl></main>\n<footer>bye</footer></body></html>",
        expect![[r#"
            title: T & U
            tags: a, b
            date: 2026-01-02
            4@258 Heading [One two] "One two"
            5@283 Paragraph [One two] "First line, second… ¬it; &bogus; & x\nthird."
            6@349 Paragraph [One two] "Next"
            6@361 ListItem [One two] "a"
            6@366 ListItem [One two] "b"
            6@376 ListItem [One two] "c"
            8@394 Listing [One two] "  fn x() {\n\n  <T>"
            11@429 Heading [One two > Three] "Three"
            11@469 Listing [One two > Three] "one\ntwo"
            11@508 Table [One two > Three] "Cap\nh | i\n1 | 2"
            11@588 Paragraph [One two > Three] "term"
            11@596 Paragraph [One two > Three] "meaning"
        "#]],
    );
}

#[test]
fn html_boilerplate_is_judged_by_what_would_be_left() {
    let menu = "<ul><li><a href=1>one</a><li><a href=2>two</a><li><a href=3>three</a></ul>";
    check(
        "menu.html",
        format!("<body><div>{menu}</div><p>The text of the page is here.</p>"),
        expect![[r#"
        1@94 Paragraph [] "The text of the page is here."
    "#]],
    );
    check(
        "index.html",
        format!("<body>{menu}<p>end"),
        expect![[r#"
        1@24 ListItem [] "one"
        1@45 ListItem [] "two"
        1@66 ListItem [] "three"
        1@83 Paragraph [] "end"
    "#]],
    );
    check(
        "form.html",
        "<form><p>A whole page in a form.</p></form>",
        expect![[r#"
        1@9 Paragraph [] "A whole page in a form."
    "#]],
    );
    check(
        "shell.html",
        "<main></main><div>Everything is outside of the shell.</div>",
        expect![[r#"
        1@18 Paragraph [] "Everything is outside of the shell."
    "#]],
    );
    check(
        "layout.html",
        "<table><tr><td><h1>H</h1><p>a</p><td>b<table><tr><td>1<td>2</table></table>",
        expect![[r#"
        title: H
        1@19 Heading [H] "H"
        1@28 Paragraph [H] "a"
        1@37 Paragraph [H] "b"
        1@53 Table [H] "1 | 2"
    "#]],
    );
    check(
        "article.html",
        "<div>x</div><article><header><h1>Kept</h1></header>A long enough text.<footer>by me</footer></article>",
        expect![[r#"
            title: Kept
            1@33 Heading [Kept] "Kept"
            1@51 Paragraph [Kept] "A long enough text."
            1@78 Paragraph [Kept] "by me"
        "#]],
    );
    check(
        "broken.html",
        "<p>a <b>bold</p></div><p>b</b> c<span hidden>x<b>y</span> d <",
        expect![[r#"
        1@3 Paragraph [] "a bold"
        1@25 Paragraph [] "b c d <"
    "#]],
    );
}

#[test]
fn json_is_cut_into_records() {
    check(
        "a.json",
        "{\"title\": \"T\", \"tags\": [\"x\"], \"date\": \"2026-01-02\",\n \"a\": [1, {\"b\": \"}, \\\" [\"}], \"c\": {}}\n",
        expect![[r#"
            title: T
            tags: x
            date: 2026-01-02
            1@1 Record [] "\"title\": \"T\""
            1@15 Record [] "\"tags\": [\"x\"]"
            1@30 Record [] "\"date\": \"2026-01-02\""
            2@53 Record [] "\"a\": [1, {\"b\": \"}, \\\" [\"}]"
            2@81 Record [] "\"c\": {}"
        "#]],
    );
    check(
        "a.json",
        "[1, \"two\",\n[3, 4], {}]",
        expect![[r#"
        1@1 Record [] "1"
        1@4 Record [] "\"two\""
        2@11 Record [] "[3, 4]"
        2@19 Record [] "{}"
    "#]],
    );
    check(
        "a.json",
        "\"just 🦀\"",
        expect![[r#"
        1@0 Record [] "\"just 🦀\""
    "#]],
    );
    let long = "x".repeat(3000);
    check(
        "a.json",
        format!("{{\"v\": 1, \"items\": [\"{long}\", \"{long}\"]}}").replace(&long, "…").as_str(),
        expect![[r#"
            1@1 Record [] "\"v\": 1"
            1@9 Record [] "\"items\": [\"…\", \"…\"]"
        "#]],
    );
    let document =
        load(Path::new("a.json"), format!("{{\"v\": 1, \"items\": [\"{long}\", \"{long}\"]}}").as_bytes()).unwrap();
    assert_eq!(document.blocks.len(), 3);
    assert_eq!(document.heading_path(document.blocks[2].range.start), ["items"]);
    check(
        "a.json",
        "{\"a\": 1,}",
        expect![[r#"
            BadInput: `a.json` is not valid JSON: key must be a string at line 1 column 9; correct it, or rename it to end in `.jsonl` or `.txt` if that is what it is
        "#]],
    );
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(load(Path::new("a.json"), deep.as_bytes()).unwrap().blocks.len(), 1);
    check(
        "a.json",
        "[".repeat(100_000),
        expect![[r#"
            BadInput: `a.json` is not valid JSON: EOF while parsing a list at line 1 column 100000; correct it, or rename it to end in `.jsonl` or `.txt` if that is what it is
        "#]],
    );
}

#[test]
fn jsonl_reports_its_bad_lines() {
    check(
        "a.jsonl",
        "{\"a\": 1}\n\n{\"a\": \n\"\\ud800\"\r\n[2]",
        expect![[r#"
            warning: lines that are not valid JSON were left out: 3
            1@0 Record [] "{\"a\": 1}"
            4@17 Record [] "\"\\ud800\""
            5@27 Record [] "[2]"
        "#]],
    );
    check(
        "a.jsonl",
        "{\"title\": \"Only\"}\n",
        expect![[r#"
        title: Only
        1@0 Record [] "{\"title\": \"Only\"}"
    "#]],
    );
    check(
        "a.jsonl",
        "no\njson",
        expect![[r#"
            BadInput: `a.jsonl` has no line of valid JSON; rename it to end in `.json` if it is one value over many lines
        "#]],
    );
}

#[test]
fn csv_rows_are_records_under_their_header() {
    check(
        "a.csv",
        "name,city\n\"Ann \"\"A\"\"\n B\",Paris\r\nBo,Rome\n\n",
        expect![[r#"
        1@0 Heading [name, city] "name,city"
        2@10 Record [name, city] "\"Ann \"\"A\"\"\n B\",Paris"
        4@32 Record [name, city] "Bo,Rome"
    "#]],
    );
    check(
        "a.csv",
        "1;2,5\n3;4,5\n",
        expect![[r#"
        1@0 Record [] "1;2,5"
        2@6 Record [] "3;4,5"
    "#]],
    );
    check(
        "a.csv",
        "a;b\n1,5;2,5\n",
        expect![[r#"
        1@0 Heading [a, b] "a;b"
        2@4 Record [a, b] "1,5;2,5"
    "#]],
    );
    check(
        "a.tsv",
        "a\tb\n1\t2\n3\n",
        expect![[r#"
        warning: 1 rows do not have the 2 fields of the header (the first is on line 3)
        1@0 Heading [a, b] "a\tb"
        2@4 Record [a, b] "1\t2"
        3@8 Record [a, b] "3"
    "#]],
    );
    check(
        "a.csv",
        "a,b\n1,\"never closed\n2,3\n",
        expect![[r#"
        warning: a quote in the row on line 2 is never closed, so the rest of the file is one row
        1@0 Heading [a, b] "a,b"
        2@4 Record [a, b] "1,\"never closed\n2,3"
    "#]],
    );
}

#[test]
fn missing_features_and_bad_files_say_what_to_do() {
    check(
        "a.txt",
        "",
        expect![[r#"
        BadInput: `a.txt` is empty; there is nothing to load
    "#]],
    );
    check(
        "a.txt",
        b"a\0b",
        expect![[r#"
        BadInput: `a.txt` is binary; convert it to text, Markdown, HTML or PDF, or leave it out
    "#]],
    );
    #[cfg(not(feature = "docling"))]
    check(
        "a.pdf",
        "%PDF-1.7",
        expect![[r#"
        Config: `a.pdf` needs the `docling` feature to be read as pdf; add `features = ["docling"]`
    "#]],
    );
    check(
        "a.xyz",
        "x",
        expect![[r#"
        BadInput: `a.xyz` is of the unknown type `.xyz`; if it is text, rename it to end in `.txt`
    "#]],
    );
    check(
        "a.docx",
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        expect![[r#"
        Refused: `a.docx` is encrypted; save a copy without a password
    "#]],
    );
}

#[test]
fn depth_and_length_cost_no_stack_and_little_time() {
    let deep = 100_000;
    for open in
        ["<div>", "<b>", "<p><ul><li>", "<table><tr><td>", "<a href=x>", "<main>", "</div>", "<", "&", "<x a=b "]
    {
        let html = format!("start {} end", open.repeat(deep));
        assert_source(&load(Path::new("a.html"), html.as_bytes()).unwrap(), html.as_bytes());
    }
    for open in ["> ", "[", "- ", "* a\n ", "`", "**", "<div>", "![", "|", "#", "[[", "~~~\n"] {
        let markdown = open.repeat(10_000);
        load(Path::new("a.md"), markdown.as_bytes()).unwrap();
    }
    let line = "word ".repeat(200_000);
    for name in ["a.txt", "a.md", "a.html", "a.csv"] {
        assert_eq!(load(Path::new(name), line.as_bytes()).unwrap().blocks.len(), 1, "{name}");
    }
}

#[test]
fn a_file_is_read_as_its_lines_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.html");
    std::fs::write(&path, b"<meta charset=windows-1251>\n<p>\xCF\xF0\xE8").unwrap();
    assert_eq!(read_text(&path).unwrap(), "<meta charset=windows-1251>\n<p>При");
    assert_eq!(read_text(&folder.path().join("no")).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(read_text(folder.path()).unwrap_err().kind(), Kind::BadInput);
}

/// Set to a folder of documents, it is walked and loaded whole.
const DATA: &str = "LOREWELL_DATA";

#[test]
fn a_folder_of_real_documents_loads() {
    let Some(folder) = std::env::var_os(DATA) else {
        eprintln!("skipped: `{DATA}` is not set");
        return;
    };
    let walked = walk(&[folder.into()], &WalkOptions::default());
    assert!(!walked.found.is_empty());
    for file in &walked.found {
        let bytes = std::fs::read(&file.path).unwrap();
        match load(&file.path, &bytes) {
            Ok(document) => assert!(!document.blocks.is_empty(), "{} has no blocks", file.path.display()),
            Err(error) => assert_ne!(error.kind(), Kind::Internal, "{error}"),
        }
    }
}

const NAMES: [&str; 8] = ["a.txt", "a.md", "a.html", "a.json", "a.jsonl", "a.csv", "a.rs", "noending"];

/// Bits of every format, which in any order make files that are nearly right.
const BITS: [&str; 64] = [
    "<p>",
    "</p>",
    "<div>",
    "</div>",
    "<ul>",
    "<li>",
    "</ul>",
    "<table>",
    "<tr>",
    "<td>",
    "</table>",
    "<pre>",
    "</pre>",
    "<h1>",
    "</h2>",
    "<a href=x>",
    "</a>",
    "<title>",
    "</title>",
    "<script>",
    "</script>",
    "<main>",
    "<nav>",
    "<br>",
    "<hr>",
    "<!--",
    "-->",
    "&amp;",
    "&#13;",
    "&#xA0;",
    "&fjlig;",
    "&",
    ";",
    "\r\n",
    "\r",
    "\n",
    "\n\n",
    "    ",
    "\t",
    " ",
    "word",
    "é",
    "🦀",
    "\u{A0}",
    "# ",
    "## ",
    "- ",
    "1. ",
    "> ",
    "| ",
    "|---|",
    "```",
    "---\n",
    "[[",
    "]]",
    "#tag",
    "*",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_give_a_sound_document_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for name in NAMES {
            if let Ok(document) = load(Path::new(name), &bytes) {
                assert_source(&document, &bytes);
            }
        }
    }

    #[test]
    fn any_markup_gives_a_sound_document_or_an_error(bits in prop::collection::vec(prop::sample::select(&BITS[..]), 0..60)) {
        let text = bits.concat();
        let utf16: Vec<u8> = format!("\u{FEFF}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
        for name in NAMES {
            if let Ok(document) = load(Path::new(name), text.as_bytes()) {
                assert_source(&document, text.as_bytes());
            }
            if let Ok(document) = load(Path::new(name), &utf16) {
                assert_source(&document, &utf16);
            }
        }
    }

    #[test]
    fn each_piece_of_another_encoding_decodes_to_its_text(text in "[a-z \n\u{E0}-\u{FF}]{1,200}") {
        let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let Ok(document) = load(Path::new("a.txt"), &bytes) else { return Ok(()) };
        let SourceMap::Pieces(pieces) = &document.source else { return Ok(()) };
        let [Warning::Decoded { encoding, .. }] = document.warnings.as_slice() else { panic!("it was decoded") };
        let encoding = encoding_rs::Encoding::for_label(encoding.as_bytes()).unwrap();
        for piece in pieces {
            let (decoded, _) = encoding.decode_without_bom_handling(&bytes[piece.source.clone()]);
            prop_assert_eq!(&document.text[piece.text.clone()], decoded);
        }
    }
}
