//! The one tool that writes: it applies a diff to a file of the folder, as a whole or not at all.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use diffy::Patch;
use lorewell::model::FunctionTool;
use lorewell::{Access, Result, ResultExt as _, ToolError, tool};
use schemars::JsonSchema;
use serde::Deserialize;

/// The name of the tool.
pub(crate) const APPLY_PATCH: &str = "apply_patch";
/// Bytes of a file that is changed. Larger ones were generated.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Changes one file by a unified diff. A person sees the diff and decides whether it is applied.
#[derive(Deserialize, JsonSchema)]
struct ApplyPatch {
    /// The file, relative to the folder.
    file: String,
    /// The diff, with two lines of context around each change.
    diff: String,
}

/// Makes the tool for a folder. Paths are walked inside of it, so none leads out.
pub(crate) fn apply_patch(folder: &Path) -> Result<FunctionTool> {
    let opened = Dir::open_ambient_dir(folder, ambient_authority());
    let folder = Arc::new(opened.context(|| format!("opening `{}`", folder.display()))?);
    let apply = move |ApplyPatch { file, diff }: ApplyPatch| {
        let folder = folder.clone();
        async move { tokio::task::spawn_blocking(move || apply(&folder, &file, &diff)).await? }
    };
    Ok(tool(apply).access(Access::WRITE))
}

/// A call that a crash has cut off is made again, so a diff that stands already is no fault.
fn apply(folder: &Dir, file: &str, diff: &str) -> Result<String, ToolError> {
    let patch = Patch::from_str(diff).map_err(|error| ToolError::retry(format!("`diff` is no diff: {error}")))?;
    if patch.hunks().is_empty() {
        return Err(ToolError::retry("`diff` changes nothing"));
    }
    let text = read(folder, file)?;
    match diffy::apply(&text, &patch) {
        Ok(new) => {
            replace(folder, file, &new).map_err(|error| told(file, error))?;
            Ok(format!("applied to `{file}`"))
        }
        Err(_) if diffy::apply(&text, &patch.reverse()).is_ok() => Ok(format!("stands in `{file}` already")),
        Err(error) => {
            let message = format!("it does not fit `{file}`, which is unchanged: {error}; read the file again");
            Err(ToolError::retry(message))
        }
    }
}

fn read(folder: &Dir, file: &str) -> Result<String, ToolError> {
    let mut text = String::new();
    let opened = folder.open(file).map_err(|error| told(file, error))?;
    opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| told(file, error))?;
    match text.len() as u64 > FILE_BYTES_MAX {
        true => Err(ToolError::failed(format!("`{file}` has more than {FILE_BYTES_MAX} bytes"))),
        false => Ok(text),
    }
}

/// Writes a file beside, and puts it in its place: whoever reads it sees the one or the other.
fn replace(folder: &Dir, file: &str, text: &str) -> io::Result<()> {
    let beside = format!("{file}.part");
    let mut written = folder.create(&beside)?;
    written.write_all(text.as_bytes())?;
    written.set_permissions(folder.metadata(file)?.permissions())?;
    written.sync_all()?;
    folder.rename(&beside, folder, file)
}

/// What the model is told of an error with a file.
fn told(file: &str, error: io::Error) -> ToolError {
    match error.kind() {
        io::ErrorKind::NotFound => ToolError::retry(format!("there is no file `{file}` in the folder")),
        io::ErrorKind::PermissionDenied => ToolError::failed(format!("`{file}` cannot be reached")),
        io::ErrorKind::InvalidData => ToolError::failed(format!("`{file}` is no text in UTF-8")),
        _ => error.into(),
    }
}
