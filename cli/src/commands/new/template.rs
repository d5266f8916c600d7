//! The templates, which come inside of the program, and what is put into them. `tests/templates` builds the very same files
//! under the names that stand in them, so that nothing is written that was not compiled.

use anyhow::{Context as _, Result};
use toml_edit::DocumentMut;

use super::name::CrateName;
use crate::args::new::Template;

/// The manifest; as `Cargo.toml` it would keep the folder of the template out of the package of this crate.
const MANIFEST: &str = "Cargo.toml";

/// Where a project takes Lorewell from.
#[derive(Debug)]
pub(super) enum Source {
    /// The release of this program's version.
    Release,
    /// A folder, by its absolute path.
    Local(String),
}

/// A file of a project.
#[derive(Debug)]
pub(super) struct File {
    /// Where it goes, from the project's folder.
    pub(super) path: &'static str,
    /// What it says.
    pub(super) text: String,
}

/// Takes files of a template in: where they go, and what they say.
macro_rules! files {
    ($template:literal: $($path:literal),+) => {
        &[
            (MANIFEST, include_str!(concat!("../../../templates/", $template, "/manifest.toml"))),
            (".gitignore", include_str!("../../../templates/gitignore")),
            $(($path, include_str!(concat!("../../../templates/", $template, "/", $path)))),+
        ]
    };
}

const AGENT: &[(&str, &str)] = files!("agent": "README.md", "src/lib.rs", "src/main.rs", "tests/approval.rs");
const RAG: &[(&str, &str)] = files!(
    "rag": "README.md", "docs/opening-hours.md", "docs/returns.md", "src/lib.rs", "src/main.rs", "tests/answers.rs"
);
const WORKFLOW: &[(&str, &str)] = files!("workflow": "README.md", "src/lib.rs", "src/main.rs", "tests/refunds.rs");

impl Template {
    /// Returns the files of a project.
    pub(super) fn files(self, name: &CrateName, source: &Source) -> Result<Vec<File>> {
        let files = self.sources().iter().map(|(path, text)| {
            let text = self.renamed(text, name);
            let text = if *path == MANIFEST { depending(&text, source)? } else { text };
            Ok(File { path, text })
        });
        files.collect()
    }

    fn sources(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Agent => AGENT,
            Self::Rag => RAG,
            Self::Workflow => WORKFLOW,
        }
    }

    /// Puts a name in the place of the template's. The identifier comes first: it has no `-`, so it cannot bring in what is
    /// looked for next.
    fn renamed(self, text: &str, name: &CrateName) -> String {
        let (own, identifier) = match self {
            Self::Agent => ("new-agent", "new_agent"),
            Self::Rag => ("new-rag", "new_rag"),
            Self::Workflow => ("new-workflow", "new_workflow"),
        };
        text.replace(identifier, &name.identifier()).replace(own, name.as_str())
    }
}

/// Returns the crates that a project of a template uses.
pub(super) fn dependencies(template: Template) -> Result<Vec<String>> {
    let manifest = template.sources().iter().find(|(path, _)| *path == MANIFEST);
    let document = parsed(manifest.map_or("", |(_, text)| text))?;
    let tables = ["dependencies", "dev-dependencies"].into_iter().filter_map(|table| document.get(table)?.as_table());
    Ok(tables.flat_map(|table| table.iter().map(|(name, _)| name.to_owned())).collect())
}

/// Writes into a manifest where Lorewell comes from.
fn depending(manifest: &str, source: &Source) -> Result<String> {
    let mut document = parsed(manifest)?;
    let lorewell = document["dependencies"]["lorewell"].as_inline_table_mut();
    let lorewell = lorewell.context("the manifest of the template does not name `lorewell`")?;
    match source {
        Source::Release => lorewell["version"] = env!("CARGO_PKG_VERSION").into(),
        Source::Local(folder) => {
            lorewell.remove("version");
            lorewell.insert("path", folder.into());
        }
    }
    lorewell.fmt();
    Ok(document.to_string())
}

fn parsed(manifest: &str) -> Result<DocumentMut> {
    manifest.parse().context("reading the manifest of the template")
}
