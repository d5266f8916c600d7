//! Which of many texts another one begins with.

/// Texts with numbers, ordered, so that a walk along another text narrows down which of them it begins with.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    entries: Vec<(Box<[u8]>, u32)>,
    /// Where the entries begin that start with each byte, and where the last of them end.
    firsts: Vec<usize>,
}

impl Prefixes {
    /// Orders texts. Empty ones are left out, and of equal ones all but the first.
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let boxed = texts.into_iter().map(|(text, id)| (text.as_bytes().into(), id));
        let mut entries: Vec<(Box<[u8]>, u32)> = boxed.filter(|(text, _): &(Box<[u8]>, _)| !text.is_empty()).collect();
        entries.sort();
        entries.dedup_by(|(later, _), (earlier, _)| later == earlier);
        let firsts = (0..=256).map(|byte| entries.partition_point(|(text, _)| usize::from(text[0]) < byte)).collect();
        Self { entries, firsts }
    }

    /// Returns the length and the number of every entry that the text begins with, the shortest first.
    pub(super) fn of<'s>(&'s self, text: &'s [u8]) -> impl Iterator<Item = (usize, u32)> + 's {
        let mut range = match text.first() {
            Some(first) if !self.entries.is_empty() => {
                self.firsts[usize::from(*first)]..self.firsts[usize::from(*first) + 1]
            }
            _ => 0..0,
        };
        let mut depth = 1;
        std::iter::from_fn(move || {
            while !range.is_empty() {
                let (entry, id) = &self.entries[range.start];
                if entry.len() == depth {
                    range.start += 1;
                    return Some((depth, *id));
                }
                let next = *text.get(depth)?;
                let entries = &self.entries[range.clone()];
                let skipped = entries.partition_point(|(entry, _)| entry[depth] < next);
                let kept = entries[skipped..].partition_point(|(entry, _)| entry[depth] == next);
                range = range.start + skipped..range.start + skipped + kept;
                depth += 1;
            }
            None
        })
    }

    /// Returns the length and the number of the longest entry that the text begins with.
    pub(super) fn longest(&self, text: &[u8]) -> Option<(usize, u32)> {
        self.of(text).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_from_short_to_long() {
        let prefixes = Prefixes::new([("ab", 0), ("a", 1), ("abcd", 2), ("b", 3), ("", 4), ("abx", 5), ("a", 6)]);
        let found = |text: &str| prefixes.of(text.as_bytes()).collect::<Vec<_>>();
        assert_eq!(found("abcde"), [(1, 1), (2, 0), (4, 2)]);
        assert_eq!(found("abc"), [(1, 1), (2, 0)]);
        assert_eq!(found("c"), []);
        assert_eq!(found(""), []);
        assert_eq!(prefixes.longest(b"abxy"), Some((3, 5)));
        assert_eq!(Prefixes::default().longest(b"a"), None);
    }
}
