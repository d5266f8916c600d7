//! A conversation that many hold: requests, layers and agents share it, and whoever changes it while others look gets a copy.
//! So asking a model again and again with a longer conversation does not cost a copy of all of it each time, and neither does a
//! turn at the end of a long one.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::{Bound, Index, IndexMut, Range, RangeBounds};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::message::Message;

/// Messages, oldest first: a list that is cheap to clone, and whose beginning may be what others keep.
///
/// Messages are added at the end at no cost but their own. What changes others, or the beginning, copies what is shared.
///
/// ```
/// use lorewell_model::{Message, Messages};
///
/// let mut messages = Messages::from([Message::user("hi")]);
/// let before = messages.clone();
/// messages.push(Message::assistant("hello"));
/// assert_eq!((before.len(), messages.len()), (1, 2));
/// ```
#[derive(Clone, Default)]
pub struct Messages {
    /// What comes first, where others keep it.
    shared: Vec<Run>,
    /// What comes after it.
    own: Arc<Vec<Message>>,
}

/// Messages in a row that someone else keeps.
#[derive(Clone)]
struct Run {
    keeper: Arc<dyn AsRef<[Message]> + Send + Sync>,
    range: Range<usize>,
}

impl Run {
    fn messages(&self) -> &[Message] {
        &(*self.keeper).as_ref()[self.range.clone()]
    }

    /// A part of it, if there is anything in it.
    fn part(&self, range: Range<usize>) -> Option<Self> {
        (!range.is_empty()).then(|| Self { keeper: self.keeper.clone(), range })
    }
}

impl Messages {
    /// Adds messages of someone who keeps them, without a copy: those in the range, as far as they are there. Whoever keeps
    /// them must not have fewer later, or reading them panics.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use lorewell_model::{Message, Messages};
    ///
    /// let kept = Arc::new(vec![Message::user("one"), Message::assistant("two")]);
    /// let mut messages = Messages::from([Message::system("Count.")]);
    /// messages.share(kept.clone(), 0..2);
    /// messages.push(Message::user("three"));
    /// assert_eq!(messages[2].text(), "two");
    /// assert_eq!((messages.len(), kept.len()), (4, 2));
    /// ```
    pub fn share(&mut self, keeper: Arc<dyn AsRef<[Message]> + Send + Sync>, range: Range<usize>) {
        if !self.own.is_empty() {
            let own = std::mem::take(&mut self.own);
            let range = 0..own.len();
            self.shared.push(Run { keeper: own, range });
        }
        let kept = (*keeper).as_ref().len();
        let range = range.start.min(kept)..range.end.min(kept);
        if !range.is_empty() {
            self.shared.push(Run { keeper, range });
        }
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared_len() + self.own.len()
    }

    fn shared_len(&self) -> usize {
        self.shared.iter().map(|run| run.range.len()).sum()
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns one of them.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Message> {
        let mut index = index;
        for run in &self.shared {
            match index.checked_sub(run.range.len()) {
                None => return run.messages().get(index),
                Some(rest) => index = rest,
            }
        }
        self.own.get(index)
    }

    /// Returns one of them, to be changed.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Message> {
        let before = self.shared_len();
        match index.checked_sub(before) {
            Some(index) => Arc::make_mut(&mut self.own).get_mut(index),
            None => self.to_mut().get_mut(index),
        }
    }

    /// Returns the oldest.
    #[must_use]
    pub fn first(&self) -> Option<&Message> {
        self.get(0)
    }

    /// Returns the newest.
    #[must_use]
    pub fn last(&self) -> Option<&Message> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Returns those that were added since something was [shared](Self::share), in a row; all of them if nothing was.
    #[must_use]
    pub fn own(&self) -> &[Message] {
        &self.own
    }

