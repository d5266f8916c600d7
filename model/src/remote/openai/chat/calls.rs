//! Calls of tools in pieces. OpenAI names a call by its index and sends its arguments bit by bit; others leave out the
//! index or the id, give every call the same index, repeat the name, or send arguments whole or as an object.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::super::body::CallIds;
use super::super::lenient::{Count, Object, Words};
use super::NAME;
use crate::event::Event;
use crate::message::Opaque;

/// Arguments that are kept while a call has no name yet; then it begins without.
const EARLY_BYTES_MAX: usize = 1 << 16;

/// A piece of a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Piece<'a> {
    index: Count,
    #[serde(borrow)]
    id: Words<'a>,
    #[serde(borrow)]
    function: Object<Function<'a>>,
    /// What Google's compatible server wants back: the signature of its thoughts.
    #[serde(borrow)]
    extra_content: Option<&'a RawValue>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    name: Words<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl Function<'_> {
    /// Whether it says nothing; Snowflake sends such a one with every answer.
    pub(super) fn is_empty(&self) -> bool {
        self.name.full().is_none() && Arguments::of(self.arguments).text().is_empty()
    }
}

impl<'a> Piece<'a> {
    /// Makes one of the form that calls had before there were several.
    pub(super) fn of(function: Function<'a>) -> Self {
        Self { index: Count(Some(0)), function: Object(Some(function)), ..Self::default() }
    }
}

/// The calls so far.
#[derive(Debug, Default)]
pub(super) struct Calls {
    all: Vec<Call>,
    /// The newest call of each index.
    by_index: HashMap<u64, usize>,
    by_id: HashMap<String, usize>,
    /// For those without ids.
    pub(super) ids: CallIds,
}

#[derive(Debug, Default)]
struct Call {
    id: String,
    name: String,
    has_begun: bool,
    /// Arguments that came before the name.
    early: String,
    opaque: Option<Value>,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes a piece of a call.
    pub(super) fn push(&mut self, piece: &Piece<'_>, events: &mut Vec<Event>) {
        let default = Function::default();
        let function = piece.function.0.as_ref().unwrap_or(&default);
        let arguments = Arguments::of(function.arguments);
        let before = self.all.len();
        let place = self.place(piece, function, &arguments);
        if self.all.len() > before && before > 0 {
            self.all[before - 1].begin(index(before - 1), events); // its name will not come any more
        }
        let call = &mut self.all[place];
        if let Some(raw) = piece.extra_content {
            let extra = serde_json::from_str::<Value>(raw.get()).ok();
            call.opaque = extra.map(|extra| serde_json::json!({ "extra_content": extra }));
        }
        if call.name.is_empty() {
            function.name.as_str().clone_into(&mut call.name);
        }
        call.go_on(index(place), arguments.text(), events);
    }

    /// Ends all calls.
    pub(super) fn end(&mut self, events: &mut Vec<Event>) {
        for (place, call) in self.all.iter_mut().enumerate() {
            call.begin(index(place), events);
            let opaque = call.opaque.take().and_then(|value| Opaque::boxed(NAME, value));
            events.push(Event::ToolCallEnd { index: index(place), opaque });
        }
    }

    /// Finds the call that a piece belongs to, or adds it.
    fn place(&mut self, piece: &Piece<'_>, function: &Function<'_>, arguments: &Arguments<'_>) -> usize {
        let (id, name) = (piece.id.full(), function.name.full());
        if let Some(place) = id.and_then(|id| self.by_id.get(id)) {
            return *place;
        }
        let same_index = piece.index.0.and_then(|index| self.by_index.get(&index));
        let last = self.all.len().checked_sub(1);
        let known = match (same_index, piece.index.0, id) {
            // Another id with a name at an index that is taken: a server that numbers every call 0.
            (Some(place), _, Some(_)) if name.is_some() && !self.all[*place].id.is_empty() => None,
            (Some(place), ..) => Some(*place),
            (None, Some(_), _) | (None, None, Some(_)) => None,
            // Only the name can tell, and many repeat it.
            (None, None, None) => {
                last.filter(|last| name.is_none_or(|name| self.all[*last].name == name && !arguments.is_whole()))
            }
        };
        known.unwrap_or_else(|| self.add(piece.index.0, id))
    }

    fn add(&mut self, index: Option<u64>, id: Option<&str>) -> usize {
        let place = self.all.len();
        let id = id.map_or_else(|| self.ids.make(place), str::to_owned);
        self.by_index.extend(index.map(|index| (index, place)));
        self.by_id.insert(id.clone(), place);
        self.all.push(Call { id, ..Call::default() });
        place
    }
}

impl Call {
    fn go_on(&mut self, index: u32, arguments: &str, events: &mut Vec<Event>) {
        if self.name.is_empty() && self.early.len() < EARLY_BYTES_MAX {
            self.early.push_str(arguments);
            return;
        }
        self.begin(index, events);
        if !arguments.is_empty() {
            events.push(Event::ToolCallArguments { index, text: arguments.to_owned() });
        }
    }

    fn begin(&mut self, index: u32, events: &mut Vec<Event>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        events.push(Event::ToolCallStart { index, id: self.id.clone(), name: self.name.clone() });
        if !self.early.is_empty() {
            events.push(Event::ToolCallArguments { index, text: std::mem::take(&mut self.early) });
        }
    }
}

/// Arguments, or a piece of them.
#[derive(Debug)]
enum Arguments<'a> {
    Text(Words<'a>),
    Object(&'a str),
}

impl<'a> Arguments<'a> {
    fn of(raw: Option<&'a RawValue>) -> Self {
        match raw {
            Some(raw) if raw.get().starts_with('{') => Self::Object(raw.get()),
            Some(raw) => Self::Text(Words::of(raw)),
            None => Self::Text(Words::default()),
        }
    }

    fn text(&self) -> &str {
        match self {
            // A call without arguments, in Groq's words.
            Self::Text(words) if words.as_str() == "null" => "",
            Self::Text(words) => words.as_str(),
            Self::Object(json) => json,
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            Self::Text(words) => {
                let json = words.as_str().trim();
                json.starts_with('{') && json.ends_with('}') && serde_json::from_str::<&RawValue>(json).is_ok()
            }
            Self::Object(_) => true,
        }
    }
}

fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
