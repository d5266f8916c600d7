//! Files of one folder. Whatever path a model names, nothing outside is reached: the folder is opened once, and paths are walked
//! inside of it, links included (`place`). Hidden files are left out unless the program says otherwise: keys, settings and hooks
//! of other programs are kept in them.

mod place;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use lorewell_model::{
    Access, FunctionTool, IntoTool as _, Origin, Result, ResultExt as _, Tool, ToolCx, ToolError, ToolOutput, tool,
};
use schemars::JsonSchema;
use serde::Deserialize;

use self::place::{Folder, Missing, is_hidden, told};

/// Bytes of a file that is read or written.
pub const FILE_BYTES_MAX: u64 = 8 << 20;
/// Entries of a folder that are told.
const ENTRIES_MAX: usize = 500;
/// Lines that are read unless the model says how many.
const LINES: usize = 500;

/// A folder that an agent may look into, and change if it is told that it may. Changes are made one after the other, by all
/// clones; a folder that is opened twice knows nothing of the other.
///
/// ```
/// use lorewell_agent::tools::Files;
///
/// # fn main() -> lorewell_agent::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// let files = Files::open(folder.path())?.writing();
/// let names: Vec<String> = files.tools().iter().map(|tool| tool.spec().name.clone()).collect();
/// assert_eq!(names, ["list_files", "read_file", "write_file", "edit_file"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Files {
    folder: Folder,
    may_write: bool,
    /// Held from reading a file to putting another in its place: calls of one answer run side by side, and what one of them has
    /// changed the next must not undo.
    changing: Arc<Mutex<()>>,
}

#[derive(Deserialize, JsonSchema)]
struct List {
    /// A folder; the whole one unless said.
    path: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Read {
    /// The file.
    path: String,
    /// The first line, from 1.
    #[schemars(range(min = 1))]
    line: Option<usize>,
    /// How many lines.
    #[schemars(range(min = 1))]
    lines: Option<usize>,
}

#[derive(Deserialize, JsonSchema)]
struct Write {
    /// The file; folders that are not there are made.
    path: String,
    /// All that it is to hold.
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Edit {
    /// The file.
    path: String,
    /// What is to be replaced: it must stand there exactly once.
    old: String,
    /// What takes its place.
    new: String,
}

impl Files {
    /// Opens a folder.
    ///
    /// # Errors
    /// `NotFound` if it is not there, `Io` if it cannot be opened.
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        let opened = Dir::open_ambient_dir(root, ambient_authority());
        let opened = opened.context(|| format!("opening the folder `{}` for an agent", root.display()))?;
        let folder = Folder { root: Arc::new(opened), with_hidden: false };
        Ok(Self { folder, may_write: false, changing: Arc::default() })
    }

    /// Adds hidden files and folders, whose names begin with a dot. Without it they are not listed, and nothing in them is read
    /// or written, behind links neither.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.folder.with_hidden = true;
        self
    }

    /// Adds the tools that write. Each call of them needs approval, unless the agent allows writing.
    #[must_use]
    pub fn writing(mut self) -> Self {
        self.may_write = true;
        self
    }

    /// Returns the tools: `list_files`, `read_file`, and with [`writing`](Self::writing) `write_file` and `edit_file`.
    #[must_use]
    pub fn tools(&self) -> Vec<Arc<dyn Tool>> {
        let mut tools = vec![
            self.tool("list_files", "Lists a folder: names, with `/` behind folders, and sizes in bytes.", list),
            self.tool("read_file", "Reads lines of a text file.", read),
        ];
        if self.may_write {
            tools.push(self.tool("write_file", "Writes a text file, in the place of what it held.", write));
            tools.push(self.tool("edit_file", "Replaces a piece of a text file.", edit));
        }
        tools
            .into_iter()
            .map(|(name, tool)| Arc::new(tool.access(access(name)).into_tool(name)) as Arc<dyn Tool>)
            .collect()
    }

