//! What a file is: by its name first, by its bytes where the name says nothing or says something that cannot be.
//! Detection never reads more than it is given and never guesses beyond these tables.

use std::path::Path;

use super::skip::SkipReason;
use crate::document::Format;

/// Bytes at the start of a file that are searched for control characters. What is binary shows it early.
const SAMPLE_BYTES: usize = 8 * 1024;

/// A text has at most one control character in this many bytes. Random bytes have one in ten.
const BYTES_PER_CONTROL_MIN: usize = 20;

/// What a file was detected to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detected {
    /// Its format.
    pub format: Format,
    /// Its programming language, if it is code.
    pub language: Option<&'static str>,
}

impl Detected {
    const fn new(format: Format) -> Self {
        Self { format, language: None }
    }

    const fn code(language: &'static str) -> Self {
        Self { format: Format::Code, language: Some(language) }
    }
}

/// What a name alone says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ByName {
    /// A format that is known.
    Known(Detected),
    /// No ending and no well-known name: the bytes decide.
    Open,
    /// An ending that is not known, in lower case.
    Unknown(String),
}

/// Endings (in lower case, separated by spaces) of documents and data.
const DOCUMENTS: &[(&str, Format)] = &[
    ("txt text log rst adoc asciidoc org tex textile wiki me srt vtt", Format::Text),
    ("md markdown mdown mkd mkdn mdx qmd rmd", Format::Markdown),
    ("html htm xhtml", Format::Html),
    ("pdf", Format::Pdf),
    ("docx", Format::Docx),
    ("json geojson webmanifest", Format::Json),
    ("jsonl ndjson", Format::Jsonl),
    ("csv tsv", Format::Csv),
];

/// Endings (in lower case, separated by spaces) of source code, and the name of the language.
const LANGUAGES: &[(&str, &str)] = &[
    ("rs", "rust"),
    ("py pyi pyw", "python"),
    ("js mjs cjs jsx", "javascript"),
    ("ts mts cts", "typescript"),
    ("tsx", "tsx"),
    ("go", "go"),
    ("java", "java"),
    ("c h", "c"),
    ("cc cpp cxx c++ hh hpp hxx h++ ipp", "cpp"),
    ("cs", "csharp"),
    ("rb rake gemspec", "ruby"),
    ("php phtml", "php"),
    ("sh bash zsh ksh", "bash"),
    ("toml", "toml"),
    ("yaml yml", "yaml"),
    ("ini cfg conf properties", "ini"),
    ("xml xsd xsl xslt", "xml"),
    ("json5 jsonc", "json5"),
    ("sql", "sql"),
    ("kt kts", "kotlin"),
    ("swift", "swift"),
    ("scala sc", "scala"),
    ("groovy gradle", "groovy"),
    ("lua", "lua"),
    ("pl pm", "perl"),
    ("r", "r"),
    ("jl", "julia"),
    ("hs", "haskell"),
    ("ml mli", "ocaml"),
    ("fs fsi fsx", "fsharp"),
    ("ex exs", "elixir"),
    ("erl hrl", "erlang"),
    ("clj cljs cljc edn", "clojure"),
    ("dart", "dart"),
    ("zig", "zig"),
    ("nim", "nim"),
    ("d", "d"),
    ("m mm", "objective-c"),
    ("vb", "visual-basic"),
    ("pas", "pascal"),
    ("f f90 f95", "fortran"),
    ("asm s", "assembly"),
    ("lisp cl el scm rkt", "lisp"),
    ("css scss sass less", "css"),
    ("vue", "vue"),
    ("svelte", "svelte"),
    ("proto", "protobuf"),
    ("graphql gql", "graphql"),
    ("tf tfvars hcl", "hcl"),
    ("nix", "nix"),
    ("cmake", "cmake"),
    ("mk", "make"),
    ("ps1 psm1", "powershell"),
    ("bat cmd", "batch"),
    ("vim", "vim"),
    ("diff patch", "diff"),
];

/// Well-known names (in lower case, separated by spaces) of files that are source code.
const CODE_NAMES: &[(&str, &str)] = &[
    ("makefile gnumakefile", "make"),
    ("dockerfile containerfile", "dockerfile"),
    ("cmakelists.txt", "cmake"),
    ("justfile", "just"),
    ("rakefile gemfile vagrantfile", "ruby"),
    ("jenkinsfile", "groovy"),
];

