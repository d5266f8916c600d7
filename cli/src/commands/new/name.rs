//! The name of a crate, checked: a project should not fail by its name, nor say so only when it is built.

use anyhow::Result;

use super::template;
use crate::args::new::Template;
use crate::exit::Misuse;

/// What crates.io takes.
const LENGTH_MAX: usize = 64;

/// Keywords of edition 2024, strict and reserved; those with capitals are no names anyway.
/// <https://doc.rust-lang.org/reference/keywords.html>
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Crates that come with the compiler, and folders that cargo keeps beside a program.
const TAKEN: &[&str] = &["alloc", "build", "core", "deps", "examples", "incremental", "proc_macro", "std", "test"];

/// A name that cargo and the compiler take for a project of a template.
#[derive(Debug)]
pub(super) struct CrateName(String);

impl CrateName {
    /// Checks a name.
    pub(super) fn new(name: &str, template: Template) -> Result<Self> {
        let dependencies = template::dependencies(template)?;
        match fault(name, &dependencies) {
            Some(fault) => Err(Misuse(format!("`{name}` is no name for a crate: {fault}")).into()),
            None => Ok(Self(name.to_owned())),
        }
    }

    /// Returns the name.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as code says it.
    pub(super) fn identifier(&self) -> String {
        identifier(&self.0)
    }
}

fn identifier(name: &str) -> String {
    name.replace('-', "_")
}

/// Says what is wrong with a name, and what to give instead.
fn fault(name: &str, dependencies: &[String]) -> Option<String> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let identifier = identifier(name);
    if name.contains(std::path::is_separator) {
        return Some("it is a path; give a word, and the folder with `--path`".to_owned());
    }
    if name.len() > LENGTH_MAX {
        return Some(format!("it is longer than {LENGTH_MAX} letters"));
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_allowed) {
        return Some("use the letters a to z, digits, `-` and `_`, and begin with a letter".to_owned());
    }
    if KEYWORDS.contains(&identifier.as_str()) {
        return Some("it is a word of the language; give another".to_owned());
    }
    if TAKEN.contains(&identifier.as_str()) {
        return Some("Rust has its own use for it; give another".to_owned());
    }
    let is_dependency = dependencies.iter().any(|dependency| self::identifier(dependency) == identifier);
    is_dependency.then(|| "the project uses a crate of this name; give another".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let fault = fault(name, &["serde_json".to_owned()]);
        let is_expected = match (fault.as_deref(), expected) {
            (Some(fault), Some(expected)) => fault.contains(expected),
            (fault, expected) => fault == expected,
        };
        assert!(is_expected, "{name}: {fault:?}");
    }

    #[test]
    fn a_name_is_what_cargo_and_the_compiler_take() {
        for name in ["a", "my-agent", "my_agent2", "for-each", "core-values", &"a".repeat(64)] {
            check(name, None);
        }
        for name in ["", "2fast", "-a", "_a", "My-Agent", "näher", "a b", "a.b", "a\u{7}", "a\"\nb"] {
            check(name, Some("use the letters a to z"));
        }
        for name in ["./a", "a/b", "/"] {
            check(name, Some("`--path`"));
        }
        check(&"a".repeat(65), Some("longer than 64"));
        check("match", Some("a word of the language"));
        check("gen", Some("a word of the language"));
        check("proc-macro", Some("its own use"));
        check("deps", Some("its own use"));
        check("serde-json", Some("a crate of this name"));
        check("serde_json", Some("a crate of this name"));
    }
}
