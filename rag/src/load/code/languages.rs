//! What is an item in each language: one table. Names of kinds and fields are those of the grammars.

use tree_sitter::Language as Grammar;

/// A programming language and what its grammar calls things.
#[derive(Debug)]
pub(super) struct Language {
    /// As in [`Document::language`](crate::document::Document::language).
    pub(super) name: &'static str,
    /// Endings of its files.
    pub(super) endings: &'static [&'static str],
    pub(super) grammar: fn() -> Grammar,
    pub(super) items: &'static [Item],
    /// Nodes that only dress up an item: `export`, decorators, `template <…>`.
    pub(super) wrappers: &'static [&'static str],
    /// Nodes that only gather items: `#ifdef`, `extern "C"`.
    pub(super) groups: &'static [&'static str],
    /// Nodes that belong to the item after them: comments, attributes.
    pub(super) attached: &'static [&'static str],
}

/// A kind of node that is an item.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) kind: &'static str,
    pub(super) title: Title,
    /// Whether it holds items in its `body`.
    pub(super) is_container: bool,
}

/// What to call an item.
#[derive(Debug)]
pub(super) enum Title {
    /// A keyword and the text of this field.
    Name(&'static str, &'static str),
    /// The source up to this field: `impl Index for Memory`.
    Until(&'static str),
    /// A keyword and the name at the end of a chain of declarators, as in C.
    Declarator(&'static str),
    /// A keyword and the name of the first child of this kind: `const` and the first `variable_declarator`.
    Child(&'static str, &'static str),
}

use Title::{Child, Declarator, Name, Until};

const fn leaf(kind: &'static str, title: Title) -> Item {
    Item { kind, title, is_container: false }
}

const fn container(kind: &'static str, title: Title) -> Item {
    Item { kind, title, is_container: true }
}

pub(super) const LANGUAGES: [Language; 13] = [
    Language {
        name: "rust",
        endings: &["rs"],
        grammar: || tree_sitter_rust::LANGUAGE.into(),
        items: &[
            leaf("function_item", Name("fn", "name")),
            leaf("function_signature_item", Name("fn", "name")),
            leaf("struct_item", Name("struct", "name")),
            leaf("enum_item", Name("enum", "name")),
            leaf("union_item", Name("union", "name")),
            leaf("type_item", Name("type", "name")),
            leaf("const_item", Name("const", "name")),
            leaf("static_item", Name("static", "name")),
            leaf("macro_definition", Name("macro", "name")),
            container("impl_item", Until("body")),
            container("trait_item", Name("trait", "name")),
            container("mod_item", Name("mod", "name")),
        ],
        wrappers: &[],
        groups: &["foreign_mod_item", "declaration_list"],
        attached: &["line_comment", "block_comment", "attribute_item"],
    },
    Language {
        name: "python",
        endings: &["py", "pyi", "pyw"],
        grammar: || tree_sitter_python::LANGUAGE.into(),
        items: &[
            leaf("function_definition", Name("def", "name")),
            container("class_definition", Name("class", "name")),
        ],
        wrappers: &["decorated_definition"],
        groups: &["if_statement", "try_statement", "block"],
        attached: &["comment"],
    },
    Language {
        name: "javascript",
        endings: &["js", "mjs", "cjs", "jsx"],
        grammar: || tree_sitter_javascript::LANGUAGE.into(),
        items: SCRIPT_ITEMS,
        wrappers: &["export_statement"],
        groups: &[],
        attached: &["comment", "decorator"],
    },
    Language {
        name: "typescript",
        endings: &["ts", "mts", "cts"],
        grammar: || tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
        items: SCRIPT_ITEMS,
        wrappers: SCRIPT_WRAPPERS,
        groups: &[],
        attached: &["comment", "decorator"],
    },
    Language {
        name: "tsx",
        endings: &["tsx"],
        grammar: || tree_sitter_typescript::LANGUAGE_TSX.into(),
        items: SCRIPT_ITEMS,
        wrappers: SCRIPT_WRAPPERS,
        groups: &[],
        attached: &["comment", "decorator"],
    },
    Language {
        name: "go",
        endings: &["go"],
        grammar: || tree_sitter_go::LANGUAGE.into(),
        items: &[
            leaf("function_declaration", Name("func", "name")),
            leaf("method_declaration", Until("parameters")),
            leaf("type_declaration", Child("type", "type_spec")),
            leaf("const_declaration", Child("const", "const_spec")),
            leaf("var_declaration", Child("var", "var_spec")),
        ],
        wrappers: &[],
        groups: &[],
        attached: &["comment"],
    },
    Language {
        name: "java",
        endings: &["java"],
        grammar: || tree_sitter_java::LANGUAGE.into(),
        items: &[
            container("class_declaration", Name("class", "name")),
            container("interface_declaration", Name("interface", "name")),
            container("enum_declaration", Name("enum", "name")),
            container("record_declaration", Name("record", "name")),
            container("annotation_type_declaration", Name("@interface", "name")),
            leaf("method_declaration", Name("method", "name")),
            leaf("constructor_declaration", Name("constructor", "name")),
            leaf("compact_constructor_declaration", Name("constructor", "name")),
        ],
        wrappers: &[],
        groups: &["enum_body_declarations"],
        attached: &["line_comment", "block_comment"],
    },
    Language {
        name: "c",
        endings: &["c", "h"],
        grammar: || tree_sitter_c::LANGUAGE.into(),
        items: &[
            leaf("function_definition", Declarator("")),
            leaf("struct_specifier", Name("struct", "name")),
            leaf("union_specifier", Name("union", "name")),
            leaf("enum_specifier", Name("enum", "name")),
            leaf("type_definition", Declarator("typedef")),
            leaf("preproc_function_def", Name("#define", "name")),
        ],
        wrappers: &[],
        groups: C_GROUPS,
        attached: &["comment"],
    },
    Language {
        name: "cpp",
        endings: &["cc", "cpp", "cxx", "c++", "hh", "hpp", "hxx", "h++", "ipp"],
        grammar: || tree_sitter_cpp::LANGUAGE.into(),
        items: &[
            leaf("function_definition", Declarator("")),
            container("class_specifier", Name("class", "name")),
            container("struct_specifier", Name("struct", "name")),
            leaf("union_specifier", Name("union", "name")),
            leaf("enum_specifier", Name("enum", "name")),
            leaf("type_definition", Declarator("typedef")),
            leaf("alias_declaration", Name("using", "name")),
            leaf("concept_definition", Name("concept", "name")),
            leaf("preproc_function_def", Name("#define", "name")),
            container("namespace_definition", Name("namespace", "name")),
        ],
        wrappers: &["template_declaration"],
        groups: C_GROUPS,
        attached: &["comment"],
    },
    Language {
        name: "csharp",
        endings: &["cs"],
        grammar: || tree_sitter_c_sharp::LANGUAGE.into(),
        items: &[
            container("namespace_declaration", Name("namespace", "name")),
            container("class_declaration", Name("class", "name")),
            container("struct_declaration", Name("struct", "name")),
            container("interface_declaration", Name("interface", "name")),
            container("record_declaration", Name("record", "name")),
            leaf("enum_declaration", Name("enum", "name")),
            leaf("delegate_declaration", Name("delegate", "name")),
            leaf("method_declaration", Name("method", "name")),
            leaf("constructor_declaration", Name("constructor", "name")),
            leaf("destructor_declaration", Name("destructor", "name")),
            leaf("property_declaration", Name("property", "name")),
        ],
        wrappers: &[],
        groups: &["preproc_if", "preproc_else", "preproc_elif", "declaration_list"],
        attached: &["comment"],
    },
    Language {
        name: "ruby",
        endings: &["rb", "rake", "gemspec"],
        grammar: || tree_sitter_ruby::LANGUAGE.into(),
        items: &[
            container("module", Name("module", "name")),
            container("class", Name("class", "name")),
            container("singleton_class", Until("body")),
            leaf("method", Name("def", "name")),
            leaf("singleton_method", Until("body")),
        ],
        wrappers: &[],
        groups: &[],
        attached: &["comment"],
    },
    Language {
        name: "php",
        endings: &["php", "phtml"],
        grammar: || tree_sitter_php::LANGUAGE_PHP.into(),
        items: &[
            container("namespace_definition", Name("namespace", "name")),
            container("class_declaration", Name("class", "name")),
            container("interface_declaration", Name("interface", "name")),
            container("trait_declaration", Name("trait", "name")),
            container("enum_declaration", Name("enum", "name")),
            leaf("function_definition", Name("function", "name")),
            leaf("method_declaration", Name("function", "name")),
        ],
        wrappers: &[],
        groups: &[],
        attached: &["comment"],
    },
    Language {
        name: "bash",
        endings: &["sh", "bash", "zsh", "ksh"],
        grammar: || tree_sitter_bash::LANGUAGE.into(),
        items: &[leaf("function_definition", Name("function", "name"))],
        wrappers: &[],
        groups: &[],
        attached: &["comment"],
    },
];

/// JavaScript and what was made of it. A constant is an item for the functions that are bound to it.
const SCRIPT_ITEMS: &[Item] = &[
    leaf("function_declaration", Name("function", "name")),
    leaf("generator_function_declaration", Name("function", "name")),
    leaf("function_signature", Name("function", "name")),
    leaf("method_definition", Name("method", "name")),
    leaf("abstract_method_signature", Name("method", "name")),
    leaf("lexical_declaration", Child("const", "variable_declarator")),
    leaf("interface_declaration", Name("interface", "name")),
    leaf("type_alias_declaration", Name("type", "name")),
    leaf("enum_declaration", Name("enum", "name")),
    container("class_declaration", Name("class", "name")),
    container("abstract_class_declaration", Name("class", "name")),
    container("internal_module", Name("namespace", "name")),
    container("module", Name("module", "name")),
];

const SCRIPT_WRAPPERS: &[&str] = &["export_statement", "ambient_declaration", "expression_statement"];

const C_GROUPS: &[&str] = &[
    "preproc_if",
    "preproc_ifdef",
    "preproc_else",
    "preproc_elif",
    "preproc_elifdef",
    "linkage_specification",
    "declaration_list",
];