/// Well-known names (in lower case) of files that are text, whatever their ending.
const TEXT_NAMES: &str = "readme license licence copying copyright authors contributors changelog changes news todo \
                          notice install maintainers security";

/// Programs in a `#!` line (without version digits), and the language they run.
const INTERPRETERS: &[(&str, &str)] = &[
    ("sh bash zsh ksh dash ash", "bash"),
    ("python pypy", "python"),
    ("node nodejs deno bun", "javascript"),
    ("ruby", "ruby"),
    ("php", "php"),
    ("perl", "perl"),
    ("lua luajit", "lua"),
    ("rscript", "r"),
];

/// Detects what a file is, from its name and its bytes.
///
/// # Errors
/// Why there is nothing to load, as a value to count and show.
pub fn detect(path: &Path, bytes: &[u8]) -> Result<Detected, SkipReason> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(SkipReason::Empty);
    }
    if bytes.starts_with(b"%PDF-") {
        return Ok(Detected::new(Format::Pdf));
    }
    let named = by_name(path);
    if let Some(office) = office(&named, bytes) {
        return office;
    }
    match named {
        ByName::Known(known) if known.format == Format::Pdf => Ok(known), // the header may stand a little later
        ByName::Known(_) | ByName::Open if is_binary(bytes) => Err(SkipReason::Binary),
        ByName::Known(known) => Ok(known),
        ByName::Open => Ok(shebang(bytes).map_or(Detected::new(Format::Text), Detected::code)),
        ByName::Unknown(ending) => Err(SkipReason::UnknownType(ending)),
    }
}

/// Detects what a name alone says.
pub(crate) fn by_name(path: &Path) -> ByName {
    let lower = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().to_lowercase());
    let Some(name) = lower(path.file_name()) else { return ByName::Open };
    if let Some(language) = find(CODE_NAMES, &name) {
        return ByName::Known(Detected::code(language));
    }
    if let Some(ending) = lower(path.extension()) {
        if let Some(format) = find(DOCUMENTS, &ending) {
            return ByName::Known(Detected::new(format));
        }
        if let Some(language) = find(LANGUAGES, &ending) {
            return ByName::Known(Detected::code(language));
        }
        if !is_text_name(lower(path.file_stem())) {
            return ByName::Unknown(ending);
        }
    }
    match is_text_name(lower(path.file_stem())) {
        true => ByName::Known(Detected::new(Format::Text)),
        false => ByName::Open,
    }
}

fn find<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(words, _)| words.split_whitespace().any(|known| known == word)).map(|(_, value)| *value)
}

fn is_text_name(stem: Option<String>) -> bool {
    stem.is_some_and(|stem| TEXT_NAMES.split_whitespace().any(|known| known == stem))
}

/// Says what an Office file is, if the bytes or the name say that it is one.
fn office(named: &ByName, bytes: &[u8]) -> Option<Result<Detected, SkipReason>> {
    let docx = Detected::new(Format::Docx);
    let is_named = *named == ByName::Known(docx);
    // A Word file with a password is a compound file (MS-CFB) around the encrypted archive (MS-OFFCRYPTO).
    if is_named && bytes.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        return Some(Err(SkipReason::Encrypted));
    }
    if bytes.starts_with(b"PK\x03\x04") {
        // Bit 0 of the flags at offset 6 says that the entry is encrypted (APPNOTE.TXT 4.4.4).
        if bytes.get(6).is_some_and(|flags| flags & 1 == 1) {
            return Some(Err(SkipReason::Encrypted));
        }
        let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
        let is_word = sample.windows(5).any(|window| window == b"word/");
        if is_named || is_word {
            return Some(Ok(docx));
        }
    }
    is_named.then_some(Ok(docx))
}

/// Tells whether bytes are not text: they hold a NUL or too many control characters. A byte order mark of UTF-16
/// says that NULs are to be expected.
fn is_binary(bytes: &[u8]) -> bool {
    let is_utf32 = bytes.starts_with(b"\xFF\xFE\0\0");
    if !is_utf32 && (bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF")) {
        return false;
    }
    let sample = &bytes[..bytes.len().min(SAMPLE_BYTES)];
    let is_control = |byte: &&u8| matches!(byte, 0x00..=0x07 | 0x0E..=0x1A | 0x1C..=0x1F | 0x7F);
    sample.iter().filter(is_control).count() > sample.len() / BYTES_PER_CONTROL_MIN || bytes.contains(&0)
}

