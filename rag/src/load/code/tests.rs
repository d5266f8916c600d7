//! One small file in each language, and what must hold of any file.

use std::path::Path;

use expect_test::{Expect, expect};
use lorewell_model::Kind;
use proptest::prelude::*;

use super::{Code, LANGUAGES};
use crate::document::{Document, SourceMap, Warning};
use crate::load::Load;

fn load(ending: &str, source: &str) -> Document {
    let document = Code.load(Path::new(&format!("a.{ending}")), source.as_bytes()).unwrap();
    assert_sound(&document, source);
    document
}

/// The text is the file, blocks ascend, and all that is not blank is in one.
fn assert_sound(document: &Document, source: &str) {
    assert_eq!((document.text.as_str(), &document.source), (source, &SourceMap::Same));
    let mut at = 0;
    for block in &document.blocks {
        assert!(at <= block.range.start && block.range.start < block.range.end, "{block:?} after {at}");
        assert_eq!(source[at..block.range.start].trim(), "", "before {block:?}");
        at = block.range.end;
    }
    assert_eq!(source[at..].trim(), "");
    assert!(document.sections.is_sorted_by_key(|section| section.range.start));
    assert!(document.sections.iter().all(|section| source.get(section.range.clone()).is_some()));
}

/// Shows sections by rank, and blocks by kind and first and last line.
fn shown(document: &Document) -> String {
    let mut lines = String::new();
    for section in &document.sections {
        lines.push_str(&format!("{} {}\n", section.rank, section.title));
    }
    for block in &document.blocks {
        let mut inner = document.text[block.range.clone()].lines();
        let first = inner.next().unwrap_or_default();
        let last = inner.next_back().map(|last| format!(" … {}", last.trim())).unwrap_or_default();
        lines.push_str(&format!("{:?}: {first}{last}\n", block.kind));
    }
    lines
}

fn check(ending: &str, source: &str, expected: &Expect) {
    let document = load(ending, source);
    assert_eq!(document.warnings, []);
    expected.assert_eq(&shown(&document));
}

const RUST: &str = r#"//! A module about indexes.
//! It has two lines.

use std::fmt;

const LIMIT: usize = 3; // enough

/// An index.
#[derive(Debug)]
pub struct Index(u8);

