//! The arguments, as clap reads them. The doc comments are the help text.

mod model;
pub(crate) mod new;
pub(crate) mod trace;

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use lorewell::rag::document::Format;
use lorewell::rag::search::LIMIT_MAX;

pub(crate) use model::{Chat, Key, Model, Run};

const EXAMPLES: &str = "\
Examples:
  lorewell ingest ~/notes          read a folder: PDF, Word, HTML, text, code
  lorewell ask \"what did we decide about the cache?\"
  lorewell search \"cache\" -n 3     the passages alone

Works offline, without keys, without a server.";

/// What the bare command says.
pub(crate) const WELCOME: &str = concat!(
    "lorewell ",
    env!("CARGO_PKG_VERSION"),
    " - ask your own documents, with sources you can check

  lorewell ingest ~/notes          read a folder: PDF, Word, HTML, text, code
  lorewell ask \"what did we decide about the cache?\"
  lorewell search \"cache\" -n 3     the passages alone

Works offline, without keys, without a server.
All commands: lorewell help"
);

/// Ask your own documents, with sources you can check.
#[derive(Debug, Parser)]
#[command(name = "lorewell", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags of every command.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The brain to use: a name, or a path with a `/` or a leading `.`. Default: the one that LOREWELL_BRAIN names, else
    /// the nearest `.lorewell` folder upwards, else the one of your account
    // Read from the environment by hand: clap would count the variable as typed, and empty as a name.
    #[arg(long, global = true, value_name = "NAME|PATH")]
    pub(crate) brain: Option<String>,
    /// Print one JSON object
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print one JSON object a line
    #[arg(long, global = true, conflicts_with = "json")]
    pub(crate) jsonl: bool,
    /// Say more (-vv: log what the library does)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// When to colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Open no network connection at all
    #[arg(long, global = true, env = "LOREWELL_OFFLINE", value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) offline: bool,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a brain for a project, in `.lorewell/`
    Init {
        /// The project folder
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Read files and folders; unchanged ones are skipped
    #[command(visible_alias = "add", alias = "index")]
    Ingest(Ingest),
    /// Find passages
    #[command(aliases = ["s", "find"])]
    Search(Search),
    /// Answer a question, with citations that were checked against the sources
    #[command(aliases = ["a", "?"])]
    Ask(Ask),
    /// Ask a model, without documents
    Run(Run),
    /// Talk with an agent over your documents; the conversation is kept
    Chat(Chat),
    /// Show a source: PATH, a place in it as printed (PATH:LINE, PATH:LINE-LINE, `PATH p.PAGE`, `PATH §HEADING`), or the
    /// number of a hit of the last search or answer
    #[command(aliases = ["open", "cat"])]
    Show {
        /// What to show
        #[arg(value_name = "REF")]
        reference: String,
        /// Lines around it
        #[arg(short = 'C', long, default_value_t = 3, value_name = "LINES")]
        context: u32,
        /// Open it in $VISUAL or $EDITOR
        #[arg(long)]
        open: bool,
    },
    /// List the documents
    Ls {
        /// Glob on the path
        glob: Option<String>,
    },
    /// Say what the brain holds and how it is
    Status {
        /// List the files that were skipped or failed, with the reason
        #[arg(long)]
        problems: bool,
    },
    /// Take documents out of the brain; the files themselves are left alone
    #[command(alias = "forget")]
    Rm {
        /// Files or folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Choose among models, and try them
    #[command(alias = "models")]
    Model {
        #[command(subcommand)]
        command: Model,
    },
    /// Keep the keys of providers, for this account alone
    #[command(alias = "keys")]
    Key {
        #[command(subcommand)]
        command: Key,
    },
    /// Look at what commands did, step by step: times, tokens, cost
    #[command(alias = "traces")]
    Trace {
        #[command(subcommand)]
        command: trace::Trace,
    },
    /// Check that everything works, and say how to fix what does not
    Doctor,
    /// Show settings and where they come from
    Config {
        #[command(subcommand)]
        command: Config,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write all of them to a folder
    Man {
        /// Folder to write to
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Make a Rust project that builds on Lorewell: an agent, answers from documents, a graph of steps
    New(new::New),
    /// Exit codes and what they mean
    #[command(name = "exit-codes", hide = true, override_help = crate::exit::HELP)]
    ExitCodes,
}

/// Arguments of `ingest`.
#[derive(Debug, clap::Args)]
pub(crate) struct Ingest {
    /// Files and folders, or `-` for standard input. Default: all that was ingested before
    #[arg(value_name = "SRC")]
    pub(crate) sources: Vec<PathBuf>,
    /// Name of what is read from standard input
    #[arg(long, default_value = "stdin")]
    pub(crate) name: String,
    /// Say what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Leave the vectors to a later run
    #[arg(long)]
    pub(crate) words_only: bool,
}

/// Conditions on documents.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct Filters {
    /// Only documents whose path matches this glob, or lies under this folder
    #[arg(long, value_name = "GLOB")]
    pub(crate) path: Option<String>,
    /// Only documents of this format: text, markdown, html, pdf, docx, code, json, jsonl, csv
    #[arg(long = "type", value_name = "FORMAT", value_parser = format)]
    pub(crate) format: Option<Format>,
    /// Only documents with this tag
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Only documents of this day or later, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) since: Option<String>,
    /// Only documents of this day or earlier, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) until: Option<String>,
}

/// Arguments of `search`.
#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    /// What to look for, in plain words. `-`, or nothing where something is piped in: from standard input, which is left
    /// alone otherwise
    pub(crate) question: Vec<String>,
    /// Passages at most
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = limit)]
    pub(crate) limit: Option<usize>,
    /// Which index to ask
    #[arg(long, default_value = "hybrid")]
    pub(crate) mode: Mode,
    /// How to fuse words and meaning. Default: setting `fusion`, else dbsf
    #[arg(long)]
    pub(crate) fusion: Option<Fusion>,
    /// Say why each passage was found
    #[arg(long)]
    pub(crate) explain: bool,
    /// Say why this file was found, or was not
    #[arg(long, value_name = "FILE")]
    pub(crate) why: Option<String>,
    #[command(flatten)]
    pub(crate) filters: Filters,
}

