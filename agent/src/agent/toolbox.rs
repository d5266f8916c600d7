//! The tools of an agent, by name.

use std::fmt;
use std::sync::Arc;

use lorewell_model::{Error, Kind, Origin, Result, Tool, ToolSpec};

/// Characters of a tool's name that all providers take.
const NAME_CHARS_MAX: usize = 64;

/// Tools, in the order in which they were given.
#[derive(Clone, Default)]
pub(super) struct Toolbox(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    tool: Arc<dyn Tool>,
    /// None if the schema of the tool is none.
    schema: Option<Arc<jsonschema::Validator>>,
}

impl Toolbox {
    pub(super) fn add(&mut self, tool: Arc<dyn Tool>) {
        let schema = jsonschema::validator_for(&tool.spec().parameters).ok().map(Arc::new);
        self.0.push(Entry { tool, schema });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn specs(&self) -> impl Iterator<Item = &ToolSpec> {
        self.0.iter().map(|entry| entry.tool.spec())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.specs().map(|spec| &*spec.name)
    }

    /// Whose words the model reads as descriptions, where nobody vouches for them.
    pub(super) fn origins(&self) -> impl Iterator<Item = Origin> {
        self.0.iter().map(|entry| entry.tool.described_by()).filter(|origin| !origin.is_trusted())
    }

    /// Finds a tool and the schema of its arguments.
    pub(super) fn find(&self, name: &str) -> Option<(&Arc<dyn Tool>, &jsonschema::Validator)> {
        let entry = self.0.iter().find(|entry| entry.tool.spec().name == name)?;
        entry.schema.as_deref().map(|schema| (&entry.tool, schema))
    }

    /// Checks that no tool has a name which the agent needs itself.
    pub(super) fn check_free(&self, taken: &str) -> Result<()> {
        match self.names().any(|name| alike(name) == alike(taken)) {
            false => Ok(()),
            true => {
                let message = format!("`{taken}` is how an agent gives an answer of a form; call the tool otherwise");
                Err(Error::new(Kind::Config, message))
            }
        }
    }

    /// Says all that is wrong with the tools.
    pub(super) fn check(&self) -> Result<()> {
        let mut faults = Vec::new();
        for (index, entry) in self.0.iter().enumerate() {
            let name = &entry.tool.spec().name;
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_allowed) {
                faults
                    .push(format!("`{name}` is no name of a tool: up to {NAME_CHARS_MAX} of a-z, A-Z, 0-9, `_`, `-`"));
            }
            match self.names().take(index).find(|other| alike(other) == alike(name)) {
                Some(other) if other == name => faults.push(format!("two tools are called `{name}`")),
                Some(other) => faults.push(format!("nobody can tell the tools `{other}` and `{name}` apart")),
                None => {}
            }
            if entry.schema.is_none() {
                faults.push(format!("the parameters of `{name}` are no JSON schema"));
            }
        }
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Error::new(Kind::Config, faults.join("; "))),
        }
    }
}

/// A name as someone sees it who only glances at it.
fn alike(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

impl fmt::Debug for Toolbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
