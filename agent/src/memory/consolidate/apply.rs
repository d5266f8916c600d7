//! Does what a model has proposed, as far as it may be done, in one transaction. What is wrong with a proposal is told, and the
//! others are done all the same.

use lorewell_model::{Error, Kind, Origin};
use rusqlite::Transaction;

use super::super::IMPORTANCE;
use super::super::database::{Fault, Work};
use super::super::item::{MemoryItem, MemoryKind, MemorySource};
use super::super::remember::{check_text, remember};
use super::super::rows::{self, Change, Draft};
use super::super::time::now;
use super::super::{fact, namespace};
use super::{Action, Consolidation, OPERATIONS_MAX, Operation, Refusal};

/// What holds for all operations.
pub(super) struct Fix {
    pub(super) origin: Origin,
    pub(super) source: MemorySource,
    /// The memories that the model was shown; its numbers count them from 1.
    pub(super) near: Vec<MemoryItem>,
    pub(super) capacity: usize,
}

/// The text of an operation that needs a vector.
pub(super) fn text(operation: &Operation) -> Option<&str> {
    let is_said = matches!(operation.action, Action::Add | Action::Update);
    operation.text.as_deref().filter(|text| is_said && check_text((*text).to_owned()).is_ok())
}

/// Does what may be done. `vectors` are those of the operations that have a [`text`], in their order.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    namespace: i64,
    fix: &Fix,
    operations: &[Operation],
    vectors: Vec<Option<Vec<f32>>>,
) -> Work<Consolidation> {
    let (added, updated, invalidated, forgotten, refused) = Default::default();
    let mut done = Consolidation { added, updated, invalidated, forgotten, refused, left_out: 0, origin: fix.origin };
    let mut vectors = vectors.into_iter();
    for (index, operation) in operations.iter().take(OPERATIONS_MAX).enumerate() {
        let vector = text(operation).and_then(|_| vectors.next()).flatten();
        let one = One { transaction, namespace, fix, operation, vector };
        match one.carry_out(&mut done) {
            Ok(()) => {}
            Err(Fault::Told(error)) if is_refusal(error.kind()) => {
                done.refused.push(Refusal { operation: index, why: error.message().to_owned() });
            }
            Err(fault) => return Err(fault),
        }
    }
    if operations.len() > OPERATIONS_MAX {
        let why = format!(
            "{} operations are too many; those after the first {OPERATIONS_MAX} were not looked at",
            operations.len()
        );
        done.refused.push(Refusal { operation: OPERATIONS_MAX, why });
    }
    Ok(done)
}

/// Tells whether the proposal is at fault, and not the store.
fn is_refusal(kind: Kind) -> bool {
    matches!(kind, Kind::BadInput | Kind::Limit | Kind::NotFound | Kind::Refused | Kind::Conflict)
}

/// One operation, with its vector.
struct One<'a> {
    transaction: &'a Transaction<'a>,
    namespace: i64,
    fix: &'a Fix,
    operation: &'a Operation,
    vector: Option<Vec<f32>>,
}

impl One<'_> {
    fn carry_out(self, done: &mut Consolidation) -> Work<()> {
        match self.operation.action {
            Action::None => Ok(()),
            Action::Add => self.add(done),
            Action::Update => self.update(done),
            Action::Invalidate => self.invalidate(done),
        }
    }

    fn add(self, done: &mut Consolidation) -> Work<()> {
        let text = self.text()?;
        let importance =
            self.operation.importance.map_or(IMPORTANCE, |importance| f32::from(importance.clamp(1, 10)) / 10.0);
        let draft = Draft {
            kind: self.operation.kind.map_or(MemoryKind::Semantic, MemoryKind::from),
            text,
            statement: None,
            origin: self.fix.origin,
            source: self.fix.source.clone(),
            importance,
            valid_from: None,
            valid_to: None,
            expires: None,
            vector: self.vector,
        };
        let remembered = remember(self.transaction, self.namespace, &draft, self.fix.capacity, now())?;
        if remembered.is_new {
            done.added.push(remembered.id);
        }
        done.forgotten.extend(remembered.forgotten);
        Ok(())
    }

    fn update(self, done: &mut Consolidation) -> Work<()> {
        let text = self.text()?;
        let (row, item) = self.target()?;
        let origin = item.origin.max(self.fix.origin);
        let change = Change { text: &text, origin, vector: self.vector.as_deref(), now: now() };
        namespace::set_text(self.transaction, row, &item, &change)?;
        done.updated.push(item.id);
        Ok(())
    }

    fn invalidate(self, done: &mut Consolidation) -> Work<()> {
        let (row, item) = self.target()?;
        let now = now();
        fact::close(self.transaction, row, &item, now, now)?;
        done.invalidated.push(item.id);
        Ok(())
    }

    fn text(&self) -> Work<String> {
        let missing = || refusal(Kind::BadInput, format!("`{}` needs a text", self.operation.action.name()));
        Ok(check_text(self.operation.text.clone().ok_or_else(missing)?)?)
    }

    /// Finds the memory that is meant, if it may be changed: it was shown, is as it was then, and is not trusted more than the
    /// conversation. Else a page that somebody had an agent read could change what its user has said.
    fn target(&self) -> Work<(i64, MemoryItem)> {
        let number = self.operation.memory.unwrap_or_default();
        let Some(shown) = number.checked_sub(1).and_then(|index| self.fix.near.get(index)) else {
            return Err(refusal(Kind::NotFound, format!("no memory was shown under the number {number}")));
        };
        let changed = || refusal(Kind::Conflict, format!("the memory of number {number} has changed meanwhile"));
        let (row, item) = rows::find(self.transaction, self.namespace, shown.id)?.ok_or_else(changed)?;
        if item.hash != shown.hash || item.valid_to != shown.valid_to {
            return Err(changed());
        }
        if item.is_trusted() && !self.fix.origin.is_trusted() {
            let message = format!(
                "somebody vouches for the memory of number {number}, and nobody for all that was read in the conversation"
            );
            return Err(refusal(Kind::Refused, message));
        }
        Ok((row, item))
    }
}

fn refusal(kind: Kind, message: String) -> Fault {
    Error::new(kind, message).into()
}
