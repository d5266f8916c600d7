//! Runs the source of a template on a context in JSON, as Hugging Face runs it: the same white space, the same functions and
//! filters. A template is data from strangers, so its work is bounded, and it sees nothing but its context.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value, syntax::SyntaxConfig};
use serde_json::Value as Json;

use super::{clock, python};
use crate::{Error, Kind, Result};

/// Bytes that the source of a template may have; the longest known has 30 000.
pub const SOURCE_BYTES_MAX: usize = 1 << 20;
/// Steps that one rendering may take. A conversation of a thousand messages takes about a hundred thousand, and four
/// million in the one known template that goes through all messages for each.
pub const STEPS_MAX: u64 = 10_000_000;
/// Bytes that a prompt may have: far above what fits into any model.
pub const PROMPT_BYTES_MAX: usize = 64 << 20;
/// How deep macros and blocks may lie within each other.
const DEPTH_MAX: usize = 100;
/// A template can pile lists upon lists, and each takes some stack when it is dropped: more than a usual thread has.
const STACK_BYTES: usize = 512 << 20;
/// What the engine calls the template; there is one.
const NAME: &str = "chat";

/// Tells the time; templates write the date into prompts.
pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A template, ready to run.
pub(super) struct Engine {
    environment: Environment<'static>,
}

impl Engine {
    pub(super) fn new(source: &str, clock: Clock) -> Result<Self> {
        if source.len() > SOURCE_BYTES_MAX {
            let message = format!("the chat template has {} bytes, more than {SOURCE_BYTES_MAX}", source.len());
            return Err(Error::new(Kind::Limit, message));
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| Error::from_source(Kind::Internal, error))?);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_fuel(Some(STEPS_MAX));
        environment.set_recursion_limit(DEPTH_MAX);
        environment.set_debug(false);
        python::install(&mut environment);
        environment.add_function("raise_exception", |words: &Value| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, "raised").with_source(Raised(words.to_string())))
        });
        environment.add_function("strftime_now", move |format: &str| clock::format(clock(), format));
        environment.add_template_owned(NAME, without_generation(source)).map_err(|error| read(&error))?;
        Ok(Self { environment })
    }

    /// Sets another bound, so that tests need not go that far.
    #[cfg(test)]
    pub(super) fn steps(&mut self, most: u64) {
        self.environment.set_fuel(Some(most));
    }

    /// Renders a context.
    pub(super) fn run(&self, context: &Json) -> Result<String> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("template".to_owned()).stack_size(STACK_BYTES);
            let run = thread.spawn_scoped(scope, || self.run_here(context));
            let run = run.map_err(|error| Error::from_source(Kind::Io, error).context("starting a thread"))?;
            let broken = |_| Error::new(Kind::BadInput, "the chat template broke its engine; use another one");
            run.join().map_err(broken)?
        })
    }

    fn run_here(&self, context: &Json) -> Result<String> {
        let template = self.environment.get_template(NAME).map_err(|error| read(&error))?;
        let mut prompt = Bounded::default();
        match template.render_captured_to(Value::from(Serde(context)), &mut prompt) {
            _ if prompt.is_full => {
                let message = format!("the chat template writes more than {PROMPT_BYTES_MAX} bytes; use another one");
                Err(Error::new(Kind::Limit, message))
            }
            Ok(_) => String::from_utf8(prompt.bytes).map_err(|error| Error::from_source(Kind::Internal, error)),
            Err(error) => Err(failed(&error)),
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// What a template says when it refuses a conversation.
#[derive(Debug)]
struct Raised(String);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Raised {}

/// Output that ends somewhere.
#[derive(Debug, Default)]
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > PROMPT_BYTES_MAX {
            self.is_full = true;
            return Err(io::Error::other("too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read(error: &minijinja::Error) -> Error {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    let message = format!("the chat template cannot be read{line}: {}", words(error));
    Error::new(Kind::BadInput, message)
}

fn failed(error: &minijinja::Error) -> Error {
    if error.kind() == ErrorKind::OutOfFuel {
        let message = format!("the chat template takes more than {STEPS_MAX} steps; use another one");
        return Error::new(Kind::Limit, message);
    }
    if let Some(raised) = raised(error) {
        return Error::new(Kind::BadInput, format!("the chat template refuses the conversation: {raised}"));
    }
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    Error::new(Kind::BadInput, format!("the chat template fails{line}: {}", words(error)))
}

fn words(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()))
}

fn raised(error: &minijinja::Error) -> Option<&Raised> {
    let mut source = StdError::source(error);
    while let Some(error) = source {
        if let Some(raised) = error.downcast_ref() {
            return Some(raised);
        }
        source = error.source();
    }
    None
}

/// Makes a block of its own of what a template marks as the model's words for training; only Hugging Face knows the mark.
fn without_generation(source: &str) -> String {
    let mut made = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("{%") {
        made.push_str(before);
        made.push_str("{%");
        let inner = after.trim_start_matches(['-', '+']);
        made.push_str(&after[..after.len() - inner.len()]);
        let word = inner.trim_start();
        let tail = |word: &str| word.trim_start().trim_start_matches(['-', '+']).starts_with("%}");
        let replaced =
            [("generation", " with "), ("endgeneration", " endwith ")].into_iter().find_map(|(mark, with)| {
                let after = word.strip_prefix(mark)?;
                tail(after).then_some((with, after))
            });
        rest = inner;
        if let Some((with, after)) = replaced {
            made.push_str(with);
            rest = after;
        }
    }
    made + rest
}
