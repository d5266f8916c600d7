//! The arguments of the commands that look at traces.

use clap::Subcommand;

/// What to do with traces.
#[derive(Debug, Subcommand)]
pub(crate) enum Trace {
    /// List the newest traces: when, what, how long, tokens, cost
    Ls {
        /// Traces at most
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
        limit: usize,
    },
    /// Show what a trace is made of: each step with its time, tokens and cost
    Show {
        /// Its id, or the beginning of it
        #[arg(value_name = "ID|last", default_value = "last")]
        id: String,
    },
    /// Remove traces
    Rm {
        /// Their ids, or the beginnings of them
        #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// All of them
        #[arg(long)]
        all: bool,
    },
}