/// Arguments of `ask`.
#[derive(Debug, clap::Args)]
pub(crate) struct Ask {
    /// The question. `-`, or nothing where something is piped in: from standard input, which is left alone otherwise
    pub(crate) question: Vec<String>,
    /// Ask this folder: it is read first, into a brain of its own in the cache
    #[arg(long = "in", value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// Let this model write the answer from the passages found; each sentence is held against them. Default: setting
    /// `model`
    #[arg(long, value_name = "PROVIDER:MODEL")]
    pub(crate) model: Option<String>,
    /// Answer in the documents' own words, whatever the settings say
    #[arg(long, conflicts_with = "model")]
    pub(crate) no_model: bool,
    #[command(flatten)]
    pub(crate) filters: Filters,
}

/// Which index to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Words and meaning
    Hybrid,
    /// Words only
    Words,
    /// Meaning only
    Meaning,
}

/// How to fuse two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fusion {
    /// Distribution-based score fusion
    Dbsf,
    /// Reciprocal rank fusion, k = 10
    Rrf,
}

/// What to do with settings.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Say what a setting is, which layer it comes from and what it hides; all of them without KEY
    Explain {
        /// The setting
        key: Option<String>,
    },
    /// Print where the configuration files lie
    Path,
}

fn format(name: &str) -> Result<Format, String> {
    let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
    Format::from_name(name).ok_or_else(|| format!("there are {}", names.join(", ")))
}

fn day(day: &str) -> Result<String, String> {
    let parsed = day.parse::<jiff::civil::Date>();
    parsed.map(|_| day.to_owned()).map_err(|_| "give a day like 2026-01-31".to_owned())
}

fn limit(limit: &str) -> Result<usize, String> {
    let parsed = limit.parse::<usize>().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    parsed.ok_or_else(|| format!("give a number from 1 to {LIMIT_MAX}"))
}
