//! The few lines of YAML or TOML that may open a Markdown file. Only title, tags and date are read, and tolerantly:
//! people write front matter by hand, and a slip in one key should cost that key alone.

use super::outline::{add_once, date};

/// What front matter says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FrontMatter {
    /// The title.
    pub(super) title: Option<String>,
    /// Tags, each once.
    pub(super) tags: Vec<String>,
    /// The date, as `YYYY-MM-DD`.
    pub(super) date: Option<String>,
}

/// What stands at the top of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Top {
    /// No front matter.
    Absent,
    /// Front matter, and the offset at which the body begins.
    Present(FrontMatter, usize),
    /// A fence and a key, but no closing fence.
    Unclosed,
}

/// Reads the front matter of a file. A fence alone proves nothing: `---` is also a thematic break, and what stands
/// between two of them is text that must not get lost.
pub(super) fn read(text: &str) -> Top {
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next() else { return Top::Absent };
    let is_toml = match first.trim_end() {
        "---" => false,
        "+++" => true,
        _ => return Top::Absent,
    };
    let start = first.len();
    let mut at = start;
    for line in lines {
        let fence = line.trim_end();
        if fence == if is_toml { "+++" } else { "---" } || (fence == "..." && !is_toml) {
            let block = &text[start..at];
            return match block.trim().is_empty() || is_front_matter(block, is_toml) {
                true => Top::Present(fields(block, is_toml), at + line.len()),
                false => Top::Absent,
            };
        }
        at += line.len();
    }
    if text[start..].lines().next().is_some_and(|line| is_key(line, is_toml)) { Top::Unclosed } else { Top::Absent }
}

/// Tells the lines of front matter from text between two thematic breaks: the first is a key, keys are most of them,
/// and what follows a blank line is neither a paragraph nor a heading.
fn is_front_matter(block: &str, is_toml: bool) -> bool {
    let (mut keys, mut others, mut is_after_blank) = (0, 0, true);
    let mut lines = block.lines().peekable();
    while let Some(line) = lines.next() {
        let is_before_blank = lines.peek().is_some_and(|next| next.trim().is_empty());
        if line.trim().is_empty() {
            is_after_blank = true;
            continue;
        }
        if line.starts_with('#') {
            if is_after_blank && is_before_blank && !is_toml {
                return false; // `# Monday`
            }
        } else if is_key(line, is_toml) {
            keys += 1;
        } else if keys == 0 || (is_after_blank && !is_toml && !continues(line)) {
            return false;
        } else if !continues(line) {
            others += 1;
        }
        is_after_blank = false;
    }
    // `+++` is no thematic break, and a string in TOML may have many lines.
    if is_toml { keys > 0 } else { keys > others }
}

/// Tells whether a line names a key, or a table of TOML.
fn is_key(line: &str, is_toml: bool) -> bool {
    let is_table = is_toml && line.starts_with('[') && line.trim_end().ends_with(']');
    // `https://…` is an address.
    is_table || split_key(line, is_toml).is_some_and(|(_, value)| !value.starts_with("//"))
}

fn fields(yaml_or_toml: &str, is_toml: bool) -> FrontMatter {
    let mut found = FrontMatter::default();
    let mut lines = yaml_or_toml.lines().peekable();
    while let Some(line) = lines.next() {
        if is_toml && line.starts_with('[') {
            break; // keys of a TOML table are not the document's own
        }
        let Some((key, value)) = split_key(line, is_toml) else { continue };
        let mut values = vec![without_comment(value.trim())];
        while let Some(more) = lines.next_if(|line| continues(line)) {
            values.push(without_comment(more.trim()));
        }
        set(&mut found, &key.to_lowercase(), &values);
    }
    found
}

/// Tells whether a line belongs to the value of the key above it.
fn continues(line: &str) -> bool {
    line.starts_with([' ', '\t', ']']) || line.starts_with("- ") || line == "-"
}

fn split_key(line: &str, is_toml: bool) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(if is_toml { '=' } else { ':' })?;
    let key = key.trim_end().trim_matches(['"', '\'']);
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    is_key.then_some((key, value))
}

fn set(found: &mut FrontMatter, key: &str, values: &[&str]) {
    match key {
        "title" => found.title = found.title.take().or_else(|| scalar(values)),
        "date" | "created" | "published" => {
            found.date = found.date.take().or_else(|| scalar(values).and_then(|value| date(&value)));
        }
        "tags" | "tag" | "keywords" => {
            for tag in list(values) {
                add_once(&mut found.tags, tag.trim_start_matches('#'));
            }
        }
        _ => {}
    }
}

