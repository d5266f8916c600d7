//! How the download of a model shows that it moves: a bar on a terminal, a plain line now and then elsewhere, and a line
//! for what is out of the ordinary.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use lorewell::model::hub::Progress;

use crate::output::{count, is_quiet, note, plain};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows the progress of one download.
#[derive(Debug)]
pub(crate) struct Download {
    bars: bool,
    bar: Option<ProgressBar>,
    began: Instant,
    last_line: Instant,
    /// Bytes that were there when it began: they were not fetched, and so count nothing for the rate.
    had: u64,
}

impl Download {
    /// Makes a display for standard error.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { bars: std::io::stderr().is_terminal() && !is_quiet(), bar: None, began: now, last_line: now, had: 0 }
    }

    /// Takes in what happens.
    pub(crate) fn update(&mut self, progress: Progress) {
        match progress {
            Progress::Listed { files, bytes, have } if have < bytes => self.begin(files, bytes, have),
            Progress::Began { file, have, .. } if have > 0 => {
                self.say(&format!("`{file}` goes on at {}.", HumanBytes(have)));
            }
            Progress::Fetched { bytes, of } => self.advance(bytes, of),
            Progress::Waiting { file } => {
                self.say(&format!("Another process is downloading `{file}`; waiting for it."));
            }
            Progress::Again { file, reason, wait } => {
                self.say(&format!("`{file}`: {reason}; trying again in {:.1} s.", wait.as_secs_f64()));
            }
            Progress::Restarted { file, reason } => self.say(&format!("`{file}` begins anew: {reason}.")),
            _ => {}
        }
    }

    /// Ends the display.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn begin(&mut self, files: usize, bytes: u64, have: u64) {
        (self.began, self.last_line, self.had) = (Instant::now(), Instant::now(), have);
        let there = if have > 0 { format!(", {} of it there already", HumanBytes(have)) } else { String::new() };
        note(&format!("Downloading {}, {}{there}.", count(files as u64, "file"), HumanBytes(bytes)));
        if self.bars {
            let style =
                ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {eta} left");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("##-");
            let bar = ProgressBar::new(bytes).with_style(style).with_position(have);
            bar.reset_eta();
            bar.enable_steady_tick(Duration::from_millis(200));
            self.bar = Some(bar);
        }
    }

    fn advance(&mut self, bytes: u64, of: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            note(&plain_line(bytes, of, self.had, self.began.elapsed()));
        }
    }

    /// Says something above the bar.
    fn say(&self, text: &str) {
        let text = plain(text);
        match &self.bar {
            Some(bar) => bar.suspend(|| note(&text)),
            None => note(&text),
        }
    }
}

/// Says how far it is: `1.20 GiB of 4.00 GiB  12.00 MiB/s  3m left`.
fn plain_line(bytes: u64, of: u64, had: u64, elapsed: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = bytes.saturating_sub(had) as f64 / elapsed.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "a guess for people")]
    let left = Duration::try_from_secs_f64(of.saturating_sub(bytes) as f64 / rate).unwrap_or(Duration::MAX);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate for people")]
    let per_second = HumanBytes(rate as u64);
    let left = if rate > 0.0 && bytes < of { format!("  {:#} left", HumanDuration(left)) } else { String::new() };
    format!("{} of {}  {per_second}/s{left}", HumanBytes(bytes), HumanBytes(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_says_how_far_it_is_and_how_long_it_takes() {
        let check = |bytes: u64, had: u64, expected: &str| {
            assert_eq!(plain_line(bytes << 20, 100 << 20, had << 20, Duration::from_secs(5)), expected);
        };
        check(50, 0, "50.00 MiB of 100.00 MiB  10.00 MiB/s  5s left");
        check(50, 25, "50.00 MiB of 100.00 MiB  5.00 MiB/s  10s left");
        check(100, 0, "100.00 MiB of 100.00 MiB  20.00 MiB/s");
        check(50, 50, "50.00 MiB of 100.00 MiB  0 B/s");
        check(10, 50, "10.00 MiB of 100.00 MiB  0 B/s");
    }
}
