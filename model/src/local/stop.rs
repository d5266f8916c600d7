//! Stop words in a text that comes in pieces: what may still become a stop word is held back, the rest goes on at once.
//! An automaton reads each byte once, so that the work is linear in the text whatever the words are.

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use crate::{Error, Kind, Result};

/// The most words; hosted models take four, and nobody needs many more.
const WORDS_MAX: usize = 64;
/// The longest word in bytes; so much text is held back at most.
const WORD_BYTES_MAX: usize = 1024;

/// Finds where an answer ends.
///
/// The word that is complete first ends the answer, and of several that are complete with the same letter the longest. So
/// it makes no difference how the text is cut into pieces.
///
/// ```
/// use lorewell_model::local::StopWords;
///
/// let mut stops = StopWords::new(&["\n\nUser:".to_owned()])?;
/// assert_eq!(stops.push("Four thousand.\n").text, "Four thousand.");
/// assert_eq!(stops.push("\nUs").text, "");
/// assert_eq!(stops.push("ually more.\n\nUser: and").text, "\n\nUsually more.");
/// assert!(stops.is_stopped());
/// # Ok::<(), lorewell_model::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StopWords {
    words: Vec<String>,
    nodes: Vec<Node>,
    /// What has been read last: a path of letters from node 0.
    at: usize,
    held: String,
    stopped: bool,
}

/// What is known after a push.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// Text that is part of no stop word.
    pub text: String,
    /// The stop word that was found; no text comes after it.
    pub stop: Option<String>,
}

/// The beginning of a word, or several words that begin alike.
#[derive(Debug, Clone, Default)]
struct Node {
    next: BTreeMap<u8, usize>,
    /// Its longest ending that is the beginning of a word as well.
    fallback: usize,
    /// How many bytes it has.
    depth: usize,
    /// The longest word with which it ends.
    word: Option<usize>,
}

impl StopWords {
    /// Takes the words.
    ///
    /// # Errors
    /// `BadInput` if one is empty or too long, or there are too many.
    pub fn new(words: &[String]) -> Result<Self> {
        if words.len() > WORDS_MAX {
            let message = format!("`stop` has {} words, and {WORDS_MAX} can be; take some out", words.len());
            return Err(Error::new(Kind::BadInput, message));
        }
        for (index, word) in words.iter().enumerate() {
            if word.is_empty() || word.len() > WORD_BYTES_MAX {
                let message = format!(
                    "`stop[{index}]` has {} bytes, and 1 to {WORD_BYTES_MAX} can be; leave it out or shorten it",
                    word.len()
                );
                return Err(Error::new(Kind::BadInput, message));
            }
        }
        Ok(Self { words: words.to_vec(), nodes: automaton(words), at: 0, held: String::new(), stopped: false })
    }

    /// Takes the next piece of the text, and gives what is certain by now. Nothing comes after a stop word.
    pub fn push(&mut self, text: &str) -> Pushed {
        if self.stopped {
            return Pushed { text: String::new(), stop: None };
        }
        let before = self.held.len();
        for (index, byte) in text.bytes().enumerate() {
            self.at = follow(&self.nodes, self.at, byte);
            if let Some(word) = self.nodes[self.at].word {
                let word = self.words[word].clone();
                self.held.push_str(&text[..=index]);
                self.held.truncate(before + index + 1 - word.len());
                self.stopped = true;
                return Pushed { text: mem::take(&mut self.held), stop: Some(word) };
            }
        }
        self.held.push_str(text);
        // A word begins with a whole letter, so the text can be cut there.
        let certain = self.held.len() - self.nodes[self.at].depth;
        let text = self.held.drain(..certain).collect();
        Pushed { text, stop: None }
    }

    /// Gives what was held back, once no more text comes.
    pub fn finish(&mut self) -> String {
        self.at = 0;
        mem::take(&mut self.held)
    }

    /// Tells whether a stop word was found.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }
}

/// Builds the automaton of Aho and Corasick, "Efficient string matching", 1975.
fn automaton(words: &[String]) -> Vec<Node> {
    let mut nodes = vec![Node::default()];
    for (index, word) in words.iter().enumerate() {
        let mut at = 0;
        for (depth, byte) in word.bytes().enumerate() {
            let new = nodes.len();
            at = *nodes[at].next.entry(byte).or_insert(new);
            if at == new {
                nodes.push(Node { depth: depth + 1, ..Node::default() });
            }
        }
        nodes[at].word.get_or_insert(index);
    }
    // Shorter beginnings come first, so that fallbacks are known when they are needed.
    let mut queue: VecDeque<usize> = nodes[0].next.values().copied().collect();
    while let Some(at) = queue.pop_front() {
        for (byte, next) in nodes[at].next.clone() {
            let fallback = follow(&nodes, nodes[at].fallback, byte);
            nodes[next].fallback = fallback;
            nodes[next].word = nodes[next].word.or(nodes[fallback].word);
            queue.push_back(next);
        }
    }
    nodes
}