/// Joins a value of one or more lines into one line.
fn scalar(values: &[&str]) -> Option<String> {
    let (first, rest) = values.split_first()?;
    let is_block = first.starts_with(['>', '|']) && first.len() <= 3; // YAML block scalars: `>`, `|-`, `>2+`
    let joined = match is_block {
        true => rest.join(" "),
        false => unquote(&values.join(" ")),
    };
    let joined = joined.trim();
    (!joined.is_empty()).then(|| joined.to_owned())
}

/// Reads `[a, "b"]`, `a, b`, or `- a` lines.
fn list(values: &[&str]) -> Vec<String> {
    let items = values.iter().flat_map(|line| {
        let line = line.strip_prefix("- ").unwrap_or(line);
        line.trim_start_matches('[').trim_end_matches([']', ',']).split(',')
    });
    items.map(|item| unquote(item.trim())).filter(|item| !item.is_empty() && item != "-").collect()
}

fn unquote(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote)) {
            return match quote {
                '"' => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
                _ => inner.replace("''", "'"),
            };
        }
    }
    value.to_owned()
}

/// Cuts off ` # a comment` behind a value that is not quoted.
fn without_comment(value: &str) -> &str {
    match value.starts_with(['"', '\'']) {
        true => value,
        false => value.split(" # ").next().unwrap_or(value).trim_end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, title: Option<&str>, tags: &[&str], date: Option<&str>) {
        let Top::Present(found, body) = read(text) else { panic!("no front matter in {text:?}") };
        assert_eq!(&text[body..], "body");
        assert_eq!((found.title.as_deref(), found.date.as_deref()), (title, date));
        assert_eq!(found.tags, tags);
    }

    #[test]
    fn it_reads_yaml() {
        check(
            "---\ntitle: \"A: \\\"B\\\"\"\ntags: [x, 'y z', \"#w\"]\ndate: 2026-03-01T10:00:00Z\n---\nbody",
            Some("A: \"B\""),
            &["x", "y z", "w"],
            Some("2026-03-01"),
        );
        check("---\r\ntags:\r\n  - a\r\n  - b # why\r\n- c\r\n...\r\nbody", None, &["a", "b", "c"], None);
        check("---\ntitle: >-\n  two\n  lines\nTags: a, b, a\n---\nbody", Some("two lines"), &["a", "b"], None);
        check("---\n---\nbody", None, &[], None);
    }

    #[test]
    fn it_reads_toml() {
        check(
            "+++\ntitle = 'It''s'\ndate = 2026-03-01\ntags = [\n  \"a\",\n  \"b\",\n]\n[extra]\ntitle = \"no\"\n+++\nbody",
            Some("It's"),
            &["a", "b"],
            Some("2026-03-01"),
        );
    }

    #[test]
    fn a_slip_costs_only_its_key() {
        check("---\ntitle: [\ndate: 31.12.2026\n: x\n\ttags\ntags: ok\n---\nbody", Some("["), &["ok"], None);
    }

    #[test]
    fn what_is_not_front_matter_is_left_alone() {
        assert_eq!(read("---\n\nA break above.\n"), Top::Absent);
        assert_eq!(read("----\ntitle: x\n----\n"), Top::Absent);
        assert_eq!(read("---\ntitle: x\n"), Top::Unclosed);
        assert_eq!(read("---\n\nNote: a break above.\n"), Top::Absent);
        assert_eq!(read(""), Top::Absent);
    }

    #[test]
    fn text_between_two_thematic_breaks_is_no_front_matter() {
        for text in [
            "---\n\n# Monday\n\nnotes…\n\n---\n\n# Tuesday",
            "---\n\n# Monday\n\nnotes: many\n\n---\n\n# Tuesday",
            "---\n# Monday\n---\n# Tuesday",
            "---\n\nNote: call Bob.\n\nA paragraph.\n\n---\n\n# Tuesday",
            "---\nMood: good\nWeather: fine\n\n# Monday\n\n- tea\n\n---\n",
            "---\nNote: call Bob, who\nis at home\nand waits.\n---\n",
            "---\nJust a sentence: with a colon.\n---\nbody",
            "---\nhttps://example.org/a: a link\n---\nbody",
            "+++\nA sentence.\n+++\nbody",
        ] {
            assert_eq!(read(text), Top::Absent, "{text:?}");
        }
        check("---\n\n# written by hand\n# for now\ntitle: x\n\ntags: a\n# end\n---\nbody", Some("x"), &["a"], None);
        check("---\n\n---\nbody", None, &[], None);
        check("+++\n# by hand\n\n[extra]\ntitle = 'no'\n+++\nbody", None, &[], None);
    }
}
