//! Answers in a form that is certain: a grammar says before each token which ones may come. [llguidance] knows JSON
//! schemas, regular expressions and Lark grammars; here is what it needs of a vocabulary, and the limits it works under.
//!
//! [llguidance]: https://github.com/guidance-ai/llguidance

mod matcher;
mod numbers;
mod schema;
mod tokens;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use llguidance::ParserFactory;
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::InferenceCapabilities;
use serde_json::{Value, json};

pub use matcher::Matcher;

use self::schema::Prepared;
use self::tokens::{Tokenize, Tokens};
use super::vocabulary::Vocabulary;
use crate::{Error, Kind, OrKind, Request, Result, ResultExt};

/// Compiled grammars that are kept, each of a few hundred kilobytes and seldom more; a server sees few at a time.
const CACHED_MAX: usize = 32;
/// Larger than the schemas and grammars that people write, such as FHIR's in parts.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// How deep brackets may lie in a grammar, whose reader calls itself for each.
const BRACKETS_MAX: usize = 256;
/// Stack for compiling, which follows references by calling itself; it costs memory only where it is used.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// The form that an answer must have.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Constraint {
    /// JSON of this schema, on one line, with at most one space after `,` and `:`. Objects that list their properties have
    /// no others unless `additionalProperties` says so, as in llama.cpp; whole numbers fit 64 bits.
    Schema(Value),
    /// All of the answer matches this regular expression.
    Regex(String),
    /// A grammar in llguidance's variant of [Lark](https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md).
    Lark(String),
}

impl Constraint {
    /// The extra fields of a request that are read here.
    pub const EXTRA_FIELDS: [&str; 2] = ["regex", "grammar"];

    /// Reads what a request asks for: `output`, or the extra field `regex` or `grammar`.
    ///
    /// # Errors
    /// `BadInput` if it asks for more than one, or a field is no text.
    pub fn of(request: &Request) -> Result<Option<Self>> {
        let text = |name: &str| -> Result<Option<String>> {
            match request.extra.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => Ok(Some(text.clone())),
                Some(other) => Err(bad(format!("`{name}` is {other}, and should be text"))),
            }
        };
        let schema = request.output.as_ref().map(|output| Self::Schema(output.schema.clone()));
        let all = [schema, text("regex")?.map(Self::Regex), text("grammar")?.map(Self::Lark)];
        let mut all = all.into_iter().flatten();
        match (all.next(), all.next()) {
            (first, None) => Ok(first),
            _ => Err(bad("an answer has one form; give one of `output`, `regex` and `grammar`")),
        }
    }

    fn key(&self, loosely: bool) -> String {
        match self {
            Self::Schema(schema) => format!("{} {schema}", if loosely { "loose" } else { "schema" }),
            Self::Regex(regex) => format!("regex {regex}"),
            Self::Lark(grammar) => format!("lark {grammar}"),
        }
    }
}

/// What a vocabulary needs to be held to grammars. Cheap to clone; made ready at the first use, which takes some
/// seconds at most for 150,000 tokens.
///
/// ```
/// use lorewell_model::local::{Constraint, Grammars, TokenKind, Vocabulary};
///
/// let letters = (0..=127_u8).map(|letter| (vec![letter], TokenKind::Text));
/// let vocabulary = Vocabulary::new(letters.chain([(b"<end>".to_vec(), TokenKind::Control)]), [128]);
/// let mut matcher = Grammars::new(vocabulary.into())?.start(&Constraint::Regex("yes|no".into()))?;
/// assert_eq!(matcher.mask()?.tokens().collect::<Vec<_>>(), [u32::from(b'n'), u32::from(b'y')]);
/// matcher.accept(b'n'.into())?;
/// assert_eq!(matcher.forced()?, [u32::from(b'o')]);
/// matcher.accept(b'o'.into())?;
/// assert!(matcher.is_over());
/// # Ok::<(), lorewell_model::Error>(())
/// ```
#[derive(Clone)]
pub struct Grammars(Arc<Inner>);

struct Inner {
    vocabulary: Arc<Vocabulary>,
    tokenize: Option<Tokenize>,
    ready: OnceLock<Result<Ready, String>>,
    /// The last used at the end.
    compiled: Mutex<Vec<(String, Compiled)>>,
}

struct Ready {
    tokens: Arc<Tokens>,
    factory: ParserFactory,
}