/// Finds the language in a `#!` line: `#!/usr/bin/env -S python3 -u` is `python`.
fn shebang(bytes: &[u8]) -> Option<&'static str> {
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let program = match words.next()? {
        "env" => words.find(|word| !word.starts_with('-') && !word.contains('='))?,
        program => program,
    };
    let program = program.to_lowercase();
    find(INTERPRETERS, program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "`expect!` gives a value")]
    fn check(name: &str, bytes: &[u8], expected: Expect) {
        let seen = match detect(Path::new(name), bytes) {
            Ok(Detected { format, language: Some(language) }) => format!("{} ({language})", format.name()),
            Ok(Detected { format, language: None }) => format.name().to_owned(),
            Err(reason) => format!("skipped: {reason}"),
        };
        expected.assert_eq(&seen);
    }

    #[test]
    fn the_ending_says_the_format() {
        check("a.md", b"# A", expect!["markdown"]);
        check("A.HTM", b"<p>", expect!["html"]);
        check("🦀 notes.Rs", b"fn main() {}", expect!["code (rust)"]);
        check("a.tsx", b"x", expect!["code (tsx)"]);
        check("deploy.yml", b"a: 1", expect!["code (yaml)"]);
        check("a.tar.gz", b"text?", expect!["skipped: unknown type `.gz`"]);
        check("song.MP3", b"ID3", expect!["skipped: unknown type `.mp3`"]);
    }

    #[test]
    fn names_without_an_ending_are_text_if_the_bytes_are() {
        check("README", b"hello", expect!["text"]);
        check("README.fr", b"salut", expect!["text"]);
        check("Makefile", b"all:", expect!["code (make)"]);
        check("CMakeLists.txt", b"project(a)", expect!["code (cmake)"]);
        check("run", b"#!/usr/bin/env -S python3.12 -u\n", expect!["code (python)"]);
        check("run", b"#!/bin/sh\n", expect!["code (bash)"]);
        check("run", b"#!", expect!["text"]);
        check("a.out", b"\x7fELF\x02\x01\x01\0", expect!["skipped: unknown type `.out`"]);
        check("tool", b"\x7fELF\x02\x01\x01\0", expect!["skipped: binary"]);
    }

    #[test]
    fn the_bytes_overrule_the_ending() {
        check("a.txt", b"%PDF-1.7", expect!["pdf"]);
        check("a.unknown", b"%PDF-1.7", expect!["pdf"]);
        check("a.md", b"text\0text", expect!["skipped: binary"]);
        check("a.txt", &[7u8; 100], expect!["skipped: binary"]);
        check("a.txt", b"\xFF\xFEh\0i\0", expect!["text"]);
        check("a.txt", b"\xFF\xFE\0\0h\0\0\0", expect!["skipped: binary"]);
        check("a.txt", b" \n\t", expect!["skipped: empty"]);
        check("a.pdf", b"", expect!["skipped: empty"]);
    }

    #[test]
    fn office_files_are_told_apart() {
        check("a.docx", b"PK\x03\x04\x14\0\0\0", expect!["docx"]);
        check("a.docx", b"PK\x03\x04\x14\0\x01\0", expect!["skipped: encrypted"]);
        check("a.docx", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", expect!["skipped: encrypted"]);
        check("report", b"PK\x03\x04\x14\0\0\0......word/document.xml", expect!["docx"]);
        check("a.txt", b"PK\x03\x04\x14\0\0\0", expect!["skipped: binary"]);
    }

    #[test]
    fn no_ending_stands_in_two_rows() {
        let mut seen = std::collections::HashSet::new();
        let rows = DOCUMENTS.iter().map(|row| row.0).chain(LANGUAGES.iter().map(|row| row.0));
        for ending in rows.flat_map(str::split_whitespace) {
            assert!(seen.insert(ending), "`.{ending}` stands twice");
            assert_eq!(ending, ending.to_lowercase());
        }
    }
}