    fn tool<A: for<'a> Deserialize<'a> + JsonSchema + Send + 'static>(
        &self,
        name: &'static str,
        description: &str,
        act: fn(&Folder, &ToolCx, &A) -> Result<String, ToolError>,
    ) -> (&'static str, FunctionTool) {
        let (folder, changing, is_change) = (self.folder.clone(), self.changing.clone(), access(name) == Access::WRITE);
        // Those that write tell nothing of what stands in files.
        let origin = if is_change { Origin::Developer } else { Origin::Document };
        let made = tool(move |cx: ToolCx, arguments: A| {
            let (folder, changing) = (folder.clone(), changing.clone());
            let act = move || {
                // It guards files and no memory: who has panicked has left nothing half done.
                let _one_by_one = is_change.then(|| changing.lock().unwrap_or_else(PoisonError::into_inner));
                act(&folder, &cx, &arguments)
            };
            async move {
                let text = tokio::task::spawn_blocking(act).await??;
                Ok::<_, ToolError>(ToolOutput::text(text).origin(origin))
            }
        });
        (name, made.description(description))
    }
}

fn access(name: &str) -> Access {
    if matches!(name, "write_file" | "edit_file") { Access::WRITE } else { Access::READ }
}

fn list(folder: &Folder, _: &ToolCx, asked: &List) -> Result<String, ToolError> {
    let path = asked.path.as_deref().filter(|path| !path.is_empty()).unwrap_or(".");
    let (mut names, mut hidden) = (Vec::new(), 0);
    for entry in folder.dir(path)?.entries().map_err(|error| told(path, error))? {
        let entry = entry?;
        if !folder.with_hidden && is_hidden(&entry.file_name()) {
            hidden += 1;
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        names.push(match entry.file_type()?.is_dir() {
            true => format!("{name}/"),
            false => format!("{name} {}", entry.metadata().map_or(0, |data| data.len())),
        });
    }
    names.sort();
    let more = names.len().saturating_sub(ENTRIES_MAX);
    names.truncate(ENTRIES_MAX);
    let left_out = [(more, "more"), (hidden, "hidden")].into_iter().filter(|(count, _)| *count > 0);
    names.extend(left_out.map(|(count, what)| format!("[{count} {what}, not shown]")));
    Ok(if names.is_empty() { "[empty]".to_owned() } else { names.join("\n") })
}

fn read(folder: &Folder, _: &ToolCx, asked: &Read) -> Result<String, ToolError> {
    let text = folder.place(&asked.path, Missing::Fails)?.text()?;
    let first = asked.line.unwrap_or(1).max(1) - 1;
    let count = asked.lines.unwrap_or(LINES);
    let all = text.lines().count();
    let lines: Vec<&str> = text.lines().skip(first).take(count).collect();
    let last = first + lines.len();
    let part =
        if (first, last) == (0, all) { String::new() } else { format!("[lines {}-{last} of {all}]\n", first + 1) };
    Ok(format!("{part}{}", lines.join("\n")))
}

fn write(folder: &Folder, cx: &ToolCx, asked: &Write) -> Result<String, ToolError> {
    fits(&asked.text)?;
    folder.place(&asked.path, Missing::IsMade)?.put(&asked.text, cx)?;
    Ok(format!("wrote {} bytes to `{}`", asked.text.len(), asked.path))
}

fn edit(folder: &Folder, cx: &ToolCx, asked: &Edit) -> Result<String, ToolError> {
    if asked.old.is_empty() {
        return Err(ToolError::retry("`old` is empty; give what is to be replaced"));
    }
    let place = folder.place(&asked.path, Missing::Fails)?;
    let text = place.text()?;
    match text.matches(&asked.old).count() {
        1 => {}
        0 => return Err(ToolError::retry(format!("`old` does not stand in `{}`", asked.path))),
        many => {
            let message = format!("`old` stands {many} times in `{}`; give more of what is around it", asked.path);
            return Err(ToolError::retry(message));
        }
    }
    let text = text.replacen(&asked.old, &asked.new, 1);
    fits(&text)?;
    place.put(&text, cx)?;
    Ok(format!("replaced it in `{}`", asked.path))
}

fn fits(text: &str) -> Result<(), ToolError> {
    match text.len() as u64 > FILE_BYTES_MAX {
        true => Err(ToolError::failed(format!("a file may have {FILE_BYTES_MAX} bytes at most"))),
        false => Ok(()),
    }
}
