//! The words of a line: emphasis, code and links. A mark that opens something is held back until what closes it has
//! come; what is not closed on its line, or not soon, is printed as it was written, so that nothing is lost.

use anstyle::{Effects, Style};

use super::{CODE, MARK};

/// Bytes after an opening mark in which the closing one must come. Longer spans are rare, and wait too long.
const SPAN_BYTES_MAX: usize = 400;
/// Spans within spans.
const DEPTH_MAX: usize = 3;

/// What the text at hand begins with.
enum Token<'a> {
    /// It cannot be known yet.
    Open,
    /// So many bytes as they are.
    Plain(usize),
    /// A mark that only keeps the next character from being one, and that character.
    Escaped(char),
    /// Words that stand out.
    Span { bytes: usize, inside: &'a str, effects: Effects },
    /// Code.
    Code { bytes: usize, inside: &'a str },
    /// A link.
    Link { bytes: usize, text: &'a str, address: &'a str },
}

/// Prints as much of a line as is known, in a style, and returns how many bytes that took. `before` is the character
/// before it.
pub(super) fn print(line: &str, is_end: bool, style: Style, before: &mut char, out: &mut String) -> usize {
    nested(line, is_end, style, before, out, 0)
}

fn nested(line: &str, is_end: bool, style: Style, before: &mut char, out: &mut String, depth: usize) -> usize {
    let mut done = 0;
    while done < line.len() {
        let rest = &line[done..];
        let bytes = match token(rest, is_end, *before, depth) {
            Token::Open => break,
            Token::Plain(bytes) => {
                out.push_str(&rest[..bytes]);
                bytes
            }
            Token::Escaped(c) => {
                out.push(c);
                1 + c.len_utf8()
            }
            Token::Span { bytes, inside, effects } => {
                styled(out, style, style.effects(style.get_effects() | effects), |out, style| {
                    nested(inside, true, style, &mut ' ', out, depth + 1);
                });
                bytes
            }
            Token::Code { bytes, inside } => {
                styled(out, style, CODE, |out, _| out.push_str(inside));
                bytes
            }
            Token::Link { bytes, text, address } => {
                styled(out, style, style.underline(), |out, style| {
                    nested(text, true, style, &mut ' ', out, DEPTH_MAX);
                });
                if text != address {
                    styled(out, style, MARK, |out, _| out.push_str(&format!(" ({address})")));
                }
                bytes
            }
        };
        done += bytes;
        *before = line[..done].chars().next_back().unwrap_or(*before);
    }
    done
}

/// Prints in another style, and goes back to the one before.
fn styled(out: &mut String, outer: Style, inner: Style, print: impl FnOnce(&mut String, Style)) {
    out.push_str(&format!("{}{}", outer.render_reset(), inner.render()));
    print(out, inner);
    out.push_str(&format!("{}{}", inner.render_reset(), outer.render()));
}

fn token(rest: &str, is_end: bool, before: char, depth: usize) -> Token<'_> {
    let special = |c: char| matches!(c, '\\' | '`' | '*' | '_' | '~' | '[');
    let plain = rest.find(special).unwrap_or(rest.len());
    if plain > 0 {
        return Token::Plain(plain);
    }
    // What closes it must come within these bytes; it is known that it does not once there are more.
    let window = &rest[..rest.floor_char_boundary(SPAN_BYTES_MAX)];
    let is_whole = is_end || rest.len() > window.len();
    let mark = rest.chars().next().unwrap_or(' ');
    match mark {
        '\\' => match rest[1..].chars().next() {
            Some(next) if next.is_ascii_punctuation() => Token::Escaped(next),
            None if !is_end => Token::Open,
            _ => Token::Plain(1),
        },
        '`' => code(window, is_whole),
        '[' if depth < DEPTH_MAX => link(window, is_whole),
        '*' | '_' | '~' if depth < DEPTH_MAX => span(window, is_whole, mark, before),
        _ => Token::Plain(1),
    }
}

