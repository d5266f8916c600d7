//! The rules themselves: each folds the writes of one superstep, in task order, into one field. A state's `apply` calls
//! one of them per field; the derive does nothing else.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use lorewell_model::{Error, Kind, Result};

use super::{Change, Edit, Identified};

/// What one task wrote.
#[derive(Debug)]
pub struct Write<'a, U> {
    /// The node that wrote it.
    pub node: &'a str,
    /// Which task of the superstep it was. Several writes of one task follow each other, they do not conflict.
    pub task: usize,
    /// What it wrote.
    pub update: U,
}

/// The writes of one superstep, in the order of its tasks. Each rule takes its field out of all of them.
pub struct Writes<'a, U> {
    writes: &'a mut [Write<'a, U>],
}

impl<U> fmt::Debug for Writes<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.writes.iter().map(|write| write.node)).finish()
    }
}

impl<'a, U> Writes<'a, U> {
    /// Takes the writes of a superstep in the order of its tasks.
    pub fn new(writes: &'a mut [Write<'a, U>]) -> Self {
        Self { writes }
    }

    /// Returns what was written to one field, with the node that wrote it.
    pub fn of<T>(&mut self, take: impl FnMut(&mut U) -> Option<T>) -> impl Iterator<Item = (&'a str, T)> {
        self.by_task(take).map(|(_, node, written)| (node, written))
    }

    fn by_task<T>(&mut self, mut take: impl FnMut(&mut U) -> Option<T>) -> impl Iterator<Item = (usize, &'a str, T)> {
        self.writes.iter_mut().filter_map(move |write| Some((write.task, write.node, take(&mut write.update)?)))
    }

    /// Keeps the one value that was written.
    ///
    /// # Errors
    /// Two tasks wrote it.
    pub fn last<T>(&mut self, field: &str, value: &mut T, take: impl FnMut(&mut U) -> Option<T>) -> Result<()> {
        if let Some(written) = self.one(field, take)? {
            *value = written;
        }
        Ok(())
    }

    /// Keeps the one value that was written, and a blank one if none was.
    ///
    /// # Errors
    /// Two tasks wrote it.
    pub fn ephemeral<T: Default>(
        &mut self,
        field: &str,
        value: &mut T,
        take: impl FnMut(&mut U) -> Option<T>,
    ) -> Result<()> {
        *value = self.one(field, take)?.unwrap_or_default();
        Ok(())
    }

    fn one<T>(&mut self, field: &str, take: impl FnMut(&mut U) -> Option<T>) -> Result<Option<T>> {
        let mut writes = self.by_task(take);
        let Some((task, first, mut value)) = writes.next() else { return Ok(None) };
        for (other, second, later) in writes {
            if other != task {
                return Err(both_wrote(field, first, second));
            }
            value = later;
        }
        Ok(Some(value))
    }

    /// Adds what was written at the end of a list, or merges it into a map or a set.
    ///
    /// # Errors
    /// Two tasks replaced all of it.
    pub fn extend<C>(&mut self, field: &str, value: &mut C, take: impl FnMut(&mut U) -> Option<Change<C>>) -> Result<()>
    where
        C: IntoIterator + Extend<C::Item>,
    {
        let mut replaced: Option<(usize, &str)> = None;
        let mut added: Vec<(usize, C)> = Vec::new();
        for (task, node, change) in self.by_task(take) {
            match change {
                Change::Add(items) => added.push((task, items)),
                Change::Replace(whole) => {
                    if let Some((_, first)) = replaced.replace((task, node)).filter(|(other, _)| *other != task) {
                        return Err(both_replaced(field, first, node));
                    }
                    // What the same task added before is replaced too.
                    added.retain(|(other, _)| *other != task);
                    *value = whole;
                }
            }
        }
        added.into_iter().for_each(|(_, items)| value.extend(items));
        Ok(())
    }

    /// Puts and removes messages by id, edit by edit.
    ///
    /// # Errors
    /// An edit removes a message that is not there.
    pub fn messages<M: Identified>(
        &mut self,
        field: &str,
        messages: &mut Vec<M>,
        take: impl FnMut(&mut U) -> Option<Vec<Edit<M>>>,
    ) -> Result<()> {
        for (node, edits) in self.of(take) {
            for edit in edits {
                apply_edit(messages, edit).map_err(|error| error.context(format!("`{node}` writing `{field}`")))?;
            }
        }
        Ok(())
    }

    /// Keeps the greatest. What cannot be compared with itself, such as NaN, is no candidate.
    pub fn max<T: PartialOrd>(&mut self, value: &mut T, take: impl FnMut(&mut U) -> Option<T>) {
        self.of(take).for_each(|(_, written)| keep(value, written, Ordering::Greater));
    }

    /// Keeps the least. What cannot be compared with itself, such as NaN, is no candidate.
    pub fn min<T: PartialOrd>(&mut self, value: &mut T, take: impl FnMut(&mut U) -> Option<T>) {
        self.of(take).for_each(|(_, written)| keep(value, written, Ordering::Less));
    }

    /// Keeps the greatest; any value is greater than none.
    pub fn max_some<T: PartialOrd>(&mut self, value: &mut Option<T>, take: impl FnMut(&mut U) -> Option<Option<T>>) {
        self.some(value, take, Ordering::Greater);
    }

    /// Keeps the least; any value is less than none.
    pub fn min_some<T: PartialOrd>(&mut self, value: &mut Option<T>, take: impl FnMut(&mut U) -> Option<Option<T>>) {
        self.some(value, take, Ordering::Less);
    }

    fn some<T: PartialOrd>(
        &mut self,
        value: &mut Option<T>,
        take: impl FnMut(&mut U) -> Option<Option<T>>,
        better: Ordering,
    ) {
        for (_, written) in self.of(take) {
            match (&mut *value, written) {
                (Some(value), Some(written)) => keep(value, written, better),
                (None, Some(written)) if is_comparable(&written) => *value = Some(written),
                (_, _) => {}
            }
        }
    }

    /// Adds up.
    ///
    /// # Errors
    /// The sum does not fit its type.
    pub fn sum<T: Summable>(
        &mut self,
        field: &str,
        value: &mut T,
        take: impl FnMut(&mut U) -> Option<T>,
    ) -> Result<()> {
        for (node, written) in self.of(take) {
            *value = value.plus(&written).ok_or_else(|| {
                Error::new(Kind::Limit, format!("the sum `{field}` does not fit its type after what `{node}` added"))
            })?;
        }
        Ok(())
    }

    /// Lets a function fold the writes in, one by one.
    ///
    /// # Errors
    /// Those of the function.
    pub fn custom<T, R: Folded>(
        &mut self,
        field: &str,
        value: &mut T,
        take: impl FnMut(&mut U) -> Option<T>,
        fold: impl Fn(&mut T, T) -> R,
    ) -> Result<()> {
        for (node, written) in self.of(take) {
            fold(value, written)
                .into_result()
                .map_err(|error| error.context(format!("folding what `{node}` wrote into `{field}`")))?;
        }
        Ok(())
    }
}

