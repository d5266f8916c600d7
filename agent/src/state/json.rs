//! A state whose fields are known only at run time: JSON values with the rules of the typed one. What does not fit a
//! rule is refused before anything is applied, so that the rules themselves find what they expect.

mod number;
mod shape;
#[cfg(test)]
mod tests;
mod update;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use lorewell_model::{Error, Kind, Result};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Edit, Field, Folded, Identified, Rule, Saved, State, Writes};
use number::{Ordered, Total};

pub use update::JsonUpdate;

/// From here on two names are alike enough to suggest one for the other: a slip or two in a word of usual length.
const LIKENESS_MIN: f64 = 0.5;

/// A state of JSON values, whose fields and rules are given at run time.
///
/// It follows the rules as the typed state does. Numbers that are integers are added and compared as integers, others
/// as floats. A field with the rule `messages` holds objects, whose member `id` is a string.
///
/// ```
/// use lorewell_agent::state::{Json, JsonUpdate, Rule, State, Write, Writes};
/// use serde_json::json;
///
/// let mut state = Json::new([
///     ("messages", Rule::Messages, json!([])),
///     ("route", Rule::Last, json!(null)),
///     ("tokens", Rule::Sum, json!(0)),
/// ])?;
/// let written = [
///     JsonUpdate::new().set("messages", json!([{"id": "1", "text": "hello"}])).set("tokens", 12),
///     JsonUpdate::new().set("route", "billing").set("tokens", 30),
/// ];
/// let mut writes: Vec<_> = written.into_iter().zip(0..).map(|(update, task)| Write { node: "triage", task, update }).collect();
/// state.apply(&mut Writes::new(&mut writes))?;
/// assert_eq!(state.get("tokens"), Some(&json!(42)));
/// assert_eq!(state.get("route"), Some(&json!("billing")));
/// # Ok::<(), lorewell_model::Error>(())
/// ```
#[derive(Clone)]
pub struct Json {
    declared: Arc<Vec<Declared>>,
    /// One for each that is declared, and as its rule wants it.
    values: Vec<Value>,
}

#[derive(Clone)]
struct Declared {
    name: String,
    rule: Rule,
    start: Value,
    fold: Option<Fold>,
}

type Fold = Arc<dyn Fn(&mut Value, Value) -> Result<()> + Send + Sync>;

impl Json {
    /// Makes a state of fields, each with its name, its rule and the value it starts with.
    ///
    /// # Errors
    /// Says of all fields what is wrong with them: a name that is empty, taken or begins with `$`; a start value that
    /// does not fit the rule, which is an array for [`Rule::Append`] and [`Rule::Messages`], an object for
    /// [`Rule::Merge`], a number or null for [`Rule::Sum`], [`Rule::Max`] and [`Rule::Min`]; [`Rule::Custom`], for
    /// which there is [`custom`](Self::custom).
    pub fn new<N: Into<String>>(fields: impl IntoIterator<Item = (N, Rule, Value)>) -> Result<Self> {
        let declare = |(name, rule, start): (N, Rule, Value)| Declared { name: name.into(), rule, start, fold: None };
        Self::of(fields.into_iter().map(declare).collect())
    }

    /// Adds a field with a function that folds what is written into its value.
    ///
    /// ```
    /// use lorewell_agent::state::Json;
    /// use serde_json::{Value, json};
    ///
    /// let longest = |kept: &mut Value, written: Value| {
    ///     if written.as_str().map(str::len) > kept.as_str().map(str::len) {
    ///         *kept = written;
    ///     }
    /// };
    /// let state = Json::new::<&str>([])?.custom("title", json!(""), longest)?;
    /// assert_eq!(state.get("title"), Some(&json!("")));
    /// # Ok::<(), lorewell_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// The name is empty, taken or begins with `$`.
    pub fn custom<R: Folded>(
        self,
        name: impl Into<String>,
        start: Value,
        fold: impl Fn(&mut Value, Value) -> R + Send + Sync + 'static,
    ) -> Result<Self> {
        let fold: Fold = Arc::new(move |value, written| fold(value, written).into_result());
        let field = Declared { name: name.into(), rule: Rule::Custom, start, fold: Some(fold) };
        let mut declared = Arc::unwrap_or_clone(self.declared);
        declared.push(field);
        Self::of(declared)
    }

