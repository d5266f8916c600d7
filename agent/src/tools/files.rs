//! Files of one folder. Whatever path a model names, nothing outside is reached: the folder is opened once, and paths are walked
//! inside of it, links included (cap-std). Hidden files are left out unless the program says otherwise: keys, settings and hooks
//! of other programs are kept in them.

use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use lorewell_model::{
    Access, FunctionTool, IntoTool as _, Origin, Result, ResultExt as _, Tool, ToolError, ToolOutput, tool,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Bytes of a file that is read or written.
pub const FILE_BYTES_MAX: u64 = 8 << 20;
/// Entries of a folder that are told.
const ENTRIES_MAX: usize = 500;
/// Lines that are read unless the model says how many.
const LINES: usize = 500;

/// A folder that an agent may look into, and change if it is told that it may.
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
    root: Arc<Dir>,
    may_write: bool,
    with_hidden: bool,
}

/// What of the folder may be reached.
struct Folder {
    dir: Arc<Dir>,
    with_hidden: bool,
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
        Ok(Self { root: Arc::new(opened), may_write: false, with_hidden: false })
    }

    /// Adds hidden files and folders, whose names begin with a dot. Without it they are not listed, and nothing in them is read
    /// or written, behind links neither.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.with_hidden = true;
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
        act: fn(&Folder, &A) -> Result<String, ToolError>,
    ) -> (&'static str, FunctionTool) {
        let (dir, with_hidden) = (self.root.clone(), self.with_hidden);
        // Those that write tell nothing of what stands in files.
        let origin = if access(name) == Access::READ { Origin::Document } else { Origin::Developer };
        let made = tool(move |arguments: A| {
            let folder = Folder { dir: dir.clone(), with_hidden };
            async move {
                let text = tokio::task::spawn_blocking(move || act(&folder, &arguments)).await??;
                Ok::<_, ToolError>(ToolOutput::text(text).origin(origin))
            }
        });
        (name, made.description(description))
    }
}

fn access(name: &str) -> Access {
    if matches!(name, "write_file" | "edit_file") { Access::WRITE } else { Access::READ }
}

impl Folder {
    /// Refuses a path that names something hidden, by itself or behind a link.
    fn check(&self, path: &str) -> Result<(), ToolError> {
        if self.with_hidden {
            return Ok(());
        }
        // What is to be made is not there yet, but the folder that it comes into may be a link.
        let behind = Path::new(path).ancestors().find_map(|path| self.dir.canonicalize(path).ok());
        match is_hidden(Path::new(path)) || behind.is_some_and(|path| is_hidden(&path)) {
            true => Err(ToolError::failed(format!("`{path}` is hidden, and hidden files are not for you"))),
            false => Ok(()),
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    let is_dotted =
        |part: Component<'_>| matches!(part, Component::Normal(name) if name.as_encoded_bytes().starts_with(b"."));
    path.components().any(is_dotted)
}

fn list(folder: &Folder, asked: &List) -> Result<String, ToolError> {
    let path = asked.path.as_deref().filter(|path| !path.is_empty()).unwrap_or(".");
    folder.check(path)?;
    let (mut names, mut hidden) = (Vec::new(), 0);
    for entry in folder.dir.read_dir(path).map_err(|error| told(path, error))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !folder.with_hidden && name.starts_with('.') {
            hidden += 1;
            continue;
        }
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

fn read(folder: &Folder, asked: &Read) -> Result<String, ToolError> {
    let text = whole(folder, &asked.path)?;
    let first = asked.line.unwrap_or(1).max(1) - 1;
    let count = asked.lines.unwrap_or(LINES);
    let all = text.lines().count();
    let lines: Vec<&str> = text.lines().skip(first).take(count).collect();
    let last = first + lines.len();
    let part =
        if (first, last) == (0, all) { String::new() } else { format!("[lines {}-{last} of {all}]\n", first + 1) };
    Ok(format!("{part}{}", lines.join("\n")))
}

fn write(folder: &Folder, asked: &Write) -> Result<String, ToolError> {
    replace(folder, &asked.path, &asked.text)?;
    Ok(format!("wrote {} bytes to `{}`", asked.text.len(), asked.path))
}

fn edit(folder: &Folder, asked: &Edit) -> Result<String, ToolError> {
    let text = whole(folder, &asked.path)?;
    if asked.old.is_empty() {
        return Err(ToolError::retry("`old` is empty; give what is to be replaced"));
    }
    match text.matches(&asked.old).count() {
        1 => {}
        0 => return Err(ToolError::retry(format!("`old` does not stand in `{}`", asked.path))),
        many => {
            let message = format!("`old` stands {many} times in `{}`; give more of what is around it", asked.path);
            return Err(ToolError::retry(message));
        }
    }
    replace(folder, &asked.path, &text.replacen(&asked.old, &asked.new, 1))?;
    Ok(format!("replaced it in `{}`", asked.path))
}

/// Reads a text file.
fn whole(folder: &Folder, path: &str) -> Result<String, ToolError> {
    folder.check(path)?;
    let file = folder.dir.open(path).map_err(|error| told(path, error))?;
    let size = file.metadata()?;
    if !size.is_file() {
        return Err(ToolError::failed(format!("`{path}` is no file")));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| told(path, error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ToolError::failed(format!("`{path}` is larger than {FILE_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| ToolError::failed(format!("`{path}` is no text in UTF-8")))
}

/// Writes a file beside, and puts it in its place: who reads it meanwhile sees the one or the other.
fn replace(folder: &Folder, path: &str, text: &str) -> Result<(), ToolError> {
    folder.check(path)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(ToolError::failed(format!("a file may have {FILE_BYTES_MAX} bytes at most")));
    }
    let target = Path::new(path);
    let Some(name) = target.file_name() else { return Err(ToolError::retry(format!("`{path}` names no file"))) };
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let within = match parent {
        None => folder.dir.try_clone()?,
        Some(parent) => {
            folder.dir.create_dir_all(parent).map_err(|error| told(path, error))?;
            folder.dir.open_dir(parent).map_err(|error| told(path, error))?
        }
    };
    let beside = format!(".{}.part", name.to_string_lossy());
    let mut file = within.create(&beside).map_err(|error| told(path, error))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| within.rename(&beside, &within, name));
    placed.map_err(|error| {
        // It is of no use to anyone.
        let _ = within.remove_file(&beside);
        told(path, error)
    })
}

/// What a model is told of an error with a path.
fn told(path: &str, error: io::Error) -> ToolError {
    match error.kind() {
        io::ErrorKind::NotFound => ToolError::failed(format!("there is no `{path}`")),
        io::ErrorKind::PermissionDenied => {
            ToolError::failed(format!("`{path}` cannot be reached; only paths within the folder can"))
        }
        io::ErrorKind::NotADirectory => ToolError::failed(format!("`{path}` is no folder")),
        io::ErrorKind::IsADirectory => ToolError::failed(format!("`{path}` is a folder")),
        _ => error.into(),
    }
}