    /// Goes through all of them.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        self.range(..)
    }

    /// Goes through some of them, as far as they are there.
    #[must_use]
    pub fn range(&self, range: impl RangeBounds<usize>) -> Iter<'_> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => usize::MAX,
        };
        let len = self.len();
        Iter { messages: self, range: start.min(len)..end.min(len) }
    }

    /// Goes through all of them, to change them.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Message> {
        self.to_mut().iter_mut()
    }

    /// Adds one at the end.
    pub fn push(&mut self, message: Message) {
        Arc::make_mut(&mut self.own).push(message);
    }

    /// Takes the newest.
    pub fn pop(&mut self) -> Option<Message> {
        match self.own.is_empty() {
            true => self.to_mut().pop(),
            false => Arc::make_mut(&mut self.own).pop(),
        }
    }

    /// Puts one in the place of another. What is shared stays shared.
    ///
    /// # Panics
    /// There are fewer.
    pub fn replace(&mut self, index: usize, message: Message) {
        let mut rest = index;
        let holds = |run: &Run| {
            let is_here = rest < run.range.len();
            rest -= if is_here { 0 } else { run.range.len() };
            is_here
        };
        let Some(nth) = self.shared.iter().position(holds) else {
            Arc::make_mut(&mut self.own)[rest] = message;
            return;
        };
        let run = &self.shared[nth];
        let at = run.range.start + rest;
        let one = Run { keeper: Arc::new(vec![message]), range: 0..1 };
        let parts = [run.part(run.range.start..at), Some(one), run.part(at + 1..run.range.end)];
        self.shared.splice(nth..=nth, parts.into_iter().flatten());
    }

    /// Puts one before another.
    ///
    /// # Panics
    /// There are fewer.
    pub fn insert(&mut self, index: usize, message: Message) {
        self.to_mut().insert(index, message);
    }

    /// Takes all from an index on.
    ///
    /// # Panics
    /// There are fewer.
    #[must_use]
    pub fn split_off(&mut self, index: usize) -> Vec<Message> {
        let before = self.shared_len();
        match index.checked_sub(before) {
            Some(index) => Arc::make_mut(&mut self.own).split_off(index),
            None => self.to_mut().split_off(index),
        }
    }

    /// Returns all of them as a `Vec`, to be changed; what others hold too is copied.
    pub fn to_mut(&mut self) -> &mut Vec<Message> {
        if !self.shared.is_empty() {
            *self = self.iter().cloned().collect();
        }
        Arc::make_mut(&mut self.own)
    }
}

/// Goes through messages, oldest first.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    messages: &'a Messages,
    range: Range<usize>,
}

impl<'a> Iter<'a> {
    fn at(&self, index: Option<usize>) -> Option<&'a Message> {
        self.messages.get(index?)
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Message;

    fn next(&mut self) -> Option<&'a Message> {
        let index = self.range.next();
        self.at(index)
    }

    fn nth(&mut self, n: usize) -> Option<&'a Message> {
        let index = self.range.nth(n);
        self.at(index)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let index = self.range.next_back();
        self.at(index)
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

impl Index<usize> for Messages {
    type Output = Message;

    fn index(&self, index: usize) -> &Message {
        self.get(index).unwrap_or_else(|| panic!("message {index} of {}", self.len()))
    }
}

impl IndexMut<usize> for Messages {
    fn index_mut(&mut self, index: usize) -> &mut Message {
        let len = self.len();
        self.get_mut(index).unwrap_or_else(|| panic!("message {index} of {len}"))
    }
}

impl From<Vec<Message>> for Messages {
    fn from(messages: Vec<Message>) -> Self {
        Self { shared: Vec::new(), own: Arc::new(messages) }
    }
}

/// Copies what someone else has too.
impl From<Messages> for Vec<Message> {
    fn from(mut messages: Messages) -> Self {
        messages.to_mut();
        Arc::unwrap_or_clone(messages.own)
    }
}

impl<const N: usize> From<[Message; N]> for Messages {
    fn from(messages: [Message; N]) -> Self {
        Vec::from(messages).into()
    }
}

impl FromIterator<Message> for Messages {
    fn from_iter<T: IntoIterator<Item = Message>>(messages: T) -> Self {
        Vec::from_iter(messages).into()
    }
}

impl IntoIterator for Messages {
    type Item = Message;
    type IntoIter = std::vec::IntoIter<Message>;

    fn into_iter(self) -> Self::IntoIter {
        Vec::from(self).into_iter()
    }
}

impl<'a> IntoIterator for &'a Messages {
    type Item = &'a Message;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Extend<Message> for Messages {
    fn extend<T: IntoIterator<Item = Message>>(&mut self, messages: T) {
        Arc::make_mut(&mut self.own).extend(messages);
    }
}

