//! The derive in a crate with strict lints: nothing it writes may draw a warning there.

#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unused, clippy::all, clippy::pedantic)]

pub mod desk {
    //! A state that other crates see.

    use std::collections::{BTreeMap, HashSet};
    use std::sync::mpsc::Sender;
    use std::time::Duration;

    use lorewell_agent::State;
    use lorewell_agent::state::Identified;
    use serde::{Deserialize, Serialize};

    /// Where to go.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub enum Route {
        /// To a person.
        Person,
        /// To the bin.
        Bin,
    }

    /// A message.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Message {
        id: Option<String>,
        text: String,
    }

    impl Message {
        /// Makes a message.
        #[must_use]
        pub fn new(text: &str) -> Self {
            Self { id: None, text: text.to_owned() }
        }

        /// Returns its text.
        #[must_use]
        pub fn text(&self) -> &str {
            &self.text
        }
    }

    impl Identified for Message {
        fn id(&self) -> Option<&str> {
            self.id.as_deref()
        }

        fn identify(&mut self, id: String) {
            self.id = Some(id);
        }
    }

    /// A desk with a field for each rule.
    #[derive(Debug, Clone, Default, State)]
    pub struct Desk {
        /// Plain.
        pub route: Option<Route>,
        /// A keyword.
        pub r#type: String,
        /// A list.
        #[reduce(append)]
        pub lines: Vec<String>,
        /// A list of numbers.
        #[reduce(append)]
        pub scores: Vec<f32>,
        /// A map.
        #[reduce(merge)]
        pub facts: BTreeMap<String, String>,
        /// A set.
        #[reduce(merge)]
        pub tags: HashSet<String>,
        /// Messages.
        #[reduce(messages)]
        pub messages: Vec<Message>,
        /// The greatest.
        #[reduce(max)]
        pub risk: f64,
        /// The least.
        #[reduce(min)]
        pub price: Option<u8>,
        /// The sum.
        #[reduce(sum)]
        pub tokens: u8,
        /// The time.
        #[reduce(sum)]
        pub time: Duration,
        /// Folded.
        #[reduce(with = self::longer)]
        pub title: String,
        /// Never stored.
        #[reduce(untracked)]
        pub sender: Option<Sender<String>>,
        /// For one superstep.
        #[reduce(ephemeral)]
        pub hint: Option<String>,
        private: bool,
    }

    impl Desk {
        /// Tells whether it is private.
        #[must_use]
        pub fn is_private(&self) -> bool {
            self.private
        }
    }

    fn longer(kept: &mut String, written: String) {
        if written.len() > kept.len() {
            *kept = written;
        }
    }
}

mod quiet {
    //! States that are not seen outside, of which not everything is used.

    use lorewell_agent::State;

    #[derive(Clone, Default, State)]
    struct Empty {}

    #[derive(Clone, Default, State)]
    pub(super) struct Small {
        #[reduce(append)]
        unused: Vec<String>,
        pub(super) count: u32,
        #[reduce(append)]
        pub(super) rest: Vec<Option<String>>,
        pub(super) unset: Option<u8>,
    }

    #[test]
    fn empty_states_are_states() {
        assert_eq!(Empty::default().fields(), []);
        assert_eq!(format!("{:?}", Empty::update()), "EmptyUpdate");
    }

    impl Small {
        pub(super) fn is_empty(&self) -> bool {
            self.unused.is_empty()
                && self.rest.is_empty()
                && self.unset.is_none()
                && Empty::default().fields().is_empty()
        }
    }
}

/// Used as a program by the test of what compiles.
#[allow(dead_code, reason = "a test has a main function of its own")]
fn main() {
    setters_take_what_one_writes_down();
}

#[cfg_attr(test, test)]
fn setters_take_what_one_writes_down() {
    use desk::{Desk, Message, Route};

    let update = Desk::update()
        .route(Route::Person)
        .r#type("letter")
        .lines(["a", "b"])
        .replace_lines(vec!["c".to_owned()])
        .scores([0.5])
        .facts([("sender".to_owned(), "known".to_owned())])
        .tags(["urgent"])
        .messages([Message::new("hello")])
        .risk(0.2)
        .price(3)
        .tokens(12)
        .title("On desks");
    assert_eq!(
        format!("{update:?}"),
        "DeskUpdate(route, type, lines, scores, facts, tags, messages, risk, price, tokens, title)"
    );
    assert!(!Desk::default().is_private() && quiet::Small::default().is_empty());
    assert_eq!(format!("{:?}", quiet::Small::update().count(3)), "SmallUpdate(count)");
    assert_eq!(Message::new("hello").text(), "hello");
}
