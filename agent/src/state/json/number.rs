//! Numbers of JSON under the rules that compare and add: integers as integers, so that a large one keeps its last
//! digit, and everything else as floats.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use crate::state::Summable;

/// A number that is compared.
pub(super) struct Ordered(Number);

impl Ordered {
    /// Reads a number, or null as none.
    pub(super) fn of(value: &Value) -> Option<Self> {
        value.as_number().cloned().map(Self)
    }
}

impl From<Ordered> for Value {
    fn from(number: Ordered) -> Self {
        Self::Number(number.0)
    }
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (integer(&self.0), integer(&other.0)) {
            (Some(one), Some(other)) => one.partial_cmp(&other),
            _ => self.0.as_f64()?.partial_cmp(&other.0.as_f64()?),
        }
    }
}

/// A number that is added to, or nothing yet.
pub(super) struct Total(Option<Number>);

impl Total {
    /// Reads a number, or null as nothing.
    pub(super) fn of(value: &Value) -> Self {
        Self(value.as_number().cloned())
    }
}

impl From<Total> for Value {
    fn from(total: Total) -> Self {
        total.0.map_or(Self::Null, Self::Number)
    }
}

impl Summable for Total {
    fn plus(&self, other: &Self) -> Option<Self> {
        let sum = match (&self.0, &other.0) {
            (Some(one), Some(other)) => sum(one, other)?,
            (one, other) => return Some(Self(one.as_ref().or(other.as_ref()).cloned())),
        };
        Some(Self(Some(sum)))
    }
}

fn sum(one: &Number, other: &Number) -> Option<Number> {
    match (integer(one), integer(other)) {
        (Some(one), Some(other)) => Number::from_i128(one.checked_add(other)?),
        _ => Number::from_f64(one.as_f64()? + other.as_f64()?),
    }
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i128()
}
