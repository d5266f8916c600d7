//! `run`: one question to a model, without documents.

use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use lorewell::model::{Event, Finish, Message, Model, OutputSchema, Part, Reply, Request, Role};
use lorewell::{Error, Kind};
use serde::Serialize;
use serde_json::Value;

use super::Session;
use crate::answer::{Answered, End, attach, follow, say_finish};
use crate::args;
use crate::exit::{Exit, Misuse};
use crate::interrupt::Interrupts;
use crate::models::Models;
use crate::output::{self, DIM, note, paint};
use crate::spent::Spent;
use crate::stdin;

/// Bytes of a prompt that is piped in: about a million tokens, more than models read.
const STDIN_BYTES_MAX: usize = 4 << 20;

/// An answer as `--json` prints it.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    reply: &'a Reply,
    cost_usd: Option<f64>,
}

pub(super) async fn run(session: &Session, args: args::Run) -> Result<Exit> {
    let model = Models::new(&session.global, &session.folders).open(&args.model).await?;
    let schema = args.schema.as_deref().map(schema).transpose()?;
    let request = request(&args, schema.as_ref())?;
    let interrupts = Interrupts::listen();
    let mut shown = Shown::new(session, schema.is_some());
    let answered = follow(&model, request, &interrupts, |event| shown.event(session, event)).await?;
    shown.end()?;
    let (spent, pace) = (Spent::new(answered.usage, &model), answered.pace);
    let exit = finish(session, &model, answered, schema.as_ref())?;
    let is_wanted = std::io::stderr().is_terminal() || session.global.verbose > 0;
    // Providers count at the end of an answer; one that was stopped has no count.
    if is_wanted && spent.usage.total_tokens() > 0 {
        let pace = if session.global.verbose > 0 { pace.say(&model, &spent.usage) } else { String::new() };
        note(&paint(DIM, &format!("{}{pace}", spent.say())));
    }
    Ok(exit)
}

fn finish(session: &Session, model: &Model, answered: Answered, schema: Option<&OutputSchema>) -> Result<Exit> {
    let reply = match answered.end {
        End::Whole(reply) => reply,
        End::Interrupted => return Ok(Exit::Interrupted),
        End::Failed(error) => return Err(error.into()),
    };
    say_finish(&reply.finish);
    if let Some(schema) = schema {
        let value = checked(&reply, schema)?;
        if !session.is_json() {
            output::line(&serde_json::to_string_pretty(&value)?)?;
        }
    }
    if session.global.json {
        let cost_usd = Spent::new(reply.usage, model).cost();
        session.json(&Printed { reply: &reply, cost_usd })?;
    }
    Ok(if reply.finish == Finish::Refused { Exit::Failed } else { Exit::Done })
}

/// Shows an answer while it comes.
struct Shown {
    /// Whether the words go to standard output as they come: JSON is printed when it is whole.
    streams: bool,
    is_terminal: bool,
    last: Option<char>,
}

impl Shown {
    fn new(session: &Session, has_schema: bool) -> Self {
        let streams = !session.is_json() && !has_schema;
        Self { streams, is_terminal: std::io::stdout().is_terminal(), last: None }
    }

    fn event(&mut self, session: &Session, event: &Event) -> Result<()> {
        if session.global.jsonl {
            return session.json(event);
        }
        match event {
            Event::Text { text } if self.streams && !text.is_empty() => {
                self.last = text.chars().last();
                // What goes on to another program goes on as it is.
                if self.is_terminal { output::piece(&output::plain_lines(text)) } else { output::raw(text) }
            }
            _ => Ok(()),
        }
    }

    /// Ends the last line.
    fn end(&self) -> Result<()> {
        if self.last.is_some_and(|last| last != '\n') { output::piece("\n") } else { Ok(()) }
    }
}

fn request(args: &args::Run, schema: Option<&OutputSchema>) -> Result<Request> {
    let mut parts = args.files.iter().map(|file| attach(file)).collect::<Result<Vec<_>>>()?;
    let prompt = prompt(&args.prompt)?;
    if prompt.is_empty() && parts.is_empty() {
        let missing = "what to ask? for example: lorewell run mock:echo \"hi\"";
        return Err(Misuse(missing.to_owned()).into());
    }
    if !prompt.is_empty() {
        parts.push(Part::text(prompt));
    }
    let mut request = Request::from(Message::new(Role::User, parts));
    if let Some(system) = &args.system {
        request = request.system(system);
    }
    request.output_tokens_max = args.max_tokens;
    request.temperature = args.temperature;
    request.seed = args.seed;
    request.effort = args.effort.map(Into::into);
    request.output = schema.cloned();
    Ok(request)
}

/// Puts the words of the command line before what is piped in.
fn prompt(words: &[String]) -> Result<String> {
    let typed = words.join(" ");
    let typed = if typed == "-" { String::new() } else { typed };
    if std::io::stdin().is_terminal() {
        return Ok(typed);
    }
    let piped = stdin::read(STDIN_BYTES_MAX, "give it as a `--file`")?;
    let parts = [typed.as_str(), piped.trim_end()].into_iter().filter(|part| !part.trim().is_empty());
    Ok(parts.collect::<Vec<_>>().join("\n\n"))
}

fn schema(path: &Path) -> Result<OutputSchema> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading `{}`", path.display()))?;
    let schema: Value = serde_json::from_str(&text).with_context(|| format!("`{}` is not JSON", path.display()))?;
    if let Err(error) = jsonschema::validator_for(&schema) {
        bail!("`{}` is no JSON schema: {error}", path.display());
    }
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(OutputSchema::new(name.chars().map(allowed).take(64).collect::<String>(), schema))
}

/// Reads the answer as JSON, and holds it against the schema: not all providers do.
fn checked(reply: &Reply, schema: &OutputSchema) -> Result<Value> {
    let value: Value = reply.json()?;
    let validator = jsonschema::validator_for(&schema.schema)?;
    if let Some(fault) = validator.iter_errors(&value).next() {
        let at = fault.instance_path().to_string();
        let at = if at.is_empty() { "the answer".to_owned() } else { format!("`{at}` of the answer") };
        return Err(Error::new(Kind::BadOutput, format!("{at} does not fit the schema: {fault}")).into());
    }
    Ok(value)
}