/// Counts how often a text begins with an ASCII character.
fn run(text: &str, mark: char) -> usize {
    text.len() - text.trim_start_matches(mark).len()
}

fn code(window: &str, is_whole: bool) -> Token<'_> {
    let marks = run(window, '`');
    let mut at = marks;
    while let Some(found) = window[at..].find('`') {
        let close = run(&window[at + found..], '`');
        let end = at + found + close;
        if end == window.len() && !is_whole {
            return Token::Open;
        }
        if close == marks {
            return Token::Code { bytes: end, inside: unpadded(&window[marks..at + found]) };
        }
        at = end;
    }
    if is_whole { Token::Plain(marks) } else { Token::Open }
}

/// Takes off the spaces by which code that begins or ends with a backtick is kept from its marks.
fn unpadded(code: &str) -> &str {
    let inside = code.strip_prefix(' ').and_then(|code| code.strip_suffix(' '));
    inside.filter(|code| !code.trim().is_empty()).unwrap_or(code)
}

fn link(window: &str, is_whole: bool) -> Token<'_> {
    let unknown = || if is_whole { Token::Plain(1) } else { Token::Open };
    let Some(text_end) = closing(window, '[', ']') else { return unknown() };
    let rest = &window[text_end + 1..];
    match rest.chars().next() {
        Some('(') => {}
        Some(_) => return Token::Plain(1),
        None => return unknown(),
    }
    let Some(address_end) = closing(rest, '(', ')') else { return unknown() };
    let (text, address) = (&window[1..text_end], &rest[1..address_end]);
    let address = address.split(" \"").next().unwrap_or(address); // a title
    match text.is_empty() || address.is_empty() || address.contains(' ') {
        true => Token::Plain(1),
        false => Token::Link { bytes: text_end + 1 + address_end + 1, text, address },
    }
}

/// Finds the bracket that closes the first one.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

fn span(window: &str, is_whole: bool, mark: char, before: char) -> Token<'_> {
    let marks = run(window, mark);
    let Some(next) = window[marks..].chars().next() else {
        return if is_whole { Token::Plain(marks) } else { Token::Open };
    };
    let effects = match (mark, marks) {
        ('~', 2) => Effects::STRIKETHROUGH,
        ('*' | '_', 1) => Effects::ITALIC,
        ('*' | '_', 2) => Effects::BOLD,
        ('*' | '_', 3) => Effects::BOLD | Effects::ITALIC,
        _ => return Token::Plain(marks),
    };
    // `snake_case` is no emphasis, and neither is `2 * 3 * 4`.
    if next.is_whitespace() || mark == '_' && before.is_alphanumeric() {
        return Token::Plain(marks);
    }
    match span_end(window, marks, mark, is_whole) {
        Some(end) => Token::Span { bytes: end + marks, inside: &window[marks..end], effects },
        None if is_whole => Token::Plain(marks),
        None => Token::Open,
    }
}

/// Finds the marks that close a span: as many as opened it, after a word, outside of code. What follows them must have
/// come too, as it tells whether there are more of them.
fn span_end(window: &str, marks: usize, mark: char, is_whole: bool) -> Option<usize> {
    let mut at = marks;
    while let Some(found) = window[at..].find([mark, '`', '\\']) {
        let here = at + found;
        let c = window[here..].chars().next()?;
        let length = run(&window[here..], c);
        let after = window[here + length..].chars().next();
        if after.is_none() && !is_whole {
            return None;
        }
        at = match c {
            '\\' => window.ceil_char_boundary(here + 2),
            '`' => {
                here + match code(&window[here..], is_whole) {
                    Token::Code { bytes, .. } => bytes,
                    Token::Open => return None,
                    _ => length,
                }
            }
            _ => {
                let follows_word = !window[..here].ends_with(char::is_whitespace) && here > marks;
                let is_inside_word = mark == '_' && after.is_some_and(char::is_alphanumeric);
                if length == marks && follows_word && !is_inside_word {
                    return Some(here);
                }
                here + length
            }
        };
    }
    None
}
