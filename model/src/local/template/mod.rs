//! Chat templates: how a conversation becomes the text that a model continues. A model brings its template along, written
//! for Jinja; what it cannot say (tools, results, instructions) is said in words that it can.

mod clock;
mod context;
mod engine;
#[cfg(test)]
mod parity;
mod probe;
mod python;
#[cfg(test)]
mod tests;
mod turns;

use std::sync::Arc;
use std::time::SystemTime;

pub use engine::{PROMPT_BYTES_MAX, SOURCE_BYTES_MAX, STEPS_MAX};

use self::context::{Of, Systems};
use self::engine::{Clock, Engine};
use self::probe::Abilities;
use super::dialect::Dialect;
use crate::message::Role;
use crate::request::Request;
use crate::{Error, Kind, Result};

/// The template of many models, for those that name their marks in the vocabulary and bring none.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\
    {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// What a model calls its special tokens; templates write them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Begins a text.
    pub bos: Option<String>,
    /// Ends it.
    pub eos: Option<String>,
    /// Stands for what is not known.
    pub unk: Option<String>,
    /// Fills up.
    pub pad: Option<String>,
}

/// A chat template.
///
/// ```
/// use lorewell_model::Request;
/// use lorewell_model::local::Template;
///
/// let prompt = Template::chatml()?.render(&Request::from("Hello").system("Be brief."), None)?;
/// assert_eq!(
///     prompt,
///     "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
/// );
/// # Ok::<(), lorewell_model::Error>(())
/// ```
#[derive(Debug)]
pub struct Template {
    form: Form,
    names: Names,
    dialect: Dialect,
}

#[derive(Debug)]
enum Form {
    /// The last words of the person and nothing else.
    Plain,
    Jinja {
        engine: Box<Engine>,
        source: String,
        abilities: Abilities,
    },
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// `BadInput` if it is none; `Limit` if it is too long.
    pub fn new(source: &str, names: Names) -> Result<Self> {
        Self::of_clock(source, names, Arc::new(SystemTime::now))
    }

    fn of_clock(source: &str, names: Names, clock: Clock) -> Result<Self> {
        let engine = Box::new(Engine::new(source, clock)?);
        let abilities = Abilities::of(&engine, source, &names);
        let dialect = if abilities.tools { Dialect::of(source) } else { Dialect::Generic };
        Ok(Self { form: Form::Jinja { engine, source: source.to_owned(), abilities }, names, dialect })
    }

    /// Takes the template that a model brings, or the one that fits its vocabulary, which `has_token` knows.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn of_model(source: Option<&str>, names: Names, has_token: impl Fn(&str) -> bool) -> Result<Self> {
        match source {
            Some(source) => Self::new(source, names),
            None if has_token("<|im_start|>") && has_token("<|im_end|>") => Self::new(CHATML, names),
            None => Ok(Self::plain()),
        }
    }

    /// Returns a default by its name: `chatml` or `plain`.
    ///
    /// # Errors
    /// `NotFound` for another name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "chatml" => Self::chatml(),
            "plain" => Ok(Self::plain()),
            _ => {
                Err(Error::new(Kind::NotFound, format!("no chat template is called `{name}`; use `chatml` or `plain`")))
            }
        }
    }

    /// Returns ChatML, which many models were trained on.
    ///
    /// # Errors
    /// None that is known.
    pub fn chatml() -> Result<Self> {
        Self::new(CHATML, Names::default())
    }

    /// Returns what fits models that only continue a text: the last words of the person, as they are.
    #[must_use]
    pub fn plain() -> Self {
        Self { form: Form::Plain, names: Names::default(), dialect: Dialect::Generic }
    }

    /// Returns how its model writes calls.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Writes the prompt of a request, up to where the model goes on. `think` says whether it thinks first, at models that
    /// can do both. `chat_template_kwargs` among the extra fields of the request are variables of the template.
    ///
    /// # Errors
    /// `BadInput` if the template refuses the conversation, or it holds pictures; `Limit` if the template does not end.
    pub fn render(&self, request: &Request, think: Option<bool>) -> Result<String> {
        let Form::Jinja { engine, source, abilities } = &self.form else { return plain(request) };
        let of = Of { names: &self.names, source, abilities, dialect: self.dialect };
        let run = |request: &Request, systems| engine.run(&context::context(request, think, &of, systems)?);
        let failed = match run(request, Systems::First) {
            Ok(prompt) => return Ok(prompt),
            Err(error) => error,
        };
        // Many take instructions only at the beginning, or one call at a time.
        let has_late = has_late_system(request);
        let systems = if has_late { Systems::All } else { Systems::First };
        if has_late && let Ok(prompt) = run(request, systems) {
            return Ok(prompt);
        }
        if turns::has_parallel(request)
            && let Ok(prompt) = run(&turns::one_by_one(request), systems)
        {
            return Ok(prompt);
        }
        Err(failed)
    }

    /// Renders a context as it is, for the comparison with Jinja.
    #[cfg(test)]
    fn render_json(&self, context: &serde_json::Value) -> Result<String> {
        match &self.form {
            Form::Plain => Err(Error::new(Kind::Internal, "no template")),
            Form::Jinja { engine, .. } => engine.run(context),
        }
    }
}

fn has_late_system(request: &Request) -> bool {
    let later = request.messages.iter().skip_while(|message| message.role == Role::System);
    later.into_iter().any(|message| message.role == Role::System)
}

fn plain(request: &Request) -> Result<String> {
    let last = request.messages.iter().rev().find(|message| message.role == Role::User);
    last.map_or_else(|| Ok(String::new()), |message| context::words(&message.parts))
}
