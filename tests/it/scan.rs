//! Just enough reading of Rust for the tidiness tests: where literals and comments lie, where functions begin and end.
//!
//! A real parser would be a heavy dependency for counting lines. This one only has to be right about what can hold a
//! brace: strings of all kinds, character literals, and comments, nested ones too.

use std::ops::Range;

/// A function with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// The line of its `fn`, from 1.
    pub(crate) line: usize,
    /// Lines from its `fn` to its closing brace. A literal counts as one line however many it spans, for an inline
    /// snapshot is data.
    pub(crate) lines: usize,
}

/// Returns the functions of a file, nested ones too, in order of their names' positions.
pub(crate) fn functions(source: &str) -> Vec<Function> {
    let code = code(source);
    let words = words(&code);
    let mut functions = Vec::new();
    for pair in words.windows(2) {
        let (keyword, name) = (&code[pair[0].clone()], &code[pair[1].clone()]);
        let adjacent = code[pair[0].end..pair[1].start].trim().is_empty();
        if keyword != "fn" || !adjacent {
            continue;
        }
        let Some(body) = body(&code, pair[1].end) else { continue };
        let line = 1 + source[..pair[0].start].matches('\n').count();
        let lines = 1 + code[pair[0].start..body.end].matches('\n').count();
        functions.push(Function { name: name.to_owned(), line, lines });
    }
    functions
}

/// Returns the lines of a file that are not part of a `#[cfg(test)] mod … { … }`.
pub(crate) fn lines_without_tests(source: &str) -> usize {
    let code = code(source);
    let mut tests = 0;
    for (at, attribute) in code.match_indices("#[cfg(test)]") {
        let rest = code[at + attribute.len()..].trim_start();
        if !rest.starts_with("mod ") {
            continue;
        }
        if let Some(body) = body(&code, code.len() - rest.len()) {
            tests += 1 + source[at..body.end].matches('\n').count();
        }
    }
    source.lines().count() - tests
}

/// Returns the names of the modules that a file declares or holds.
pub(crate) fn modules(source: &str) -> Vec<String> {
    let code = code(source);
    let words = words(&code);
    let declared = words.windows(2).filter(|pair| &code[pair[0].clone()] == "mod");
    declared.map(|pair| code[pair[1].clone()].to_owned()).collect()
}

/// Returns the macros that a file calls, without their `!`.
pub(crate) fn macros(source: &str) -> Vec<String> {
    let code = code(source);
    let words = words(&code);
    let called = words.iter().filter(|word| code[word.end..].starts_with('!') && !code[word.end..].starts_with("!="));
    called.map(|word| code[word.clone()].to_owned()).collect()
}

