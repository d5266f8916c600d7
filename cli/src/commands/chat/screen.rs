//! What a person sees of an answer while it comes: its words on standard output, a line for each call of a tool beside
//! them. What tools bring is said in a few words, and not poured out.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::Result;
use lorewell::agent::EventKind;
use serde_json::Value;

use super::agent::SEARCH;
use super::waiting::Waiting;
use crate::markdown::Renderer;
use crate::output::{self, DIM, count, note, one_line, paint, plain};

/// Characters of arguments on the line of a call.
const ARGUMENTS_CHARS_MAX: usize = 80;
/// Characters of a result on the line of its call; longer ones are counted.
const RESULT_CHARS_MAX: usize = 60;
/// Lines of a result that are shown when more was asked for.
const RESULT_LINES_MAX: usize = 20;
/// What a person reads while nothing has come yet.
const MODEL: &str = "waiting for the model";
/// What a person reads instead of what a model thinks.
const THOUGHTS: &str = "the model thinks";

/// Shows an answer.
pub(super) struct Screen {
    renderer: Renderer,
    is_styled: bool,
    /// Whether calls of tools are told.
    tells_calls: bool,
    /// Whether what they bring is told, too.
    tells_results: bool,
    last: Option<char>,
    waiting: Waiting,
    calls: HashMap<String, Running>,
    /// What the model has said so far.
    pub(super) said: String,
}

/// A call that runs.
struct Running {
    tool: String,
    /// The tool and its arguments, in words.
    what: String,
    began: Instant,
}

impl Screen {
    pub(super) fn new(is_interactive: bool, verbose: u8) -> Self {
        let is_styled = is_interactive && output::is_coloured();
        Self {
            renderer: Renderer::new(is_styled),
            is_styled,
            tells_calls: is_interactive || verbose > 0,
            tells_results: verbose > 0,
            last: None,
            waiting: Waiting::new(is_interactive),
            calls: HashMap::new(),
            said: String::new(),
        }
    }

    /// Says that an answer was asked for.
    pub(super) fn begin(&mut self) {
        self.waiting.on(MODEL);
    }

    /// Shows what has happened.
    pub(super) fn show(&mut self, event: EventKind) -> Result<()> {
        match event {
            EventKind::Token { text } => self.text(&text)?,
            EventKind::Reasoning { .. } => {
                self.end_words()?;
                self.waiting.on(THOUGHTS);
            }
            EventKind::ToolCall { id, name, arguments } => {
                self.end_words()?;
                let running = Running { what: called(&name, &arguments), tool: name, began: Instant::now() };
                self.waiting.on(&*running.what);
                self.calls.insert(id, running);
            }
            EventKind::ToolResult { id, content } => {
                self.end()?;
                self.result(&id, content.as_str().unwrap_or_default());
                self.waiting.on(self.calls.values().next().map_or(MODEL, |running| &*running.what));
            }
            _ => {}
        }
        Ok(())
    }

    /// Shows words of the model.
    pub(super) fn text(&mut self, text: &str) -> Result<()> {
        self.waiting.over();
        // Models like to begin with empty lines.
        let text = if self.last.is_none() { text.trim_start_matches(['\n', '\r']) } else { text };
        self.last = text.chars().last().or(self.last);
        self.said.push_str(text);
        self.print(|renderer| renderer.push(text))
    }

    fn result(&mut self, id: &str, content: &str) {
        let Some(running) = self.calls.remove(id) else { return };
        if self.tells_calls {
            let (brought, millis) = (brought(&running.tool, content), running.began.elapsed().as_millis());
            note(&paint(DIM, &format!("· {} → {brought}, {millis} ms", running.what)));
        }
        if self.tells_results {
            content.lines().take(RESULT_LINES_MAX).for_each(|line| note(&paint(DIM, &format!("    {}", plain(line)))));
            let more = content.lines().count().saturating_sub(RESULT_LINES_MAX);
            if more > 0 {
                note(&paint(DIM, &format!("    … {}", count(more as u64, "more line"))));
            }
        }
    }

    /// Ends what is on the screen so far; others may write below it.
    pub(super) fn end(&mut self) -> Result<()> {
        self.waiting.over();
        self.end_words()
    }

    /// Ends the words so far with a line of their own.
    fn end_words(&mut self) -> Result<()> {
        self.print(Renderer::finish)?;
        self.renderer = Renderer::new(self.is_styled);
        match self.last.take() {
            Some('\n') | None => Ok(()),
            Some(_) => {
                self.said.push('\n');
                output::piece("\n")
            }
        }
    }

    fn print(&mut self, make: impl FnOnce(&mut Renderer) -> String) -> Result<()> {
        let text = make(&mut self.renderer);
        if text.is_empty() { Ok(()) } else { output::piece(&text) }
    }
}

/// Says what is called, on one short line.
pub(super) fn called(tool: &str, arguments: &Value) -> String {
    format!("{} {}", one_line(tool), short(arguments)).trim_end().to_owned()
}

/// Writes arguments on one short line.
fn short(arguments: &Value) -> String {
    let alone = arguments.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.values().next());
    let text = match (alone, arguments.as_object()) {
        (Some(value), _) => value.to_string(),
        (None, Some(fields)) if fields.is_empty() => String::new(),
        _ => arguments.to_string(),
    };
    let text = one_line(&text);
    match text.chars().count() {
        0..=ARGUMENTS_CHARS_MAX => text,
        _ => format!("{}…", text.chars().take(ARGUMENTS_CHARS_MAX).collect::<String>()),
    }
}

/// Says in a few words what a tool has brought.
fn brought(tool: &str, content: &str) -> String {
    if tool == SEARCH {
        return count(places(content).len() as u64, "hit");
    }
    let line = one_line(content);
    match line.chars().count() {
        0 => "nothing".to_owned(),
        1..=RESULT_CHARS_MAX => line,
        _ => count(content.lines().count() as u64, "line"),
    }
}

/// Returns the places of the passages that a search of the library has brought.
pub(super) fn places(content: &str) -> Vec<&str> {
    let opens = content.lines().filter(|line| line.starts_with("<passage ") && line.ends_with('>'));
    opens.filter_map(|line| line.split_once(" source=\"")?.1.split_once('"').map(|(place, _)| place)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_fits_on_a_line() {
        assert_eq!(short(&json!({"query": "boiler\u{1b}\n"})), r#""boiler\u001b\n""#);
        assert_eq!(short(&json!({})), "");
        assert_eq!(short(&json!({"path": "a", "line": 3})), r#"{"path":"a","line":3}"#);
        assert_eq!(short(&json!({"text": "x".repeat(200)})).chars().count(), ARGUMENTS_CHARS_MAX + 1);
        assert_eq!(brought("calculator", "5"), "5");
        assert_eq!(brought("read_file", &"a line of a file\n".repeat(10)), "10 lines");
        let found = "<passage id=\"1\" source=\"a.md:3-4\" section=\"\">\nhot\n</passage>\n\n<passage id=\"2\" source=\"b.md:1\">\nx";
        assert_eq!((brought(SEARCH, found), places(found)), ("2 hits".to_owned(), vec!["a.md:3-4", "b.md:1"]));
        assert_eq!(brought(SEARCH, "no passage was found"), "0 hits");
    }
}
