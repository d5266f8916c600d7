//! A local model as a chat model: the request becomes a prompt by the model's own template, tokens become text, thoughts and
//! calls of tools by its dialect.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::mpsc;

use super::constrain::{Constraint, Grammars};
use super::device::Device;
use super::dialect::Dialect;
use super::engine::{Counters, Engine, Job, Said};
use super::folder::Folder;
use super::gguf::Gguf;
use super::machine::Machine;
use super::prompt::tokens;
use super::sample::{Defaults, Sampler, Sampling};
use super::shape::{Shape, context_of};
use super::stop::StopWords;
use super::template::{Names, Template};
use super::tokenizer::{Tokenizer, Utf8};
use super::vocabulary::TokenKind;
use crate::chat::{ChatModel, Events};
use crate::event::{Event, Finish};
use crate::request::{Effort, Request, ToolChoice};
use crate::usage::Usage;
use crate::{Error, Kind, Result, ResultExt};

/// Tokens that a conversation may have unless said: enough for passages and an answer, at a few hundred megabytes.
pub const WINDOW_TOKENS: usize = 8192;
/// Tokens that are kept for someone who does not read them; then the model waits.
const UNREAD_MAX: usize = 256;

/// A model on this machine. Handles of the same file share it: its weights, its cache, and its turn.
#[derive(Debug, Clone)]
pub struct Local(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    tokenizer: Tokenizer,
    template: Template,
    /// The text of the template, whose marks an answer may hold.
    template_text: String,
    grammars: Grammars,
    defaults: Defaults,
    engine: Engine,
}

/// What is open, so that it is opened once.
static OPEN: Mutex<Option<Open>> = Mutex::new(None);

/// By file, window and device.
type Open = HashMap<(PathBuf, usize, Device), Weak<Inner>>;

impl Local {
    /// Opens a GGUF file, or a folder of safetensors as transformers saves it, for conversations of at most so many tokens,
    /// on the device that [`Device::from_environment`] chooses; one that is open already is shared. It reads all of the
    /// weights, so it belongs on a thread that may wait.
    ///
    /// # Errors
    /// `NotFound` and `Io` if it cannot be read; `BadInput` if it is none that can be run; `Corrupt` if it is damaged; `Limit` if
    /// it does not fit; `Config` if there is no such device.
    pub fn open(path: impl AsRef<Path>, window: usize) -> Result<Self> {
        Self::open_on(path, window, Device::from_environment()?)
    }

    /// Does the same on a device.
    ///
    /// # Errors
    /// As [`Local::open`].
    pub fn open_on(path: impl AsRef<Path>, window: usize, device: Device) -> Result<Self> {
        let path = path.as_ref();
        let key = (path.canonicalize().unwrap_or_else(|_| path.to_owned()), window, device);
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.get_or_insert_default();
        open.retain(|_, model| model.strong_count() > 0);
        if let Some(model) = open.get(&key).and_then(Weak::upgrade) {
            return Ok(Self(model));
        }
        let parts = if path.is_dir() {
            Parts::of_folder(&Folder::open(path)?, window, device)
        } else {
            Parts::of_gguf(&Gguf::open(path)?, window, device)
        };
        let model = parts.and_then(|parts| Inner::new(path, parts));
        let model = Arc::new(model.context(|| format!("opening the model `{}`", path.display()))?);
        open.insert(key, Arc::downgrade(&model));
        Ok(Self(model))
    }

    /// Returns what it has done since it was opened.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.0.engine.counters()
    }

    /// Returns how it makes tokens of text.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.0.tokenizer
    }
}

/// What a model is made of.
struct Parts {
    window: usize,
    machine: Box<dyn Machine>,
    tokenizer: Tokenizer,
    template: Option<String>,
    defaults: Defaults,
}