/// A grammar of which nothing was said yet, and what of it cannot be enforced.
#[derive(Clone)]
struct Compiled {
    matcher: llguidance::Matcher,
    left_out: Vec<String>,
}

impl Grammars {
    /// Takes a vocabulary.
    ///
    /// # Errors
    /// `BadInput` if it has no token at which an answer ends.
    pub fn new(vocabulary: Arc<Vocabulary>) -> Result<Self> {
        Self::make(vocabulary, None)
    }

    /// Takes a vocabulary, and what makes tokens of text in the middle of an answer: without a first token, and without a
    /// space before the text. Then whole runs of text are forced in the tokens that the model knows them by.
    ///
    /// # Errors
    /// As [`Grammars::new`].
    pub fn with_tokenizer(
        vocabulary: Arc<Vocabulary>,
        tokenize: impl Fn(&str) -> Vec<u32> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::make(vocabulary, Some(Arc::new(tokenize)))
    }

    fn make(vocabulary: Arc<Vocabulary>, tokenize: Option<Tokenize>) -> Result<Self> {
        if !vocabulary.stops().iter().any(|stop| (*stop as usize) < vocabulary.len()) {
            return Err(bad("the vocabulary has no token at which an answer ends, so that no grammar can end it"));
        }
        let (ready, compiled) = (OnceLock::new(), Mutex::new(Vec::new()));
        Ok(Self(Arc::new(Inner { vocabulary, tokenize, ready, compiled })))
    }

    /// Begins an answer of a form.
    ///
    /// # Errors
    /// `BadInput` if the constraint is faulty or too large, or a keyword of the schema cannot be enforced.
    pub fn start(&self, constraint: &Constraint) -> Result<Matcher> {
        self.begin(constraint, false).map(|(matcher, _)| matcher)
    }

    /// Begins an answer of a form, and leaves out those keywords of a schema that cannot be enforced; it returns them.
    /// Hold the answer against the schema when it is there.
    ///
    /// # Errors
    /// `BadInput` if the constraint is faulty or too large.
    pub fn start_loosely(&self, constraint: &Constraint) -> Result<(Matcher, Vec<String>)> {
        self.begin(constraint, true)
    }

    fn begin(&self, constraint: &Constraint, loosely: bool) -> Result<(Matcher, Vec<String>)> {
        let (ready, key) = (self.ready()?, constraint.key(loosely));
        if key.len() > TEXT_BYTES_MAX {
            let message = format!("a schema or grammar has {} bytes, and {TEXT_BYTES_MAX} can be", key.len());
            return Err(bad(message));
        }
        let found = self.cached(&key);
        let Compiled { matcher, left_out } = match found {
            Some(compiled) => compiled,
            None => {
                let compiled = ready.compile(constraint, loosely)?;
                // The one in the cache must share nothing with those that are used.
                let kept = Compiled { matcher: compiled.matcher.deep_clone(), left_out: compiled.left_out.clone() };
                self.keep(key, kept);
                compiled
            }
        };
        let is_json = matches!(constraint, Constraint::Schema(_));
        Ok((Matcher::new(matcher, ready.tokens.clone(), is_json), left_out))
    }

    fn cached(&self, key: &str) -> Option<Compiled> {
        let mut compiled = self.0.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let at = compiled.iter().position(|(other, _)| other == key)?;
        let entry = compiled.remove(at);
        let found = Compiled { matcher: entry.1.matcher.deep_clone(), left_out: entry.1.left_out.clone() };
        compiled.push(entry);
        Some(found)
    }

    fn keep(&self, key: String, new: Compiled) {
        let mut compiled = self.0.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.retain(|(other, _)| *other != key);
        if compiled.len() >= CACHED_MAX {
            compiled.remove(0);
        }
        compiled.push((key, new));
    }

    fn ready(&self) -> Result<&Ready> {
        let Inner { vocabulary, tokenize, ready, .. } = &*self.0;
        let ready = ready.get_or_init(|| {
            // It panics on vocabularies that are larger than its tables.
            llguidance::panic_utils::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let tokens = Arc::new(Tokens::new(vocabulary.clone()));
                let environment = tokens.environment(tokenize.clone());
                let capabilities = InferenceCapabilities { ff_tokens: tokenize.is_some(), ..Default::default() };
                let slices = llguidance::earley::SlicedBiasComputer::general_slices();
                let mut factory = ParserFactory::new(&environment, capabilities, &slices)?;
                factory.quiet();
                *factory.limits_mut() = limits();
                Ok(Ready { tokens, factory })
            }))
            .map_err(|error| first_line(&error))
        });
        ready.as_ref().map_err(|message| bad(format!("the vocabulary cannot be held to grammars: {message}")))
    }
}

