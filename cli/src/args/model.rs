//! The arguments of the commands that have to do with language models.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// What to do with models.
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// List the providers and what was downloaded, or the models of one provider
    Ls {
        /// The provider
        provider: Option<String>,
    },
    /// Download a model from a hub, or go on with a download that broke off; prints where it is
    Pull {
        /// The repository, and which of its files: a name, or a quantisation such as `Q8_0`. Default: its GGUF at `Q4_K_M`,
        /// else `Q8_0`; else its safetensors and what they need
        #[arg(value_name = "hf:OWNER/NAME[:FILE][@REVISION]")]
        name: String,
    },
    /// Remove a downloaded model from the cache
    Rm {
        /// The repository
        #[arg(value_name = "hf:OWNER/NAME")]
        name: String,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Choose the model of `ask` and `chat`; `none` for none
    Use {
        /// The model
        #[arg(value_name = "PROVIDER:MODEL")]
        name: String,
    },
    /// Ask a model for one word, and say how long that takes and what it costs
    Test {
        /// The model. Default: setting `model`
        #[arg(value_name = "PROVIDER:MODEL")]
        name: Option<String>,
    },
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Store the key of a provider. It is typed without being shown, or read from standard input
    // Never an argument: those are seen by every process of the machine, and kept by the shell.
    Set {
        /// The provider
        provider: String,
    },
    /// Say which providers have a key, and where it is
    Ls,
    /// Remove the stored key of a provider
    Rm {
        /// The provider
        provider: String,
    },
}

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The model, such as `ollama:qwen3`, or `mock:echo` to try it out
    #[arg(value_name = "PROVIDER:MODEL")]
    pub(crate) model: String,
    /// What to ask. What is piped in comes after it
    pub(crate) prompt: Vec<String>,
    /// Instructions that come before it
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// A picture or a document to ask about; may be given several times
    #[arg(long = "file", value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,
    /// Tokens that the answer may have, at most
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_tokens: Option<u32>,
    /// How freely words are drawn; 0 takes the likeliest
    #[arg(long, value_name = "NUMBER", value_parser = temperature)]
    pub(crate) temperature: Option<f32>,
    /// What the draws begin with, so that they come out the same again
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// How much the model thinks before it speaks
    #[arg(long)]
    pub(crate) effort: Option<Effort>,
    /// The answer must be JSON that fits the JSON schema in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: Option<PathBuf>,
}

/// Arguments of `chat`.
#[derive(Debug, clap::Args)]
pub(crate) struct Chat {
    /// The model. Default: that of the session, else setting `model`
    #[arg(long, value_name = "PROVIDER:MODEL")]
    pub(crate) model: Option<String>,
    /// The session to go on with; a new one if there is none of that name
    #[arg(long, value_name = "NAME")]
    pub(crate) session: Option<String>,
    /// Go on with the newest session
    #[arg(short = 'c', long = "continue", conflicts_with = "session")]
    pub(crate) newest: bool,
    /// Let the model write files of this folder, too; each call is asked about. Default: it reads those of the current one
    #[arg(long, value_name = "DIR")]
    pub(crate) write: Option<PathBuf>,
    /// Let the model read pages of the web
    #[arg(long)]
    pub(crate) web: bool,
    /// Let the model read this SQLite file
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
    /// Approve calls of this tool without asking; may be given several times. For scripts
    #[arg(long = "yes-to", value_name = "TOOL")]
    pub(crate) yes_to: Vec<String>,
}

/// How much a model thinks before it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Effort {
    /// Not at all
    None,
    /// As little as it can
    Minimal,
    /// A little
    Low,
    /// Somewhat
    Medium,
    /// Much
    High,
    /// As much as it can
    Max,
}

impl From<Effort> for lorewell::model::Effort {
    fn from(effort: Effort) -> Self {
        match effort {
            Effort::None => Self::None,
            Effort::Minimal => Self::Minimal,
            Effort::Low => Self::Low,
            Effort::Medium => Self::Medium,
            Effort::High => Self::High,
            Effort::Max => Self::Max,
        }
    }
}

fn temperature(number: &str) -> Result<f32, String> {
    let parsed = number.parse::<f32>().ok().filter(|number| (0.0..=2.0).contains(number));
    parsed.ok_or_else(|| "give a number from 0 to 2".to_owned())
}
