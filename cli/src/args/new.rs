//! The arguments of `new`.

use std::path::PathBuf;

use clap::ValueEnum;

/// Arguments of `new`.
#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// What the crate is called, and its folder unless `--path` says another
    #[arg(required_unless_present = "list")]
    pub(crate) name: Option<String>,
    /// What to begin with
    #[arg(short, long, default_value = "agent")]
    pub(crate) template: Template,
    /// The folder to make; it may be there already if it is empty
    #[arg(long, value_name = "DIR")]
    pub(crate) path: Option<PathBuf>,
    /// Depend on the sources of Lorewell in this folder instead of a release
    #[arg(long, value_name = "DIR")]
    pub(crate) local: Option<PathBuf>,
    /// List the templates
    #[arg(long, conflicts_with_all = ["name", "template", "path", "local"])]
    pub(crate) list: bool,
}

/// What a project begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// An agent with typed tools, one of which a person approves
    Agent,
    /// Answers from the documents of a folder, quoted or by an agent
    Rag,
    /// A graph of steps with a question to a person, kept in SQLite
    Workflow,
}
