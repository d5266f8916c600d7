//! Lines of reasoning that run side by side: each has its share of the budget, and one that fails does not lose the others.

use std::ops::Range;
use std::sync::Arc;

use futures_util::future::join_all;
use lorewell_model::{Kind, Result};
use serde::{Deserialize, Serialize};

use super::allowance::Spent;
use super::reasoning::Reasoning;
use super::solution::Tried;

/// A line that has come to nothing while others beside it went on. It is journalled, so that it is left out again when the task
/// runs again, and what was built on the others still fits.
#[derive(Debug, Serialize, Deserialize)]
struct Lost {
    index: usize,
    kind: Kind,
    message: String,
    spent: Spent,
    is_cut: bool,
}

/// What lines came to, in their order.
type Ran<T> = Vec<(Reasoning, usize, Result<T>)>;

/// The same, in two parts.
struct Parted<T> {
    done: Vec<(usize, T)>,
    lost: Vec<Lost>,
}

impl Reasoning {
    /// Runs lines side by side, `sample 1`, `sample 2` … for the name `sample`, and returns what they came to with their indexes,
    /// in order. Each has an equal share of the budget; `keep` calls are held back for what comes after. Where there are not
    /// enough calls, the last lines are not run. A line that fails is left out, and stands in the trace.
    ///
    /// # Errors
    /// The first error, if all lines have failed.
    pub async fn each<T, F>(
        &self,
        name: &str,
        which: Range<usize>,
        keep: u64,
        work: impl Fn(Self, usize) -> F + Send + Sync,
    ) -> Result<Vec<(usize, T)>>
    where
        F: Future<Output = Result<T>> + Send,
        T: Send,
    {
        let lines = self.lines(name, which, keep);
        let Some((first, _)) = lines.first() else { return Ok(Vec::new()) };
        let place = self.place(&format!("{name} {}: lost", first + 1));
        let mut ran = None;
        let running = async {
            let parted = self.part(run(&lines, &work, &[]).await)?;
            ran = Some(parted.done);
            Ok(parted.lost)
        };
        let lost = self.once(&place, running).await;
        let done = match (ran, &lost) {
            // The task runs again: which lines were lost is known, and the others find their answers in the journal.
            (None, Ok(lost)) => {
                let again = run(&lines, &work, lost).await;
                again.into_iter().map(|(_, index, result)| Ok((index, result?))).collect()
            }
            (ran, _) => Ok(ran.unwrap_or_default()),
        };
        self.take_back(&lines, lost.as_deref().unwrap_or_default());
        lost.and(done)
    }

    /// The lines that the budget allows.
    fn lines(&self, name: &str, which: Range<usize>, keep: u64) -> Vec<(usize, Self)> {
        let shares = self.allowance.lend(which.len(), keep).into_iter().map(Arc::new);
        let line = |(index, allowance)| {
            let path = self.place(&format!("{name} {}", index + 1)).into();
            (index, Self { path, allowance, ..self.clone() })
        };
        which.zip(shares).map(line).collect()
    }

    /// Parts lines that came to something from those that did not.
    fn part<T>(&self, ran: Ran<T>) -> Result<Parted<T>> {
        let (count, mut first) = (ran.len(), None);
        let (mut done, mut lost) = (Vec::new(), Vec::new());
        for (line, index, result) in ran {
            match result {
                Ok(value) => done.push((index, value)),
                Err(error) => {
                    let (spent, is_cut) = (line.allowance.spent(), line.allowance.is_cut());
                    lost.push(Lost { index, kind: error.kind(), message: error.to_string(), spent, is_cut });
                    first = first.or(Some(error));
                }
            }
        }
        match first {
            Some(error) if done.is_empty() || self.solving.is_stopped() => {
                Err(error.context(format!("{} of {count} lines at `{}` have failed; the first", lost.len(), self.path)))
            }
            _ => Ok(Parted { done, lost }),
        }
    }

    /// Takes the shares of lines back.
    fn take_back(&self, lines: &[(usize, Self)], lost: &[Lost]) {
        for (index, line) in lines {
            match lost.iter().find(|lost| lost.index == *index) {
                None => self.allowance.take_back(&line.allowance),
                Some(lost) => {
                    self.allowance.take_back_lost(&line.allowance, lost.spent, lost.is_cut);
                    self.allowance.note(Tried::failed(&line.path, &lost.message));
                }
            }
        }
    }
}

/// Runs lines side by side, but for those that are known to be lost.
async fn run<T, F>(
    lines: &[(usize, Reasoning)],
    work: &(impl Fn(Reasoning, usize) -> F + Send + Sync),
    lost: &[Lost],
) -> Ran<T>
where
    F: Future<Output = Result<T>> + Send,
    T: Send,
{
    let left = lines.iter().filter(|(index, _)| lost.iter().all(|lost| lost.index != *index));
    let running = left.map(|(index, line)| async move { (line.clone(), *index, work(line.clone(), *index).await) });
    join_all(running).await
}
