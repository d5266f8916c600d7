//! Answers from the documents in `docs/`: quoted without a model, or written by an agent that
//! searches them.

use std::path::Path;

use lorewell::{Agent, Error, Index, Kind, Model, Options, Result};

/// Opens the index of a project and reads what is new in its `docs/`; files that have not changed
/// are skipped.
///
/// # Errors
/// `BadInput` if a document cannot be read; those of [`Index::open`].
pub async fn open(project: &Path) -> Result<Index> {
    let mut options = Options::default(); // words only; `Options::bundled()?` finds meanings too
    options.root = Some(project.to_owned());
    let index = Index::open(project.join(".index"), options).await?;
    let report = index.add([project.join("docs")]).await?;
    match report.failed.first_key_value() {
        Some((file, why)) => Err(Error::new(
            Kind::BadInput,
            format!("reading `{file}`: {why}"),
        )),
        None => Ok(index),
    }
}

/// Makes an agent that searches the documents before it answers.
pub fn agent(model: Model, index: &Index) -> Agent {
    Agent::new(model)
        .instructions(
            "Search before you answer. Answer from what you found alone, and name its source.",
        )
        .tool("search", index.tool())
}