impl fmt::Display for Index {
    /// Writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

// A remark on its own.

fn open() -> Index { Index(1) }
"#;

#[test]
fn rust() {
    check(
        "rs",
        RUST,
        &expect![[r#"
            1 const LIMIT
            1 struct Index
            1 impl fmt::Display for Index
            2 fn fmt
            1 fn open
            Paragraph: //! A module about indexes. … //! It has two lines.
            Listing: use std::fmt;
            CodeItem: const LIMIT: usize = 3; // enough
            CodeItem: /// An index. … pub struct Index(u8);
            CodeItem: impl fmt::Display for Index { … }
            Paragraph: // A remark on its own.
            CodeItem: fn open() -> Index { Index(1) }
        "#]],
    );
}

#[test]
fn python() {
    let source = "\"\"\"Docs.\"\"\"\nimport os\n\n# Opens it.\n@cache\ndef open(path):\n    return 1\n\nclass Index(Base):\n    \"\"\"An index.\"\"\"\n    def find(self):\n        pass\n\nif __name__ == '__main__':\n    open('a')\n";
    check(
        "py",
        source,
        &expect![[r#"
        1 def open
        1 class Index
        2 def find
        Listing: """Docs.""" … import os
        CodeItem: # Opens it. … return 1
        CodeItem: class Index(Base): … pass
        Listing: if __name__ == '__main__': … open('a')
    "#]],
    );
}

#[test]
fn javascript() {
    let source = "import a from 'a';\n\n/** Opens. */\nexport function open() {}\n\nexport default class Index {\n  find() { return 1; }\n}\n\nconst close = () => {};\nmodule.exports = { close };\n";
    check(
        "js",
        source,
        &expect![[r#"
        1 function open
        1 class Index
        2 method find
        1 const close
        Listing: import a from 'a';
        CodeItem: /** Opens. */ … export function open() {}
        CodeItem: export default class Index { … }
        CodeItem: const close = () => {};
        Listing: module.exports = { close };
    "#]],
    );
}

#[test]
fn typescript() {
    let source = "export interface Index { find(): number }\n\ntype Id = string;\n\nexport enum Kind { A }\n\nnamespace Inner {\n  export function open(): void {}\n}\n\nexport abstract class Base {\n  abstract find(): number;\n}\n";
    check(
        "ts",
        source,
        &expect![[r#"
        1 interface Index
        1 type Id
        1 enum Kind
        1 namespace Inner
        2 function open
        1 class Base
        2 method find
        CodeItem: export interface Index { find(): number }
        CodeItem: type Id = string;
        CodeItem: export enum Kind { A }
        CodeItem: namespace Inner { … }
        CodeItem: export abstract class Base { … }
    "#]],
    );
}

#[test]
fn tsx() {
    check(
        "tsx",
        "export const Page = () => <p>Hello</p>;\n",
        &expect![[r#"
        1 const Page
        CodeItem: export const Page = () => <p>Hello</p>;
    "#]],
    );
}

#[test]
fn go() {
    let source = "package kb\n\nimport \"fmt\"\n\n// Index is one.\ntype Index struct{ n int }\n\nconst (\n\tA = 1\n\tB = 2\n)\n\n// Open opens.\nfunc (i *Index) Open(path string) error { return nil }\n\nfunc main() { fmt.Println() }\n";
    check(
        "go",
        source,
        &expect![[r#"
        1 type Index
        1 const A
        1 func (i *Index) Open
        1 func main
        Listing: package kb … import "fmt"
        CodeItem: // Index is one. … type Index struct{ n int }
        CodeItem: const ( … )
        CodeItem: // Open opens. … func (i *Index) Open(path string) error { return nil }
        CodeItem: func main() { fmt.Println() }
    "#]],
    );
}

#[test]
fn java() {
    let source = "package kb;\n\n/** An index. */\n@Deprecated\npublic class Index {\n  private int n;\n  public Index() {}\n  int find() { return n; }\n  enum Kind { A, B }\n}\n";
    check(
        "java",
        source,
        &expect![[r#"
        1 class Index
        2 constructor Index
        2 method find
        2 enum Kind
        Listing: package kb;
        CodeItem: /** An index. */ … }
    "#]],
    );
}

#[test]
fn c() {
    let source = "#include <stdio.h>\n#define SQUARE(x) ((x) * (x))\n\n/* A node. */\nstruct node { int n; };\n\ntypedef struct node node_t;\n\n#ifdef DEBUG\nstatic char *name(void) { return \"a\"; }\n#endif\n\nint main(void) { return 0; }\n";
    check(
        "c",
        source,
        &expect![[r#"
        1 #define SQUARE
        1 struct node
        1 typedef node_t
        1 name
        1 main
        Listing: #include <stdio.h>
        CodeItem: #define SQUARE(x) ((x) * (x))
        CodeItem: /* A node. */ … struct node { int n; };
        CodeItem: typedef struct node node_t;
        Listing: #ifdef DEBUG
        CodeItem: static char *name(void) { return "a"; }
        Listing: #endif
        CodeItem: int main(void) { return 0; }
    "#]],
    );
}

#[test]
fn cpp() {
    let source = "namespace kb {\n\ntemplate <typename T>\nclass Index : public Base {\n public:\n  int find() const { return n; }\n};\n\nint Index<int>::open() { return 1; }\n\n}  // namespace kb\n";
    check(
        "cpp",
        source,
        &expect![[r#"
        1 namespace kb
        2 class Index
        3 find
        2 Index<int>::open
        CodeItem: namespace kb { … }  // namespace kb
    "#]],
    );
}

#[test]
fn csharp() {
    let source = "using System;\n\nnamespace Kb;\n\n/// <summary>An index.</summary>\npublic class Index {\n  public int Count { get; set; }\n  public Index() { }\n  int Find() => 1;\n}\n";
    check(
        "cs",
        source,
        &expect![[r#"
        1 class Index
        2 property Count
        2 constructor Index
        2 method Find
        Listing: using System; … namespace Kb;
        CodeItem: /// <summary>An index.</summary> … }
    "#]],
    );
}

#[test]
fn ruby() {
    let source = "require 'a'\n\n# An index.\nmodule Kb\n  class Index < Base\n    def find(a)\n      1\n    end\n\n    def self.open\n    end\n  end\nend\n";
    check(
        "rb",
        source,
        &expect![[r#"
            1 module Kb
            2 class Index
            3 def find
            3 def self.open
            Listing: require 'a'
            CodeItem: # An index. … end
        "#]],
    );
}

#[test]
fn php() {
    let source = "<?php\nnamespace Kb;\n\n/** An index. */\nfinal class Index {\n  public function find(): int { return 1; }\n}\n\nfunction open() {}\n?>\n<p>Hello</p>\n";
    check(
        "php",
        source,
        &expect![[r#"
        1 namespace Kb
        1 class Index
        2 function find
        1 function open
        Listing: <?php
        CodeItem: namespace Kb;
        CodeItem: /** An index. */ … }
        CodeItem: function open() {}
        Listing: ?> … <p>Hello</p>
    "#]],
    );
}

#[test]
fn bash() {
    check(
        "sh",
        "#!/bin/sh\nset -e\n\n# Greets.\ngreet() {\n  echo hello\n}\n\ngreet\n",
        &expect![[r#"
        1 function greet
        Listing: #!/bin/sh … set -e
        CodeItem: # Greets. … }
        Listing: greet
    "#]],
    );
}

#[test]
fn long_containers_are_cut_into_members() {
    let body = "        let x = 1;\n".repeat(40);
    let source = format!(
        "impl Index {{\n    /// One.\n    fn one() {{\n{body}    }}\n\n    const N: u8 = 1;\n\n    fn two() {{\n{body}    }}\n}}\n"
    );
    check(
        "rs",
        &source,
        &expect![[r#"
        1 impl Index
        2 fn one
        2 const N
        2 fn two
        CodeItem: impl Index {
        CodeItem:     /// One. … }
        CodeItem:     const N: u8 = 1;
        CodeItem:     fn two() { … }
    "#]],
    );
}

#[test]
fn nonsense_is_read_by_lines() {
    let document = load("rs", "this is ((( not rust ]]] at all }}}\n\nand neither is this:: ;;; <<<\n");
    assert!(
        matches!(&document.warnings[..], [Warning::Other { message }] if message.contains("by lines")),
        "{document:?}"
    );
    assert_eq!((document.blocks.len(), document.sections.len()), (1, 0));
}

#[test]
fn an_error_in_one_item_leaves_the_others() {
    let document = load("rs", &format!("{RUST}\nfn broken( {{ let = ; }}\n\nfn last() {{}}\n"));
    assert_eq!(document.warnings, []);
    assert_eq!(document.sections.last().map(|section| section.title.as_str()), Some("fn last"));
}

#[test]
fn deep_nesting_and_large_files_are_survived() {
    let deep = format!("fn f() {{ {}1{} }}", "(".repeat(20_000), ")".repeat(20_000));
    assert_eq!(load("rs", &deep).blocks.len(), 1);
    let modules = format!("{}{}", "mod m { ".repeat(2_000), "}".repeat(2_000));
    assert_eq!(load("rs", &modules).sections.last().map(|section| section.rank), Some(u8::MAX));
    let large = "x = 1\n".repeat(super::CODE_BYTES_MAX / 6 + 1);
    assert!(matches!(&load("py", &large).warnings[..], [Warning::Other { message }] if message.contains("8 MiB")));
}

#[test]
fn what_drives_a_grammar_into_a_corner_is_given_up_by_counting() {
    let source = "f(a){".repeat(12_000);
    let document = load("sh", &source);
    assert!(
        matches!(&document.warnings[..], [Warning::Other { message }] if message.contains("13750 steps")),
        "{:?}",
        document.warnings
    );
    assert_eq!(load("sh", &source), document);
}

/// Each item and each comment asks for its line, which may be the whole file, and each container for its lines. Where
/// that is not found once and for all, this takes minutes.
#[test]
fn items_on_one_line_and_deep_containers_stay_cheap() {
    let line = format!("{}{}", " ".repeat(4_000_000), "/* c */ fn f(){} ".repeat(20_000));
    assert_eq!(load("rs", &line).sections.len(), 20_000);
    let deep = format!("{}{}{}", "mod m {\n".repeat(3_000), "\n".repeat(1_000_000), "}".repeat(3_000));
    assert_eq!(load("rs", &deep).sections.len(), 3_000);
}

#[test]
fn titles_are_short_however_long_the_item() {
    let source = format!("impl{}A for B {{ fn f() {{}} }}", " ".repeat(100));
    assert_eq!(load("rs", &source).sections[0].title, "impl A for B");
    let source = format!("impl {} {{}}", "A".repeat(5_000));
    assert_eq!(load("rs", &source).sections[0].title.len(), super::TITLE_CHARS_MAX);
}

#[test]
fn other_files_are_refused() {
    assert_eq!(Code.load(Path::new("a.txt"), b"").unwrap_err().kind(), Kind::BadInput);
    assert_eq!(Code.load(Path::new("a.rs"), b"\xff").unwrap_err().kind(), Kind::BadInput);
    assert_eq!(Code::language(Path::new("A.RS")), Some("rust"));
}

/// A misspelt kind or field would never match and never be missed.
#[test]
fn the_table_names_what_the_grammars_have() {
    for language in &LANGUAGES {
        let grammar = (language.grammar)();
        let mut kinds: Vec<&str> = language.items.iter().map(|item| item.kind).collect();
        kinds.extend(language.wrappers.iter().chain(language.groups).chain(language.attached));
        for kind in kinds {
            let shared =
                language.name == "javascript" && !grammar.node_kind_is_named(grammar.id_for_node_kind(kind, true));
            assert!(shared || grammar.id_for_node_kind(kind, true) != 0, "{} has no `{kind}`", language.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn nothing_is_lost_whatever_the_file(
        language in 0..LANGUAGES.len(),
        pieces in proptest::collection::vec(prop_oneof![
            "[a-z ]{0,9}", Just("\n".to_owned()), Just("\n\n".to_owned()), Just("/* c */".to_owned()),
            Just("// c\n".to_owned()), Just("# c\n".to_owned()), Just("fn f() {}".to_owned()), Just("class A {".to_owned()),
            Just("impl A {\n".to_owned()), Just("def f(a):\n  1\n".to_owned()), Just("}".to_owned()), Just("é🦀".to_owned()),
        ], 0..60),
    ) {
        load(LANGUAGES[language].endings[0], &pieces.concat());
    }
}
