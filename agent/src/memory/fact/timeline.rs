//! What a new fact does to those that are known: decided here, on plain spans of time, and done by the store. An attribute has
//! one value at a time; a new value closes the old one where they meet.

/// The end of a span that has none.
pub(super) const OPEN: i64 = i64::MAX;

/// A value and when it holds: from the first time to before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) row: i64,
    /// Whether it is the new value, from somebody who is trusted as much.
    pub(super) is_same: bool,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// What becomes of a value that was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It holds for another span.
    Move { row: i64, from: i64, to: i64 },
    /// It holds before and after the new value: the row keeps what is before, a new one takes what is after.
    Split { row: i64, from: i64, to: i64, again_from: i64, again_to: i64 },
    /// The new value holds all that time.
    Remove { row: i64 },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    pub(super) changes: Vec<Change>,
    /// The span of a row that is to be stored. None if the value is known already: then the row of [`known`](Self::known)
    /// says it, and the changes have made it hold long enough.
    pub(super) insert: Option<(i64, i64)>,
    pub(super) known: Option<i64>,
}

/// Plans for a value that holds from a time on, to another if that is known. Without one, it holds until the next value that is
/// known already.
pub(super) fn plan(held: &[Held], from: i64, to: Option<i64>) -> Plan {
    let others = || held.iter().filter(|other| !other.is_same);
    let next = || others().map(|other| other.from).filter(|start| *start > from).min();
    let to = to.or_else(next).unwrap_or(OPEN);
    let mut changes: Vec<Change> = others().filter_map(|other| make_way(other, from, to)).collect();
    let mut same = held.iter().filter(|same| same.is_same && same.from <= to && from <= same.to);
    let Some(first) = same.next() else { return Plan { changes, insert: Some((from, to)), known: None } };
    let (mut start, mut end) = (first.from.min(from), first.to.max(to));
    for more in same {
        (start, end) = (start.min(more.from), end.max(more.to));
        changes.push(Change::Remove { row: more.row });
    }
    if (start, end) != (first.from, first.to) {
        changes.push(Change::Move { row: first.row, from: start, to: end });
    }
    Plan { changes, insert: None, known: Some(first.row) }
}

/// What becomes of another value while the new one holds.
fn make_way(other: &Held, from: i64, to: i64) -> Option<Change> {
    let Held { row, from: start, to: end, .. } = *other;
    if end <= from || to <= start {
        return None;
    }
    Some(match (start < from, to < end) {
        (true, true) => Change::Split { row, from: start, to: from, again_from: to, again_to: end },
        (true, false) => Change::Move { row, from: start, to: from },
        (false, true) => Change::Move { row, from: to, to: end },
        (false, false) => Change::Remove { row },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A value as it is stored.
    #[derive(Debug)]
    struct Known {
        row: i64,
        value: String,
        from: i64,
        to: i64,
    }

    /// Does what a plan says.
    fn apply(held: &mut Vec<Known>, value: &str, from: i64, to: Option<i64>) {
        let seen =
            |known: &Known| Held { row: known.row, is_same: known.value == value, from: known.from, to: known.to };
        let plan = plan(&held.iter().map(seen).collect::<Vec<_>>(), from, to);
        let next_row = held.iter().map(|held| held.row).max().unwrap_or(0) + 1;
        for (n, change) in (0..).zip(plan.changes) {
            match change {
                Change::Remove { row } => held.retain(|held| held.row != row),
                Change::Move { row, from, to } => at(held, row, from, to),
                Change::Split { row, from, to, again_from, again_to } => {
                    let value = held.iter().find(|held| held.row == row).unwrap().value.clone();
                    held.push(Known { row: next_row + 1 + n, value, from: again_from, to: again_to });
                    at(held, row, from, to);
                }
            }
        }
        if let Some((from, to)) = plan.insert {
            held.push(Known { row: next_row, value: value.to_owned(), from, to });
        }
    }

    fn at(held: &mut [Known], row: i64, from: i64, to: i64) {
        let held = held.iter_mut().find(|held| held.row == row).unwrap();
        (held.from, held.to) = (from, to);
    }

    /// What holds at a time, by a reading of all that was said: the newest word on a time is right.
    fn value_at(held: &[Known], time: i64) -> Vec<&str> {
        held.iter().filter(|held| held.from <= time && time < held.to).map(|held| &*held.value).collect()
    }

    #[test]
    fn a_new_value_closes_the_old_one() {
        let mut held = Vec::new();
        apply(&mut held, "Bolt", 10, None);
        apply(&mut held, "Carl", 20, None);
        apply(&mut held, "Adam", 5, None);
        assert_eq!(value_at(&held, 7), ["Adam"], "what is said later of an earlier time ends where the next begins");
        assert_eq!(value_at(&held, 10), ["Bolt"]);
        assert_eq!(value_at(&held, 19), ["Bolt"]);
        assert_eq!(value_at(&held, 20), ["Carl"]);
        assert_eq!(value_at(&held, 4), [""; 0]);
        apply(&mut held, "Dora", 12, Some(14));
        assert_eq!(
            (value_at(&held, 11), value_at(&held, 13), value_at(&held, 15)),
            (vec!["Bolt"], vec!["Dora"], vec!["Bolt"])
        );
    }

    #[test]
    fn what_is_known_is_not_stored_twice() {
        let held = [Held { row: 1, is_same: true, from: 10, to: OPEN }];
        assert_eq!(plan(&held, 15, None), Plan { known: Some(1), ..Plan::default() });
        let longer = plan(&held, 5, None);
        assert_eq!(longer.changes, [Change::Move { row: 1, from: 5, to: OPEN }]);
        assert_eq!(longer.insert, None);
    }

    proptest! {
        #[test]
        fn there_is_one_value_at_a_time(said in prop::collection::vec((0_u8..4, 0_i64..20, prop::option::of(1_i64..9)), 1..20)) {
            let mut held = Vec::new();
            // What each time holds, written down step by step.
            let mut expected = vec![None; 40];
            for (value, from, length) in said {
                let value = value.to_string();
                let next = held.iter().filter(|held: &&Known| held.value != value && held.from > from).map(|held| held.from).min();
                let to = length.map(|length| from + length);
                let end = to.or(next).unwrap_or(OPEN).min(40);
                for slot in &mut expected[usize::try_from(from).unwrap()..usize::try_from(end).unwrap()] {
                    *slot = Some(value.clone());
                }
                apply(&mut held, &value, from, to);
                for (time, expected) in (0..).zip(&expected) {
                    prop_assert_eq!(value_at(&held, time), expected.iter().map(|value| &**value).collect::<Vec<_>>());
                }
                prop_assert!(held.iter().all(|held| held.from < held.to));
            }
        }
    }
}