impl Parts {
    fn of_gguf(gguf: &Gguf, window: usize, device: Device) -> Result<Self> {
        let window = window.min(context_of(gguf)?);
        Ok(Self {
            window,
            machine: device.machine(Shape::of_gguf(gguf, window)?, gguf)?,
            tokenizer: Tokenizer::from_gguf(gguf)?,
            template: gguf.text("tokenizer.chat_template")?.map(str::to_owned),
            defaults: Defaults::default(),
        })
    }

    fn of_folder(folder: &Folder, window: usize, device: Device) -> Result<Self> {
        let window = window.min(folder.config().context()?);
        Ok(Self {
            window,
            machine: device.machine(Shape::of_config(folder.config(), window)?, folder)?,
            tokenizer: Tokenizer::from_folder(folder.path())?,
            template: folder.template()?,
            defaults: folder.defaults()?,
        })
    }
}

impl Inner {
    fn new(path: &Path, parts: Parts) -> Result<Self> {
        let Parts { window, machine, tokenizer, template: source, defaults } = parts;
        let words = tokenizer.vocabulary().len();
        if words > machine.shape().vocabulary {
            let message = format!("it names {words} tokens, and has scores for {}", machine.shape().vocabulary);
            return Err(Error::new(Kind::Corrupt, message));
        }
        let names = Names {
            bos: tokenizer.bos_text().map(str::to_owned),
            eos: tokenizer.eos_text().map(str::to_owned),
            unk: tokenizer.unk_text().map(str::to_owned),
            pad: tokenizer.pad_text().map(str::to_owned),
        };
        let template = Template::of_model(source.as_deref(), names, |token| tokenizer.id(token).is_some())?;
        let encoder = tokenizer.clone();
        let grammars = Grammars::with_tokenizer(tokenizer.vocabulary().clone(), move |text| {
            encoder.encode(text, super::tokenizer::Markers::Text).unwrap_or_default()
        })?;
        let engine = Engine::start(machine, tokenizer.vocabulary().clone(), window)?;
        Ok(Self {
            path: path.to_owned(),
            template_text: source.unwrap_or_default(),
            tokenizer,
            template,
            grammars,
            defaults,
            engine,
        })
    }

    /// Makes a job of a request.
    fn job(&self, request: &Request) -> Result<(Job, Answer, mpsc::Receiver<Result<Said>>)> {
        let constraint = self.constraint(request)?;
        // What is held to a form cannot think before it.
        let think = match (&constraint, request.effort) {
            (Some(_), _) | (None, Some(Effort::None)) => Some(false),
            (None, Some(_)) => Some(true),
            (None, None) => None,
        };
        let (prompt, starts_thinking) = tokens(&self.template, &self.tokenizer, request, think)?;
        let window = self.engine.window();
        let room = window.saturating_sub(prompt.len());
        if room == 0 {
            let message = format!(
                "the prompt has {} tokens, and the model takes {window} with its answer; shorten it",
                prompt.len()
            );
            return Err(Error::new(Kind::Limit, message));
        }
        let tokens_max = request.output_tokens_max.map_or(room, |most| room.min(most as usize));
        if tokens_max == 0 {
            return Err(Error::new(Kind::BadInput, "the answer may have 0 tokens; allow it some"));
        }
        let mut sampler = Sampler::new(Sampling::new(request, &self.defaults)?);
        prompt.iter().for_each(|token| sampler.accept(*token));
        let matcher = constraint.map(|constraint| self.grammars.start(&constraint)).transpose()?;
        let (said, receiver) = mpsc::channel(UNREAD_MAX);
        let answer = Answer {
            reader: self.template.dialect().reader(request, starts_thinking),
            stop: StopWords::new(&request.stop)?,
            utf8: Utf8::default(),
            usage: Usage { input_tokens: prompt.len() as u64, ..Usage::default() },
        };
        Ok((Job { prompt, sampler, matcher, tokens_max, said }, answer, receiver))
    }