/// Keeps what was written if it is better, or if there was nothing to compare it with.
fn keep<T: PartialOrd>(value: &mut T, written: T, better: Ordering) {
    let is_better = written.partial_cmp(value) == Some(better);
    if is_better || (!is_comparable(value) && is_comparable(&written)) {
        *value = written;
    }
}

fn is_comparable<T: PartialOrd>(value: &T) -> bool {
    value.partial_cmp(value).is_some()
}

fn apply_edit<M: Identified>(messages: &mut Vec<M>, edit: Edit<M>) -> Result<()> {
    // From the end, where the message that changes mostly is.
    let at = |messages: &[M], id: &str| messages.iter().rposition(|message| message.id() == Some(id));
    match edit {
        Edit::Put(message) => match message.id().and_then(|id| at(messages, id)) {
            Some(index) => messages[index] = message,
            None => messages.push(message),
        },
        Edit::Clear => messages.clear(),
        Edit::Remove(id) => {
            let index = at(messages, &id)
                .ok_or_else(|| Error::new(Kind::BadInput, format!("no message has the id `{id}` to be removed")))?;
            messages.remove(index);
        }
    }
    Ok(())
}

fn both_wrote(field: &str, first: &str, second: &str) -> Error {
    let who = if first == second { format!("two tasks of `{first}`") } else { format!("`{first}` and `{second}`") };
    let message = format!(
        "{who} wrote `{field}` in the same superstep, which keeps one value; give the field a rule such as `append`, \
         or let only one of them write it"
    );
    Error::new(Kind::Conflict, message)
}

fn both_replaced(field: &str, first: &str, second: &str) -> Error {
    let who = if first == second { format!("two tasks of `{first}`") } else { format!("`{first}` and `{second}`") };
    Error::new(Kind::Conflict, format!("{who} replaced all of `{field}` in the same superstep; let only one of them"))
}

/// What a folding function returns: nothing, or a `Result`.
#[diagnostic::on_unimplemented(
    message = "a folding function returns nothing or `Result<()>` of this crate, not `{Self}`",
    label = "its function returns `{Self}`"
)]
pub trait Folded {
    /// Turns it into a result.
    ///
    /// # Errors
    /// The function's own.
    fn into_result(self) -> Result<()>;
}

impl Folded for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl Folded for Result<()> {
    fn into_result(self) -> Result<()> {
        self
    }
}

/// Numbers and the like, whose sum may not fit.
#[diagnostic::on_unimplemented(
    message = "the rule `sum` needs a number or a `Duration`, and `{Self}` is not `Summable`",
    label = "cannot be summed",
    note = "implement `lorewell_agent::state::Summable` for it, or use `#[reduce(with = path::to::function)]`"
)]
pub trait Summable: Sized {
    /// Returns the sum, if it fits.
    fn plus(&self, other: &Self) -> Option<Self>;
}

macro_rules! summable {
    ($($integer:ty)*) => {
        $(impl Summable for $integer {
            fn plus(&self, other: &Self) -> Option<Self> {
                self.checked_add(*other)
            }
        })*
    };
}
summable!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

/// A sum that is not finite has no form in JSON, so it could not be stored.
macro_rules! summable_float {
    ($($float:ty)*) => {
        $(impl Summable for $float {
            fn plus(&self, other: &Self) -> Option<Self> {
                Some(self + other).filter(|sum| sum.is_finite())
            }
        })*
    };
}
summable_float!(f32 f64);

impl Summable for Duration {
    fn plus(&self, other: &Self) -> Option<Self> {
        self.checked_add(*other)
    }
}
