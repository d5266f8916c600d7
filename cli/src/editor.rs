//! Opens a source in the person's editor.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::folders::non_empty;

/// Opens a file at a line in `$VISUAL` or `$EDITOR`. The path is an argument of its own, never part of a shell line.
pub(crate) fn open(file: &Path, line: u32) -> Result<()> {
    let Some(editor) = non_empty("VISUAL").or_else(|| non_empty("EDITOR")) else {
        bail!("no editor is set; set EDITOR, for example to `vi`");
    };
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(program);
    command.args(words);
    let name = Path::new(program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name {
        "code" | "codium" | "cursor" => command.arg("--goto").arg(format!("{}:{line}", file.display())),
        "zed" | "subl" | "hx" => command.arg(format!("{}:{line}", file.display())),
        _ => command.arg(format!("+{line}")).arg(file), // vi, vim, nvim, emacs, nano, kak, micro
    };
    let status = command.status().with_context(|| format!("starting the editor `{program}`"))?;
    if !status.success() {
        bail!("the editor `{program}` ended with {status}");
    }
    Ok(())
}
