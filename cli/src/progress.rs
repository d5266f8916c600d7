//! How an ingest shows that it moves: bars on a terminal, a plain line now and then elsewhere.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use lorewell::rag::index::Progress;

use crate::output::{count, is_quiet, note, thousands};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows the progress of one ingest.
#[derive(Debug)]
pub(crate) struct Display {
    bars: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bar: Option<ProgressBar>,
    began: Instant,
    last_line: Instant,
    candidates: u64,
    bytes: u64,
    chunks: u64,
    embedding: bool,
}

impl Display {
    /// Makes a display for standard error.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let state =
            State { bar: None, began: now, last_line: now, candidates: 0, bytes: 0, chunks: 0, embedding: false };
        Self { bars: std::io::stderr().is_terminal(), state: Mutex::new(state) }
    }

    /// Takes in what the ingest says.
    pub(crate) fn update(&self, progress: &Progress) {
        if is_quiet() {
            return;
        }
        let Ok(mut state) = self.state.lock() else { return };
        match *progress {
            Progress::Walked { candidates, .. } => {
                state.candidates = candidates;
                state.begin(self.bars, candidates, "reading");
            }
            Progress::Read { files, bytes } => {
                state.bytes = bytes;
                state.advance(files);
            }
            Progress::Searchable { files, chunks } => {
                state.chunks = chunks;
                state.advance(files);
            }
            Progress::Embedded { chunks, of } => {
                if !state.embedding {
                    state.embedding = true;
                    state.finish();
                    note(&format!("Searchable by words now; {} to embed.", count(of, "passage")));
                    state.begin(self.bars, of, "embedding");
                }
                state.advance(chunks);
            }
            _ => {}
        }
    }

    /// Says something while the ingest goes on, above its bar.
    pub(crate) fn say(&self, text: &str) {
        match self.state.lock() {
            Ok(state) => match &state.bar {
                Some(bar) => bar.suspend(|| note(text)),
                None => note(text),
            },
            Err(_) => note(text),
        }
    }

    /// Ends the display.
    pub(crate) fn finish(&self) {
        if let Ok(mut state) = self.state.lock() {
            state.finish();
        }
    }
}

impl State {
    fn begin(&mut self, bars: bool, of: u64, doing: &'static str) {
        (self.began, self.last_line) = (Instant::now(), Instant::now());
        if bars && of > 0 {
            let style = ProgressStyle::with_template("{prefix:>10} {wide_bar} {human_pos}/{human_len} {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("##-");
            let bar = ProgressBar::new(of).with_style(style).with_prefix(doing);
            bar.enable_steady_tick(Duration::from_millis(200));
            self.bar = Some(bar);
        }
    }

    fn advance(&mut self, position: u64) {
        let message = self.message(position);
        if let Some(bar) = &self.bar {
            bar.set_position(position);
            // Before the first of them nobody knows how long they take.
            let is_under_way = position > 0 && bar.length().is_some_and(|of| position < of);
            let left = if is_under_way { format!("  {:#} left", HumanDuration(bar.eta())) } else { String::new() };
            bar.set_message(format!("{message}{left}"));
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            note(&format!("{} {message}", thousands(position)));
        }
    }

    fn message(&self, position: u64) -> String {
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = |amount: u64| amount as f64 / seconds;
        if self.embedding {
            return format!("passages  {:.0}/s", rate(position));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for people")]
        let bytes = HumanBytes(rate(self.bytes) as u64);
        format!("files  {}  {bytes}/s", count(self.chunks, "passage"))
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