impl PartialEq for Messages {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl<T: AsRef<[Message]> + ?Sized> PartialEq<T> for Messages {
    fn eq(&self, other: &T) -> bool {
        self.iter().eq(other.as_ref())
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl Serialize for Messages {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(texts: &[&str]) -> Vec<Message> {
        texts.iter().map(|text| Message::user(*text)).collect()
    }

    /// Two instructions, two messages that someone keeps, one more.
    fn mixed() -> (Arc<Vec<Message>>, Messages) {
        let kept = Arc::new(said(&["out", "c", "d", "out"]));
        let mut messages = Messages::from(said(&["a", "b"]));
        messages.share(kept.clone(), 1..3);
        messages.push(Message::user("e"));
        (kept, messages)
    }

    #[test]
    fn what_is_shared_stands_where_it_was_put() {
        let (_, messages) = mixed();
        assert_eq!(messages, said(&["a", "b", "c", "d", "e"]));
        assert_eq!((messages.len(), messages.own()), (5, &*said(&["e"])));
        assert_eq!((messages[2].text(), messages.last().unwrap().text()), ("c".into(), "e".into()));
        assert!(messages.get(5).is_none());
        let back: Vec<_> = messages.iter().rev().map(Message::text).collect();
        assert_eq!(back, ["e", "d", "c", "b", "a"]);
        assert!(messages.range(1..4).eq(&said(&["b", "c", "d"])));
        assert_eq!((messages.range(4..9).len(), messages.range(7..).len()), (1, 0));
        assert_eq!(messages.iter().nth(3).unwrap().text(), "d");
    }

    #[test]
    fn nothing_is_shared_that_is_not_there() {
        let kept = Arc::new(said(&["a"]));
        let mut messages = Messages::default();
        messages.share(kept.clone(), 0..9);
        messages.share(kept, 2..4);
        assert_eq!(messages, said(&["a"]));
    }

    #[test]
    fn who_keeps_messages_does_not_see_what_becomes_of_them() {
        let (kept, messages) = mixed();
        let changed = |change: fn(&mut Messages)| {
            let mut messages = messages.clone();
            change(&mut messages);
            messages.iter().map(|message| message.text().into_owned()).collect::<String>()
        };
        assert_eq!(changed(|messages| messages.push(Message::user("f"))), "abcdef");
        assert_eq!(changed(|messages| messages[2] = Message::user("C")), "abCde");
        assert_eq!(changed(|messages| messages[4] = Message::user("E")), "abcdE");
        assert_eq!(changed(|messages| messages.insert(0, Message::user("_"))), "_abcde");
        assert_eq!(changed(|messages| drop((messages.pop(), messages.pop()))), "abc");
        assert_eq!(changed(|messages| messages.iter_mut().for_each(|message| message.parts.clear())), "");
        assert_eq!(changed(|messages| messages.to_mut().truncate(1)), "a");
        assert_eq!((messages.len(), &**kept), (5, &*said(&["out", "c", "d", "out"])));
    }

    #[test]
    fn one_is_replaced_and_the_rest_stays_shared() {
        let (kept, messages) = mixed();
        for (index, expected) in [(0, "Xbcde"), (1, "aXcde"), (2, "abXde"), (3, "abcXe"), (4, "abcdX")] {
            let mut messages = messages.clone();
            messages.replace(index, Message::user("X"));
            let text: String = messages.iter().map(|message| message.text().into_owned()).collect();
            assert_eq!(text, expected);
            let shared = [2, 3].into_iter().find(|other| *other != index).unwrap_or_default();
            assert!(std::ptr::eq(&raw const messages[shared], &raw const kept[shared - 1]), "{index}");
        }
    }

    #[test]
    fn a_part_is_taken_off_at_the_end() {
        for (at, left, taken) in [(4, "abcd", "e"), (5, "abcde", ""), (3, "abc", "de"), (0, "", "abcde")] {
            let (_, mut messages) = mixed();
            let off: String = messages.split_off(at).iter().map(|message| message.text().into_owned()).collect();
            let rest: String = messages.iter().map(|message| message.text().into_owned()).collect();
            assert_eq!((rest.as_str(), off.as_str()), (left, taken));
        }
    }

    #[test]
    fn in_json_it_is_a_list() {
        let (_, messages) = mixed();
        let json = serde_json::to_string(&messages).unwrap();
        assert_eq!(json, serde_json::to_string(&said(&["a", "b", "c", "d", "e"])).unwrap());
        let read: Messages = serde_json::from_str(&json).unwrap();
        assert_eq!((read.own().len(), &read), (5, &messages));
        assert_eq!(format!("{messages:?}"), format!("{:?}", said(&["a", "b", "c", "d", "e"])));
    }
}