    fn of(declared: Vec<Declared>) -> Result<Self> {
        let mut names = BTreeSet::new();
        let mut faults = Vec::new();
        for field in &declared {
            faults.extend(field.name_fault());
            faults.extend(field.start_fault());
            if !names.insert(&field.name) {
                faults.push(format!("`{}` is declared twice", field.name));
            }
        }
        if !faults.is_empty() {
            return Err(Error::new(Kind::BadInput, faults.join("; ")));
        }
        let values = declared.iter().map(|field| field.start.clone()).collect();
        Ok(Self { declared: Arc::new(declared), values })
    }

    /// Returns the value of a field; `None` if there is no such field.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.entries().find_map(|(declared, value)| (declared.name == field).then_some(value))
    }

    /// Returns all values by name.
    #[must_use]
    pub fn object(&self) -> Map<String, Value> {
        self.entries().map(|(field, value)| (field.name.clone(), value.clone())).collect()
    }

    fn entries(&self) -> impl Iterator<Item = (&Declared, &Value)> {
        self.declared.iter().zip(&self.values)
    }

    fn field(&self, name: &str) -> Option<&Declared> {
        self.declared.iter().find(|field| field.name == name)
    }

    /// Says what is wrong with an update, in words that follow the name of its node.
    fn fault(&self, update: &JsonUpdate) -> Option<String> {
        let set = update.set.iter().find_map(|(name, value)| match self.field(name) {
            Some(field) => shape::write_fault(&field.name, field.rule, value),
            None => Some(self.unknown(name)),
        });
        set.or_else(|| {
            update.replace.iter().find_map(|(name, whole)| match self.field(name) {
                Some(field) => shape::replacement_fault(&field.name, field.rule, whole),
                None => Some(self.unknown(name)),
            })
        })
    }

    fn unknown(&self, name: &str) -> String {
        if name == update::REPLACE {
            return format!(
                "wrote something else than an object of fields to `{name}`; write what replaces them by name"
            );
        }
        let names = || self.declared.iter().map(|field| field.name.as_str());
        let likeness = |field: &str| strsim::normalized_damerau_levenshtein(field, name);
        let nearest = names().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
        let hint = match nearest.filter(|field| likeness(field) >= LIKENESS_MIN) {
            Some(field) => format!("did you mean `{field}`?"),
            None => format!("fields are: {}", names().collect::<Vec<_>>().join(", ")),
        };
        format!("wrote `{name}`, which is no field of the state; {hint}")
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries().map(|(field, value)| (&field.name, value))).finish()
    }
}

/// All values by name, in the order of declaration.
impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries().map(|(field, value)| (&field.name, value)))
    }
}

impl Declared {
    fn name_fault(&self) -> Option<String> {
        if self.name.is_empty() {
            Some("a field has an empty name".to_owned())
        } else if self.name.starts_with('$') {
            Some(format!("`{}` begins with `$`, which is for instructions in updates", self.name))
        } else {
            None
        }
    }

    fn start_fault(&self) -> Option<String> {
        if self.rule == Rule::Custom && self.fold.is_none() {
            return Some(format!("`{}` needs a function that folds: add it with `Json::custom`", self.name));
        }
        let fault = shape::kept_fault(self.rule, &self.start)?;
        Some(format!("`{}` starts with {fault}", self.name))
    }

    fn apply(&self, value: &mut Value, writes: &mut Writes<'_, JsonUpdate>) -> Result<()> {
        let name = self.name.as_str();
        let set = |update: &mut JsonUpdate| update.set.remove(name);
        match self.rule {
            Rule::Last | Rule::Untracked => writes.last(name, value, set),
            Rule::Ephemeral => {
                let mut written = None;
                writes.last(name, &mut written, |update| set(update).map(Some))?;
                *value = written.unwrap_or_else(|| self.start.clone());
                Ok(())
            }
            Rule::Append => {
                let items = value.as_array_mut().ok_or_else(|| self.bug())?;
                writes.extend(name, items, |update| update.change(name, array))
            }
            Rule::Merge => {
                let members = value.as_object_mut().ok_or_else(|| self.bug())?;
                writes.extend(name, members, |update| update.change(name, object))
            }
            Rule::Messages => {
                let messages = value.as_array_mut().ok_or_else(|| self.bug())?;
                writes.messages(name, messages, |update| Some(array(set(update)?)?.into_iter().map(edit).collect()))
            }
            Rule::Max | Rule::Min => {
                let mut kept = Ordered::of(value);
                let take = |update: &mut JsonUpdate| Some(Ordered::of(&set(update)?));
                match self.rule {
                    Rule::Max => writes.max_some(&mut kept, take),
                    _ => writes.min_some(&mut kept, take),
                }
                *value = kept.map_or(Value::Null, Value::from);
                Ok(())
            }
            Rule::Sum => {
                let mut total = Total::of(value);
                writes.sum(name, &mut total, |update| Some(Total::of(&set(update)?)))?;
                *value = total.into();
                Ok(())
            }
            Rule::Custom => {
                let fold = self.fold.as_ref().ok_or_else(|| self.bug())?;
                writes.custom(name, value, set, |value, written| fold(value, written))
            }
        }
    }

