//! What the program says about itself: completion scripts, manual pages, exit codes.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;

use crate::args::Args;
use crate::exit::{self, Exit};
use crate::output;

pub(super) fn completions(shell: clap_complete::Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "lorewell", &mut script);
    output::line(String::from_utf8(script)?.trim_end())?;
    Ok(Exit::Done)
}

pub(super) fn man(dir: Option<&Path>) -> Result<Exit> {
    match dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).with_context(|| format!("creating `{}`", dir.display()))?;
            clap_mangen::generate_to(Args::command(), dir)
                .with_context(|| format!("writing manual pages to `{}`", dir.display()))?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Args::command()).render(&mut page)?;
            output::line(String::from_utf8(page)?.trim_end())?;
        }
    }
    Ok(Exit::Done)
}

pub(super) fn exit_codes() -> Result<Exit> {
    output::line(exit::HELP)?;
    Ok(Exit::Done)
}