/// Goes on by one byte.
fn follow(nodes: &[Node], mut at: usize, byte: u8) -> usize {
    loop {
        match nodes[at].next.get(&byte) {
            Some(next) => return *next,
            None if at == 0 => return 0,
            None => at = nodes[at].fallback,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    fn stops(words: &[&str]) -> StopWords {
        StopWords::new(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).expect("the words are fine")
    }

    /// Reads a text in pieces that end at the given places.
    fn read(words: &[&str], text: &str, cuts: &[usize]) -> (String, Option<String>) {
        let mut stops = stops(words);
        let (mut given, mut stop, mut start) = (String::new(), None, 0);
        for end in cuts.iter().copied().chain([text.len()]) {
            let pushed = stops.push(&text[start..end]);
            given.push_str(&pushed.text);
            stop = stop.or(pushed.stop);
            start = end;
        }
        given.push_str(&stops.finish());
        (given, stop)
    }

    /// The same by trying every word at every place.
    fn slowly(words: &[&str], text: &str) -> (String, Option<String>) {
        for end in 1..=text.len() {
            let found = words.iter().filter(|word| text.as_bytes()[..end].ends_with(word.as_bytes()));
            if let Some(word) = found.max_by_key(|word| word.len()) {
                return (text[..end - word.len()].to_owned(), Some((*word).to_owned()));
            }
        }
        (text.to_owned(), None)
    }

    #[track_caller]
    fn check(words: &[&str], text: &str, given: &str, stop: Option<&str>) {
        let expected = (given.to_owned(), stop.map(str::to_owned));
        let borders: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        assert_eq!(read(words, text, &borders), expected, "letter by letter");
        for (index, first) in borders.iter().enumerate() {
            for second in &borders[index..] {
                assert_eq!(read(words, text, &[*first, *second]), expected, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn every_cut_gives_the_same() {
        check(&["STOP"], "say STOP now", "say ", Some("STOP"));
        check(&["STOP"], "SSTOSTOPS", "SSTO", Some("STOP"));
        check(&["STOP"], "no STO", "no STO", None);
        check(&["a", "b"], "cab", "c", Some("a"));
        check(&[], "all of it", "all of it", None);
        check(&["x"], "", "", None);
    }

    #[test]
    fn words_that_overlap_are_told_apart() {
        // What is complete first counts, though the other began earlier.
        check(&["abcd", "bc"], "xabcd", "xa", Some("bc"));
        check(&["bc", "abc"], "xabc", "x", Some("abc"));
        check(&["aab", "ab"], "aaab", "a", Some("aab"));
        check(&["abab", "babb"], "ababab", "", Some("abab"));
        check(&["he", "she", "hers"], "ushers", "u", Some("she"));
    }

    #[test]
    fn letters_of_several_bytes_stay_whole() {
        check(&["ä."], "Bär ä ö ä.", "Bär ä ö ", Some("ä."));
        // `é` and `è` begin with the same byte.
        check(&["é!"], "è! é? é!", "è! é? ", Some("é!"));
        check(&["👩‍👩", "终"], "一👩一终了", "一👩一", Some("终"));
    }

    #[test]
    fn only_what_may_become_a_word_is_held_back() {
        let mut stops = stops(&["<end>"]);
        assert_eq!(stops.push("a <e").text, "a ");
        assert_eq!(stops.push("n").text, "");
        assert_eq!(stops.push("<").text, "<en");
        assert_eq!(stops.push("end>b"), Pushed { text: String::new(), stop: Some("<end>".into()) });
        assert_eq!(stops.push("more"), Pushed { text: String::new(), stop: None });
        assert_eq!(stops.finish(), "");
    }

    #[test]
    fn empty_long_and_many_words_are_refused() {
        let check = |words: Vec<String>, expected: &str| {
            let error = StopWords::new(&words).unwrap_err();
            assert_eq!((error.kind(), error.message()), (Kind::BadInput, expected));
        };
        check(
            vec!["a".into(), String::new()],
            "`stop[1]` has 0 bytes, and 1 to 1024 can be; leave it out or shorten it",
        );
        check(vec!["a".repeat(1025)], "`stop[0]` has 1025 bytes, and 1 to 1024 can be; leave it out or shorten it");
        check(vec!["a".into(); 65], "`stop` has 65 words, and 64 can be; take some out");
    }

    #[test]
    fn the_worst_words_take_linear_time() {
        let words: Vec<String> = (0..64).map(|n| format!("{}b{n:02}", "a".repeat(1000))).collect();
        let mut stops = StopWords::new(&words).unwrap();
        let text = "a".repeat(1_000_000);
        let start = Instant::now();
        assert_eq!(stops.push(&text).text.len(), 999_000);
        for _ in 0..10_000 {
            assert_eq!(stops.push("a").text, "a");
        }
        // Trying each word at each place would be 64 billion steps.
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }

    proptest! {
        #[test]
        fn it_finds_what_a_slow_search_finds(
            words in prop::collection::vec("[abä]{1,4}", 0..5),
            text in "[abäc]{0,24}",
            cuts in prop::collection::vec(0_usize..40, 0..5),
        ) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|at| text.is_char_boundary(*at)).collect();
            cuts.sort_unstable();
            prop_assert_eq!(read(&words, &text, &cuts), slowly(&words, &text));
        }
    }
}
