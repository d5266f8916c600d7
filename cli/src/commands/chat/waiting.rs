//! A line that says what a chat waits for, and goes away when it has come. It is there only where a person watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::is_quiet;

/// Time between two pictures of the line.
const TICK: Duration = Duration::from_millis(100);

/// What is waited for.
pub(super) struct Waiting {
    is_shown: bool,
    bar: Option<ProgressBar>,
}

impl Waiting {
    pub(super) fn new(is_interactive: bool) -> Self {
        Self { is_shown: is_interactive && !is_quiet(), bar: None }
    }

    /// Says what is waited for, on a line of its own.
    pub(super) fn on(&mut self, what: impl Into<String>) {
        let what = what.into();
        match &self.bar {
            _ if !self.is_shown => {}
            Some(bar) if bar.message() == what => {}
            _ => {
                self.over();
                let style = ProgressStyle::with_template("{spinner} {elapsed:.dim} {wide_msg:.dim}");
                let bar = ProgressBar::new_spinner().with_message(what);
                let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
                bar.enable_steady_tick(TICK);
                self.bar = Some(bar);
            }
        }
    }

    /// Takes the line away, before anything else is printed.
    pub(super) fn over(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.over();
    }
}
