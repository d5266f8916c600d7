//! What is fuzzed: each loader by the name of a file, and all chunkers on what it loads. The promises are those of
//! `Document` and `Chunk`, checked here anew and not by the library's own checks.

use std::io::{Cursor, Write};
use std::path::Path;

use lorewell_rag::chunk::{ChunkOptions, ChunkerKind, chunker};
use lorewell_rag::document::{Document, SourceMap};
use lorewell_rag::load::load;
use zip::write::{SimpleFileOptions, ZipWriter};

/// One thing to fuzz.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// The name the bytes are loaded under.
    pub(crate) file: &'static str,
    seeds: &'static [&'static str],
    /// The part of a package that the bytes are put in, if they are not a file themselves.
    part: Option<&'static str>,
}

const fn plain(name: &'static str, file: &'static str, seeds: &'static [&'static str]) -> Target {
    Target { name, file, seeds, part: None }
}

pub(crate) const TARGETS: [Target; 25] = [
    plain("markdown", "a.md", &[MARKDOWN]),
    plain("html", "a.html", &[HTML]),
    plain("json", "a.json", &[r#"{"name": "Ada", "tags": ["a", {"b": [1, 2.5e3, null, true]}], "text": "\u00e9\n"}"#]),
    plain("jsonl", "a.jsonl", &["{\"id\": 1, \"text\": \"one\"}\n{\"id\": 2, \"text\": \"two\"}\n\n[3]\n"]),
    plain("csv", "a.csv", &["name,fee,note\nAustria,2,\"a \"\"quoted\"\"\nnote\"\nChile,,none\n"]),
    plain("decode", "a.txt", &["A paragraph.\n\nAnother: caf\u{e9} \u{1f980}.\n"]),
    plain("pdf", "a.pdf", &[PDF]),
    Target { name: "docx", file: "a.docx", seeds: &[DOCX], part: None },
    Target { name: "docx-xml", file: "a.docx", seeds: &[DOCX], part: Some("word/document.xml") },
    Target { name: "docx-styles", file: "a.docx", seeds: &[STYLES], part: Some("word/styles.xml") },
    plain(
        "rust",
        "a.rs",
        &[
            "//! Docs.\nuse a::b;\n\n/// One.\n#[test]\nfn f<T: A>(x: &'a str) -> u8 { x[\"é\"] }\nimpl A for B { const N: u8 = 1; }\n",
        ],
    ),
    plain(
        "python",
        "a.py",
        &["\"\"\"Docs.\"\"\"\n@a\nclass A(B):\n    def f(self, *a, **b):\n        return f\"{a!r}\"\n"],
    ),
    plain(
        "javascript",
        "a.js",
        &["export default class A { #f = /x/g; get g() { return `${1}`; } }\nconst h = async () => {};\n"],
    ),
    plain(
        "typescript",
        "a.ts",
        &["namespace N { export type T<U> = U extends string ? 1 : never }\n@d class A { f?(): void }\n"],
    ),
    plain("tsx", "a.tsx", &["export const P = ({ a }: { a: string }) => <p class={a}>é {a}</p>;\n"]),
    plain(
        "go",
        "a.go",
        &[
            "package a\n\n// F does.\nfunc (a *A[T]) F(b ...int) (c error) { return nil }\n\ntype A[T any] struct{ n int }\n",
        ],
    ),
    plain("java", "a.java", &["package a;\n@B class A<T> { record R(int n) { R { } } enum E { X { } } }\n"]),
    plain("c", "a.c", &["#ifdef A\nint (*f(void))[3] { return 0; }\n#else\ntypedef struct { int a; } b;\n#endif\n"]),
    plain(
        "cpp",
        "a.cpp",
        &["namespace a::b { template <class T> struct A { A() = default; auto f() -> int; }; }\nint A<1>::g() {}\n"],
    ),
    plain("csharp", "a.cs", &["namespace A;\npublic record R(int N) { public int P { get; init; } int F() => 1; }\n"]),
    plain("ruby", "a.rb", &["module A\n  class << self\n    def f(a:) = <<~X\n      text\n    X\n  end\nend\n"]),
    plain("php", "a.php", &["<p><?php namespace A; #[B] class C { use D; function f(): ?int { return 1; } } ?></p>\n"]),
    plain("bash", "a.sh", &["f() {\n  cat <<'X'\n$(a)\nX\n}\ncase $1 in a) f;; esac\n"]),
    // Not in the table of languages: falls back to lines, or is refused by name.
    plain("unknown", "a.zig", &["const a = 1;\n"]),
    plain("binary", "a.bin", &["\u{0}\u{1}GIF89a"]),
];

const MARKDOWN: &str = "---\ntitle: A\ntags: [x, y]\ndate: 2024-02-30\n---\n# One #tag\n\nText with [[Link|alias]] and `code`.\n\n\
    - item\n  1. nested\n\n| a | b |\n|---|---|\n| 1 | é |\n\n```rust\nfn f() {}\n```\n\nSetext\n===\n\n> quote[^1]\n\n[^1]: note\n";

const HTML: &str = "<!doctype html><html><head><meta charset=utf-8><title>A &amp; B</title><style>p{}</style></head><body>\
    <nav>menu</nav><main><h1>One</h1><p>Text &eacute;<br>more</p><ul><li>a<ul><li>b</ul></ul><table><tr><th>x<td>y</table>\
    <pre>code</pre><script>if (a < b) {}</script><!-- no --></main><footer>end</footer></body></html>";

const PDF: &str = "%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Count 1 /Kids [3 0 R] >>\n\
    endobj\n3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>\n\
    endobj\n4 0 obj\n<< /Length 96 >>\nstream\nBT /F1 20 Tf 72 760 Td (Title) Tj ET BT /F1 11 Tf 72 730 Td (Some text of a page.) Tj ET          \n\
    endstream\nendobj\n5 0 obj\n<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>\nendobj\nxref\n0 6\n0000000000 65535 f \n\
    0000000009 00000 n \n0000000058 00000 n \n0000000115 00000 n \n0000000243 00000 n \n0000000390 00000 n \n\
    trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n460\n%%EOF\n";

const DOCX: &str = "<?xml version=\"1.0\"?><w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>\
    <w:p><w:pPr><w:pStyle w:val=\"Heading1\"/></w:pPr><w:r><w:t>One</w:t></w:r></w:p>\
    <w:p><w:r><w:rPr><w:b/></w:rPr><w:t xml:space=\"preserve\">bold </w:t></w:r><w:r><w:t>text</w:t></w:r></w:p>\
    <w:p><w:pPr><w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"1\"/></w:numPr></w:pPr><w:r><w:t>item</w:t></w:r></w:p>\
    <w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val=\"2\"/></w:tcPr><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc></w:tr>\
    <w:tr><w:tc><w:tcPr><w:vMerge w:val=\"restart\"/></w:tcPr><w:p/></w:tc><w:tc><w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl></w:tc></w:tr>\
    </w:tbl></w:body></w:document>";

const STYLES: &str = "<w:styles xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\">\
    <w:style w:type=\"paragraph\" w:styleId=\"Heading1\"><w:name w:val=\"heading 1\"/><w:basedOn w:val=\"Heading1\"/>\
    <w:pPr><w:outlineLvl w:val=\"0\"/><w:numPr><w:numId w:val=\"1\"/></w:numPr></w:pPr></w:style></w:styles>";

impl Target {
    pub(crate) fn seeds(&self) -> Vec<Vec<u8>> {
        let whole = |seed: &&str| match (self.part, self.file) {
            (None, "a.docx") => package("word/document.xml", seed.as_bytes()),
            _ => seed.as_bytes().to_vec(),
        };
        self.seeds.iter().map(whole).collect()
    }

    /// Loads bytes and cuts what was loaded.
    ///
    /// # Panics
    /// If a promise is broken.
    pub(crate) fn run(&self, bytes: &[u8]) {
        let wrapped = self.part.map(|part| package(part, bytes));
        let bytes = wrapped.as_deref().unwrap_or(bytes);
        match load(Path::new(self.file), bytes) {
            Ok(document) => {
                check_document(&document, bytes);
                check_chunks(&document);
            }
            Err(error) => assert!(!error.message().is_empty(), "an error says something"),
        }
    }
}

/// A package of one part, and of a body where that is another.
fn package(part: &str, bytes: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let parts = [("word/document.xml", DOCX.as_bytes())].into_iter().filter(|(name, _)| *name != part);
    for (name, bytes) in parts.chain([(part, bytes)]) {
        zip.start_file(name, SimpleFileOptions::default()).expect("writing to memory");
        zip.write_all(bytes).expect("writing to memory");
    }
    zip.finish().expect("writing to memory").into_inner()
}

fn check_document(document: &Document, bytes: &[u8]) {
    let text = document.text.as_str();
    let mut end = 0;
    for block in &document.blocks {
        assert!(end <= block.range.start, "blocks overlap: {block:?} starts before {end}");
        assert!(!text[block.range.clone()].trim().is_empty(), "a blank block: {block:?}");
        end = block.range.end;
    }
    assert!(document.sections.is_sorted_by_key(|section| section.range.start), "sections ascend");
    for section in &document.sections {
        assert!(text.get(section.range.clone()).is_some(), "a section out of the text: {section:?}");
    }
    match &document.source {
        SourceMap::Same => assert_eq!(text.as_bytes(), bytes, "the text is the file"),
        SourceMap::Pages { starts } => {
            assert!(
                starts.is_sorted() && starts.iter().all(|start| text.is_char_boundary(*start)),
                "pages: {starts:?}"
            );
        }
        SourceMap::Pieces(pieces) => {
            for piece in pieces {
                assert!(text.get(piece.text.clone()).is_some(), "a piece out of the text: {piece:?}");
                assert!(bytes.get(piece.source.clone()).is_some(), "a piece out of the file: {piece:?}");
            }
        }
        _ => {}
    }
}

fn check_chunks(document: &Document) {
    let count = |text: &str| text.split_whitespace().count() + text.len() / 16;
    for kind in ChunkerKind::ALL {
        let chunker = chunker(&ChunkOptions::default().kind(kind).tokens_max(32).tokens_overlap(8));
        let chunks = chunker.expect("the sizes are within bounds").chunk(document, &count);
        let mut start = 0;
        for chunk in &chunks {
            assert!(start <= chunk.range.start, "{kind:?}: chunks ascend");
            assert!(!document.text[chunk.range.clone()].trim().is_empty(), "{kind:?}: a blank chunk {chunk:?}");
            start = chunk.range.start;
        }
    }
}