/// Returns the source with every byte of a comment or literal made a space, except the line ends in comments.
/// Offsets stay what they were.
pub(crate) fn code(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let Some((end, is_comment)) = skip(bytes, at) else {
            at += 1;
            continue;
        };
        for byte in &mut code[at..end] {
            if !(is_comment && *byte == b'\n') {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8(code).expect("whole literals and comments were replaced, and both end on character boundaries")
}

/// Returns where the comment or literal that starts here ends, and whether it is a comment.
fn skip(bytes: &[u8], at: usize) -> Option<(usize, bool)> {
    let rest = &bytes[at..];
    match rest[0] {
        b'/' if rest.starts_with(b"//") => Some((at + line_comment(rest), true)),
        b'/' if rest.starts_with(b"/*") => Some((at + block_comment(rest), true)),
        b'"' => Some((at + quoted(rest, b'"'), false)),
        b'\'' => character(rest).map(|length| (at + length, false)),
        b'r' | b'b' | b'c' if at == 0 || !is_word(bytes[at - 1]) => raw(rest).map(|length| (at + length, false)),
        _ => None,
    }
}

fn line_comment(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// Length of a literal that starts and ends with a quote, in which a backslash protects what follows.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Length of a character literal. `'a'` is one, `'a` is a lifetime: only a quote after one character tells.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        return Some(quoted(rest, b'\''));
    }
    let width = match rest.get(1)? {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    };
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

/// Length of a raw string: `r`, `br` or `cr`, any number of `#`, a quote, and the same at the end.
fn raw(rest: &[u8]) -> Option<usize> {
    let prefix = if rest[0] == b'r' { 1 } else { 2 };
    if rest.get(prefix - 1) != Some(&b'r') {
        return None;
    }
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let body = prefix + hashes + 1;
    if rest.get(body - 1) != Some(&b'"') {
        return None;
    }
    let mut end = vec![b'"'];
    end.resize(hashes + 1, b'#');
    let length = rest[body..].windows(end.len()).position(|window| window == end);
    Some(length.map_or(rest.len(), |length| body + length + end.len()))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn words(code: &str) -> Vec<Range<usize>> {
    let bytes = code.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|byte| is_word(**byte)).count();
        if length > 0 {
            words.push(at..at + length);
        }
        at += length.max(1);
    }
    words
}

/// Returns the braces that open first outside parentheses and brackets, or nothing if a `;` comes before them.
fn body(code: &str, from: usize) -> Option<Range<usize>> {
    let bytes = code.as_bytes();
    let (mut depth, mut braces, mut start) = (0usize, 0usize, None);
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' if start.is_none() => depth += 1,
            b')' | b']' if start.is_none() => depth = depth.checked_sub(1)?,
            b';' if start.is_none() && depth == 0 => return None,
            b'{' if depth == 0 => {
                braces += 1;
                start = start.or(Some(at));
            }
            b'}' if depth == 0 => {
                braces = braces.checked_sub(1)?;
                if braces == 0 {
                    return start.map(|start| start..at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, expected: &[(&str, usize, usize)]) {
        let found = functions(source);
        let found: Vec<_> = found.iter().map(|found| (found.name.as_str(), found.line, found.lines)).collect();
        assert_eq!(found, expected, "{source}");
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_brace() {
        check("fn a() {}\n", &[("a", 1, 1)]);
        check("\nfn a(\n    b: u8,\n) -> u8 {\n    b\n}\n", &[("a", 2, 5)]);
        check("impl A {\n    fn a(&self) {\n        fn b() {\n        }\n    }\n}", &[("a", 2, 4), ("b", 3, 2)]);
        check("trait A {\n    fn a(&self) -> [u8; 4];\n    fn b() {\n    }\n}", &[("b", 3, 2)]);
        check("fn a<'a>(f: fn(u8) -> u8, x: &'a [u8; 3]) where [(); { 1 }]: Sized {\n}", &[("a", 1, 2)]);
    }

    #[test]
    fn braces_in_literals_and_comments_do_not_count() {
        check("fn a() {\n    \"}\";\n    '}';\n    b'}';\n    '\\'';\n    '\\u{7d}';\n}\n", &[("a", 1, 7)]);
        check("fn a() {\n    r\"}\";\n    r#\"}\"#;\n    br##\"\"#}\"##;\n    b\"}\\\"}\";\n}\n", &[("a", 1, 6)]);
        check("fn a() {\n    // }\n    /* } /* } */ } */\n}\n", &[("a", 1, 4)]);
        check("// fn a() {}\nconst A: &str = \"fn b() {}\";\n/// fn c() {}\nfn d<'é>(é: &'é str) {}\n", &[("d", 4, 1)]);
        check("fn r#type() {}\nfn a() { let r = 'r'; let var = \"x\"; }\n", &[("r", 1, 1), ("a", 2, 1)]);
    }

    #[test]
    fn a_snapshot_counts_as_one_line_and_a_comment_as_its_own() {
        check("fn a() {\n    b(r#\"\n1\n2\n3\n\"#);\n}\n", &[("a", 1, 3)]);
        check("fn a() {\n    /*\n    */\n}\n", &[("a", 1, 4)]);
    }

    #[test]
    fn what_is_not_rust_does_not_panic() {
        for source in ["fn", "fn a", "fn a(", "fn a() {", "fn a() }", "fn a)", "\"", "'", "r#\"", "b", "/*", "'\\", "{"]
        {
            check(source, &[]);
        }
    }

    #[test]
    fn test_modules_are_left_out_of_a_files_length() {
        assert_eq!(lines_without_tests("a\nb\n"), 2);
        assert_eq!(lines_without_tests("fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n"), 2);
        assert_eq!(lines_without_tests("fn a() {}\n#[cfg(test)]\nmod tests;\n"), 3);
        assert_eq!(lines_without_tests("// #[cfg(test)]\n// mod tests {\n// }\n"), 3);
    }

    #[test]
    fn modules_and_macros_are_found_in_code_only() {
        assert_eq!(modules("mod a;\npub mod b {}\n// mod c;\nlet d = \"mod e;\";"), ["a", "b"]);
        assert_eq!(macros("a!(); // b!()\n\"c!()\"; d != e; f![]"), ["a", "f"]);
    }
}