    fn bug(&self) -> Error {
        Error::new(Kind::Internal, format!("field `{}` does not hold what its rule `{}` needs", self.name, self.rule))
    }
}

fn array(value: Value) -> Option<Vec<Value>> {
    if let Value::Array(items) = value { Some(items) } else { None }
}

fn object(value: Value) -> Option<Map<String, Value>> {
    if let Value::Object(members) = value { Some(members) } else { None }
}

/// Reads one element of what is written to messages, which [`shape::write_fault`] has seen.
fn edit(value: Value) -> Edit<Value> {
    if let Some(Value::String(id)) = value.get(update::REMOVE) {
        Edit::Remove(id.clone())
    } else if value.get(update::CLEAR).is_some() {
        Edit::Clear
    } else {
        Edit::Put(value)
    }
}

impl State for Json {
    type Update = JsonUpdate;

    fn fields(&self) -> Vec<Field> {
        self.declared.iter().map(|field| Field::new(field.name.clone(), field.rule)).collect()
    }

    fn apply(&mut self, writes: &mut Writes<'_, JsonUpdate>) -> Result<()> {
        if let Some((node, fault)) = writes.of(|update| self.fault(update)).next() {
            return Err(Error::new(Kind::BadInput, format!("`{node}` {fault}")));
        }
        for (field, value) in self.declared.iter().zip(&mut self.values) {
            field.apply(value, writes)?;
        }
        Ok(())
    }

    fn identify(&self, update: &mut JsonUpdate, ids: &mut dyn FnMut() -> String) {
        for field in self.declared.iter().filter(|field| field.rule == Rule::Messages) {
            let messages = update.set.get_mut(&field.name).and_then(Value::as_array_mut).into_iter().flatten();
            for message in messages.filter(|message| shape::is_nameless(message)) {
                message.identify(ids());
            }
        }
    }

    fn encode(&self, update: &JsonUpdate) -> Result<String> {
        let mut stored = Cow::Borrowed(update);
        let untracked = self.declared.iter().filter(|field| field.rule == Rule::Untracked);
        for field in untracked.filter(|field| update.writes(&field.name)) {
            stored.to_mut().set.remove(&field.name);
        }
        serde_json::to_string(stored.as_ref())
            .map_err(|error| Error::new(Kind::BadInput, error.to_string()).caused_by(error))
    }

    fn save(&self, saved: &mut Saved) -> Result<()> {
        for (field, value) in self.entries().filter(|(field, _)| field.rule != Rule::Untracked) {
            saved.put(&field.name, value)?;
        }
        Ok(())
    }

    fn load(&self, saved: &mut Saved) -> Result<Self> {
        let mut state = self.clone();
        for (field, value) in self.declared.iter().zip(&mut state.values) {
            if field.rule == Rule::Untracked {
                continue;
            }
            let Some(stored) = saved.take(&field.name)? else { continue };
            if let Some(fault) = shape::kept_fault(field.rule, &stored) {
                let message = format!("field `{}` was saved with {fault}; give the graph a `migration`", field.name);
                return Err(Error::new(Kind::Corrupt, message));
            }
            *value = stored;
        }
        Ok(state)
    }

    fn written(&self, update: &JsonUpdate) -> Vec<Cow<'static, str>> {
        let written = self.declared.iter().filter(|field| update.writes(&field.name));
        written.map(|field| Cow::Owned(field.name.clone())).collect()
    }
}