/// Shows how large it is, which is what tells two of them apart.
impl fmt::Debug for Grammars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grammars").field("tokens", &self.0.vocabulary.len()).finish_non_exhaustive()
    }
}

/// What one answer may cost. Where nothing is said, the defaults of llguidance 1.9 fit: 20 ms for a schema, 15 ms for the
/// worst token.
fn limits() -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: 1_000_000,
        step_lexer_fuel: 200_000,
        step_max_items: 50_000,
        max_items_in_row: 2_000,
        // Each takes one or two kilobytes; the default of 250,000 would be half a gigabyte for one answer.
        max_lexer_states: 50_000,
        max_grammar_size: 500_000,
        precompute_large_lexemes: true,
        verbose_errors: false,
    }
}

impl Ready {
    fn compile(&self, constraint: &Constraint, loosely: bool) -> Result<Compiled> {
        match constraint {
            Constraint::Regex(regex) => {
                let matcher = self.matcher(TopLevelGrammar::from_regex(regex));
                let matcher = matcher.map_err(|message| bad(format!("`regex` cannot be used: {message}")))?;
                Ok(Compiled { matcher, left_out: Vec::new() })
            }
            Constraint::Lark(grammar) => {
                if brackets(grammar) > BRACKETS_MAX {
                    return Err(bad(format!("brackets in `grammar` lie deeper than the {BRACKETS_MAX} that can be")));
                }
                let matcher = self.matcher(TopLevelGrammar::from_lark(grammar.clone()));
                let matcher = matcher.map_err(|message| bad(format!("`grammar` cannot be used: {message}")))?;
                Ok(Compiled { matcher, left_out: Vec::new() })
            }
            Constraint::Schema(schema) => self.compile_schema(schema, loosely).context(|| "reading the schema".into()),
        }
    }

    fn compile_schema(&self, schema: &Value, loosely: bool) -> Result<Compiled> {
        let Prepared { schema, mut left_out } = schema::prepared(schema, loosely)?;
        let message = match self.matcher(with_options(schema.clone(), false)) {
            Ok(matcher) => return Ok(Compiled { matcher, left_out }),
            Err(message) => message,
        };
        if !loosely {
            return Err(bad(schema::explained(&message)));
        }
        let matcher = self.matcher(with_options(schema, true));
        let mut matcher = matcher.map_err(|message| bad(schema::explained(&message)))?;
        left_out.extend(matcher.grammar_warnings());
        Ok(Compiled { matcher, left_out })
    }

    /// Compiles a grammar, where it may call itself as deep as it likes.
    fn matcher(&self, grammar: TopLevelGrammar) -> Result<llguidance::Matcher, String> {
        let compile = || {
            let mut matcher = llguidance::Matcher::new(self.factory.create_parser(grammar));
            match matcher.get_error() {
                Some(message) => Err(message),
                // Some faults show only at the first token.
                None => matcher.compute_mask().map(|_| matcher).map_err(|error| error.to_string()),
            }
        };
        let compiled = thread::scope(|scope| {
            let thread = thread::Builder::new().name("grammar".into()).stack_size(STACK_BYTES);
            let thread = thread.spawn_scoped(scope, compile).or_kind(Kind::Io).map_err(|error| error.to_string())?;
            thread.join().unwrap_or_else(|_| Err("its compiler failed".into()))
        });
        compiled.map_err(|message| first_line(&message))
    }
}

/// How JSON is written: one space where people put it, and no other, for small models lose themselves in empty lines. No `\u`, with
/// which the name of one property could be written in two ways.
pub(in crate::local) fn spelling() -> Value {
    json!({
        "whitespace_flexible": false,
        "item_separator": ", ?",
        "key_separator": ": ?",
        "json_allowed_escapes": "nrbtf\\\"",
    })
}

fn with_options(mut schema: Value, lenient: bool) -> TopLevelGrammar {
    schema["x-guidance"] = spelling();
    schema["x-guidance"]["lenient"] = lenient.into();
    TopLevelGrammar::from_json_schema(schema)
}

fn brackets(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn first_line(message: &impl ToString) -> String {
    message.to_string().lines().next().unwrap_or_default().to_owned()
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(Kind::BadInput, message)
}

#[cfg(test)]
mod tests;
