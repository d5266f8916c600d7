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
    of: u64,
    last_line: Instant,
    bytes: u64,
    chunks: u64,
    embedding: bool,
}

impl Display {
    /// Makes a display for standard error.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let state = State { bar: None, began: now, of: 0, last_line: now, bytes: 0, chunks: 0, embedding: false };
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
        (self.began, self.last_line, self.of) = (Instant::now(), Instant::now(), of);
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
            bar.set_message(format!("{message}{}", left(position, self.of, bar.eta())));
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            note(&plain_line(position, self.of, &message, self.began.elapsed()));
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

/// Says how far it is, without a bar to show it: `1,200 of 5,000 passages  240/s  16s left`.
fn plain_line(position: u64, of: u64, message: &str, elapsed: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a guess for people")]
    let rest = of.saturating_sub(position) as f64 / position.max(1) as f64;
    let eta = Duration::try_from_secs_f64(elapsed.as_secs_f64() * rest).unwrap_or(Duration::MAX);
    let of_all = if of > 0 { format!(" of {}", thousands(of)) } else { String::new() };
    format!("{}{of_all} {message}{}", thousands(position), left(position, of, eta))
}

/// Says how long it still takes. Before the first of them nobody knows how long they take.
fn left(position: u64, of: u64, eta: Duration) -> String {
    let is_under_way = position > 0 && position < of;
    if is_under_way { format!("  {:#} left", HumanDuration(eta)) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_says_how_far_it_is_and_how_long_it_takes() {
        let check = |position, of, expected: &str| {
            assert_eq!(plain_line(position, of, "passages  240/s", Duration::from_secs(5)), expected);
        };
        check(1200, 6000, "1,200 of 6,000 passages  240/s  20s left");
        check(6000, 6000, "6,000 of 6,000 passages  240/s");
        check(0, 6000, "0 of 6,000 passages  240/s");
        check(3, 0, "3 passages  240/s");
    }
}