    fn constraint(&self, request: &Request) -> Result<Option<Constraint>> {
        if let Some(constraint) = Constraint::of(request)? {
            return Ok(Some(constraint));
        }
        let Some(choice @ (ToolChoice::Required | ToolChoice::Tool(_))) = &request.tool_choice else { return Ok(None) };
        let parallel = request.parallel_tool_calls.unwrap_or(true);
        let dialect: Dialect = self.template.dialect();
        let grammar = dialect.grammar(&request.tools, choice, parallel, &|name| self.tokenizer.id(name));
        grammar.map(|grammar| Some(Constraint::Lark(grammar))).ok_or_else(|| {
            Error::new(
                Kind::BadInput,
                "no tool fits the choice, or the model cannot be held to calls; leave it to the model",
            )
        })
    }

    /// Returns what a token adds to the text. Marks are no text, unless the dialect reads them.
    fn text_of(&self, token: u32) -> &[u8] {
        let vocabulary = self.tokenizer.vocabulary();
        let bytes = vocabulary.bytes(token);
        let is_mark = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(|name| self.template_text.contains(name));
        match vocabulary.kind(token) {
            TokenKind::Text => bytes,
            TokenKind::Control if is_mark(bytes) => bytes,
            TokenKind::Control | TokenKind::Unused => &[],
        }
    }
}

/// An answer on its way.
struct Answer {
    reader: super::dialect::Reader,
    stop: StopWords,
    utf8: Utf8,
    usage: Usage,
}

impl Answer {
    /// Takes bytes; true if a stop word came.
    fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> bool {
        let text = self.utf8.push(bytes);
        let pushed = self.stop.push(&text);
        self.reader.push(&pushed.text, events);
        pushed.stop.is_some()
    }

    fn end(&mut self, is_cut: bool, events: &mut Vec<Event>) -> Result<()> {
        if !self.stop.is_stopped() {
            let pushed = self.stop.push(&self.utf8.end());
            let rest = pushed.text + &self.stop.finish();
            self.reader.push(&rest, events);
        }
        self.reader.end(events)?;
        events.push(Event::Usage { usage: self.usage });
        let finish = match (self.reader.has_called(), is_cut) {
            (true, _) => Finish::ToolCalls,
            (false, true) => Finish::Length,
            (false, false) => Finish::Stop,
        };
        events.push(Event::Finish { finish });
        Ok(())
    }
}

impl ChatModel for Local {
    fn stream(&self, request: Request) -> Events {
        let model = self.clone();
        Events::new(async_stream::try_stream! {
            let preparing = model.clone();
            let prepared = tokio::task::spawn_blocking(move || preparing.0.job(&request)).await;
            let prepared = prepared.map_err(|error| Error::from_source(Kind::Internal, error))?;
            let (job, mut answer, mut said) = prepared?;
            model.0.engine.submit(job)?;
            let name = model.0.path.file_name().map(|name| name.to_string_lossy().into_owned());
            yield Event::Start { id: None, model: name };
            let mut events = Vec::new();
            let mut is_cut = false;
            loop {
                match said.recv().await {
                    Some(said) => match said? {
                        Said::Begun { reused } => answer.usage.cache_read_tokens = reused as u64,
                        Said::Token(token) => {
                            answer.usage.output_tokens += 1;
                            if answer.push(model.0.text_of(token), &mut events) {
                                break;
                            }
                        }
                        Said::Over { is_cut: cut } => {
                            is_cut = cut;
                            break;
                        }
                    },
                    None => Err(Error::new(Kind::Internal, "the thread of the model has ended"))?,
                }
                for event in events.drain(..) {
                    yield event;
                }
            }
            drop(said);
            answer.end(is_cut, &mut events)?;
            for event in events {
                yield event;
            }
        })
    }

    fn window_tokens(&self) -> Option<usize> {
        Some(self.0.engine.window())
    }

    fn count_tokens(&self, text: &str) -> Option<usize> {
        self.0.tokenizer.encode(text, super::tokenizer::Markers::Text).ok().map(|tokens| tokens.len())
    }

    fn can_constrain(&self) -> bool {
        true
    }
}
