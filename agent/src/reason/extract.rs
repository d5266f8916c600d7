//! How the answer is found in what a model wrote, and when two answers are the same.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// Finds the answer in what a model wrote.
///
/// ```
/// use lorewell_agent::reason::Extract;
///
/// assert_eq!(Extract::line().find("6 × 7 …\n**Answer:** 42.").as_deref(), Some("42"));
/// assert_eq!(Extract::number().find("that makes 1,042 in all, or 17.5 a day").as_deref(), Some("17.5"));
/// assert_eq!(Extract::field("city").find(r#"{"city": "Paris"}"#).as_deref(), Some("Paris"));
/// assert_eq!(Extract::new(|text| text.lines().last().map(str::to_owned)).find("a\nb").as_deref(), Some("b"));
/// assert_eq!(Extract::line().find("I do not know"), None);
/// ```
#[derive(Clone)]
pub struct Extract {
    find: Arc<Find>,
    ending: &'static str,
}

type Find = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Extract {
    /// Finds it by a function. What the model is to write so that it is found, the question says.
    pub fn new(find: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { find: Arc::new(find), ending: "" }
    }

    /// Says what the model is to write.
    fn asking(self, ending: &'static str) -> Self {
        Self { ending, ..self }
    }

    /// Takes what stands behind `Answer:` in the last line that begins so, whatever its case and emphasis. The strategies ask for
    /// such a line.
    #[must_use]
    pub fn line() -> Self {
        let found = Self::new(|text| text.lines().rev().find_map(behind_answer));
        found.asking("End with a line that holds only the final answer: `Answer: …`.")
    }

    /// Takes the last number, without the commas between its thousands. The strategies ask for a number at the end.
    #[must_use]
    pub fn number() -> Self {
        let found = Self::new(|text| {
            let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '-' | '+');
            text.rsplit(|c: char| !is_number(c)).find_map(number)
        });
        found.asking("End with the number that is the answer.")
    }

    /// Takes a field of the JSON object that was written: the words of a string, anything else as JSON.
    #[must_use]
    pub fn field(name: impl Into<String>) -> Self {
        let name = name.into();
        Self::new(move |text| {
            let value: Value = lorewell_model::read_json(text).ok()?;
            match value.get(&name)? {
                Value::Null => None,
                Value::String(words) => said(words),
                other => Some(other.to_string()),
            }
        })
    }

    /// Takes all of it, for questions whose answers are compared as they stand.
    #[must_use]
    pub fn whole() -> Self {
        Self::new(said)
    }

    /// Finds the answer; `None` if there is none.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<String> {
        (self.find)(text)
    }

    /// Returns what the model is told about the end of its answer.
    pub(super) fn ending(&self) -> &'static str {
        self.ending
    }
}

/// [`Extract::line`].
impl Default for Extract {
    fn default() -> Self {
        Self::line()
    }
}

impl fmt::Debug for Extract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extract").finish_non_exhaustive()
    }
}

/// Marks around words that are no part of them.
const EMPHASIS: [char; 6] = ['*', '_', '`', '#', '>', '$'];

fn behind_answer(line: &str) -> Option<String> {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || EMPHASIS.contains(&c));
    let (word, rest) = line.split_at_checked("answer".len())?;
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || EMPHASIS.contains(&c));
    let answer = rest.strip_prefix(':').filter(|_| word.eq_ignore_ascii_case("answer"))?;
    said(answer)
}

/// Takes emphasis and a full stop off; nothing at all is no answer.
fn said(words: &str) -> Option<String> {
    let is_mark = |c: char| c.is_whitespace() || EMPHASIS.contains(&c);
    let words = words.trim_matches(is_mark).trim_end_matches('.').trim_matches(is_mark);
    (!words.is_empty()).then(|| words.to_owned())
}

/// Reads a number with commas between its thousands, and without what ends a sentence.
fn number(text: &str) -> Option<String> {
    let plain = text.trim_end_matches(['.', ',', '-', '+']).replace(',', "");
    let sign = plain.rfind(['-', '+']).unwrap_or_default();
    let plain = plain[sign..].trim_start_matches('+');
    let is_plain = plain.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    (is_plain && plain.parse::<f64>().is_ok()).then(|| plain.to_owned())
}

/// Returns the form of an answer in which two that mean the same are equal: small letters, one space between words, no
/// emphasis, and numbers without commas and without zeros that say nothing.
pub(super) fn normal(answer: &str) -> String {
    let words = said(answer).unwrap_or_default().to_lowercase();
    if let Some(value) = number(&words).filter(|found| *found == words.replace(',', "")) {
        return normal_number(&value);
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn normal_number(value: &str) -> String {
    let (sign, digits) = value.strip_prefix('-').map_or(("", value), |digits| ("-", digits));
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    let digits = digits.trim_start_matches('0');
    match digits {
        "" => "0".to_owned(),
        _ if digits.starts_with('.') => format!("{sign}0{digits}"),
        _ => format!("{sign}{digits}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(extract: &Extract, text: &str, expected: Option<&str>) {
        assert_eq!(extract.find(text).as_deref(), expected, "{text}");
    }

    #[test]
    fn the_last_answer_line_counts() {
        let line = Extract::line();
        check(&line, "Answer: 1\nno\n  ## ANSWER : **2**\nthe answer: 3", Some("2"));
        check(&line, "> *Answer*: `x y`.", Some("x y"));
        for none in ["", "Answer:", "Answer: **", "answers: 3", "answ", "ansé: 1", "Answer 3"] {
            check(&line, none, None);
        }
    }

    #[test]
    fn the_last_number_counts() {
        let number = Extract::number();
        check(&number, "from 3 to -1,204.50.", Some("-1204.50"));
        check(&number, "10-4", Some("-4"));
        check(&number, "+7", Some("7"));
        check(&number, "1.2.3 then 5, - and .", Some("5"));
        check(&number, "none - at all.", None);
    }

    #[test]
    fn a_field_may_be_anything_but_missing() {
        let field = Extract::field("a");
        check(&field, "```json\n{\"a\": [1, 2]}\n```", Some("[1,2]"));
        for none in ["{}", "{\"a\": null}", "{\"a\": \" \"}", "a: 1", "[]"] {
            check(&field, none, None);
        }
    }

    #[test]
    fn answers_that_mean_the_same_have_one_form() {
        for (same, form) in [
            (&["42", "42.0", " 042.", "**42**", "$42$", "42.00"][..], "42"),
            (&["-0.5", "-.50", "-0,0.5"], "-0.5"),
            (&["0", "-0", "0.0", "000"], "0"),
            (&["1,000", "1000."], "1000"),
            (&["New  York", "new york.", "_NEW YORK_"], "new york"),
            (&["3 apples"], "3 apples"),
            (&["1-2"], "1-2"),
            (&["1.5e10"], "1.5e10"),
        ] {
            same.iter().for_each(|answer| assert_eq!(normal(answer), form, "{answer}"));
        }
    }
}
