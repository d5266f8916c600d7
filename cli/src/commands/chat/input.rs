//! Where the lines of a chat come from: a line editor on a terminal, or a pipe.

use std::io::{BufRead as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use tokio::sync::mpsc;

use crate::folders::make_private;
use crate::interrupt::Interrupts;

/// Lines that the history keeps.
const HISTORY_LINES_MAX: usize = 1000;
/// Bytes of a line that is piped in: about a million tokens, more than models read.
const LINE_BYTES_MAX: usize = 4 << 20;

/// What comes next.
#[derive(Debug)]
pub(super) enum Input {
    Line(String),
    /// There are no more.
    End,
    /// Ctrl-C.
    Interrupted,
}

/// Where lines come from.
pub(super) enum Source {
    Editor(Box<Editor>),
    Pipe(mpsc::Receiver<Result<String>>),
}

impl Source {
    /// Edits lines on the terminal, with a history that is kept in a folder.
    pub(super) fn editor(state: &Path) -> Result<Self> {
        Ok(Self::Editor(Box::new(Editor::new(state)?)))
    }

    /// Reads lines from standard input. Nothing can end such a read, so a thread of its own waits in it, which ends with
    /// the process.
    pub(super) fn pipe() -> Self {
        let (sender, receiver) = mpsc::channel(1);
        std::thread::spawn(move || {
            loop {
                let line = line();
                let is_last = !matches!(line, Ok(Some(_)));
                let Some(line) = line.transpose() else { return };
                if sender.blocking_send(line).is_err() || is_last {
                    return;
                }
            }
        });
        Self::Pipe(receiver)
    }

    /// Asks something, and waits for one line; none if the person gives none, or there is nobody.
    pub(super) fn ask(&mut self, prompt: &str) -> Result<Option<String>> {
        match self {
            Self::Editor(editor) => match editor.read(prompt)? {
                Input::Line(line) => Ok(Some(line)),
                Input::End | Input::Interrupted => Ok(None),
            },
            Self::Pipe(_) => Ok(None),
        }
    }

    /// Waits for the next line.
    pub(super) async fn next(&mut self, interrupts: &Interrupts) -> Result<Input> {
        match self {
            Self::Editor(editor) => editor.next(),
            Self::Pipe(lines) => tokio::select! {
                biased;
                () = interrupts.next() => Ok(Input::Interrupted),
                line = lines.recv() => Ok(line.transpose()?.map_or(Input::End, Input::Line)),
            },
        }
    }
}

fn line() -> Result<Option<String>> {
    let mut line = Vec::new();
    let mut stdin = std::io::stdin().lock().take(LINE_BYTES_MAX as u64 + 1);
    stdin.read_until(b'\n', &mut line).context("reading standard input")?;
    if line.len() > LINE_BYTES_MAX {
        bail!("a line of standard input is longer than {LINE_BYTES_MAX} bytes; attach it with `/file PATH`");
    }
    if line.is_empty() {
        return Ok(None);
    }
    Ok(Some(String::from_utf8(line).context("reading standard input as UTF-8")?))
}

/// A line editor with a history.
pub(super) struct Editor {
    editor: rustyline::Editor<(), FileHistory>,
    history: PathBuf,
}

impl Editor {
    fn new(state: &Path) -> Result<Self> {
        let config = rustyline::Config::builder().max_history_size(HISTORY_LINES_MAX)?.build();
        let mut editor = rustyline::Editor::with_config(config).context("opening the terminal")?;
        let history = state.join("chat_history");
        // It is there only once something was typed.
        if history.exists()
            && let Err(error) = editor.load_history(&history)
        {
            tracing::warn!("could not read the history of the prompt: {error}");
        }
        Ok(Self { editor, history })
    }

    /// Reads a line, and keeps it in the history.
    fn next(&mut self) -> Result<Input> {
        let input = self.read("> ")?;
        // Going without the history costs no more than a word in the log.
        if let Input::Line(line) = &input
            && let Err(error) = self.keep(line)
        {
            tracing::warn!("could not keep the history of the prompt: {error:#}");
        }
        Ok(input)
    }

    fn read(&mut self, prompt: &str) -> Result<Input> {
        match self.editor.readline(prompt) {
            Ok(line) => Ok(Input::Line(line)),
            Err(ReadlineError::Interrupted) => Ok(Input::Interrupted),
            Err(ReadlineError::Eof) => Ok(Input::End),
            Err(error) => Err(error).context("reading from the terminal"),
        }
    }

    fn keep(&mut self, line: &str) -> Result<()> {
        if line.trim().is_empty() || !self.editor.add_history_entry(line)? {
            return Ok(());
        }
        make_private(self.history.parent().unwrap_or(Path::new(".")))?;
        Ok(self.editor.append_history(&self.history)?)
    }
}
