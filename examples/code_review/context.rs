//! What a reviewer is shown of a change: the diff, the functions it touches, and who calls those in any file of the folder.
//! Functions are found by tree-sitter, in all languages that Lorewell reads.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use diffy::Line;
use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};
use lorewell::rag::load::{Code, Load as _, WalkOptions, read_text, walk};
use lorewell::{Error, Kind, Result, ResultExt as _};

/// The file that holds the changes of a folder that is no git repository.
const CHANGES: &str = "changes.diff";
/// Bytes of a diff. A longer one is more than a model reads with care; it should be reviewed in parts.
const DIFF_BYTES_MAX: usize = 128 << 10;
/// Source files of a folder. Reading more takes longer than a person waits; a part of them can be reviewed by itself.
const FILES_MAX: usize = 10_000;
/// Functions that are shown besides the diff. More of them crowd out what matters.
const SHOWN_MAX: usize = 40;

/// A function or another item without items inside.
struct Item {
    file: String,
    title: String,
    first_line: usize,
    text: String,
}

/// Lines that a diff has added to a file, or next to which it has taken some away.
struct Change {
    file: String,
    lines: Vec<usize>,
}

impl Item {
    /// Returns the last word of its title: `page` of `fn page`.
    fn name(&self) -> &str {
        let mut words = self.title.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.rfind(|word| !word.is_empty()).unwrap_or_default()
    }

    fn is_touched_by(&self, change: &Change) -> bool {
        let lines = self.first_line..self.first_line + self.text.lines().count();
        self.file == change.file && change.lines.iter().any(|line| lines.contains(line))
    }

    /// Tells whether the name stands in it as a whole word before a parenthesis.
    fn calls(&self, name: &str) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let call = format!("{name}(");
        let mut places = self.text.match_indices(&call).map(|(at, _)| at);
        self.name() != name && places.any(|at| !self.text[..at].ends_with(is_word))
    }

    /// Shows it with the numbers of its lines, which findings refer to.
    fn show(&self, why: &str, shown: &mut String) {
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "\n{why}: {} in {}", self.title, self.file);
        for (line, number) in self.text.lines().zip(self.first_line..) {
            let _ = writeln!(shown, "{number:>5} {line}");
        }
    }
}

/// Reads the changes of a folder: `changes.diff`, or else what git says has changed since the last commit.
pub(crate) fn diff_of(folder: &Path) -> Result<String> {
    if !folder.is_dir() {
        return Err(Error::new(Kind::NotFound, format!("there is no folder `{}`", folder.display())));
    }
    let file = folder.join(CHANGES);
    let diff = if file.is_file() { read_text(&file)? } else { git_diff(folder)? };
    match diff.len() {
        0 => Err(Error::new(Kind::BadInput, format!("nothing has changed in `{}`", folder.display()))),
        bytes if bytes > DIFF_BYTES_MAX => {
            let message = format!("the diff has {bytes} bytes of at most {DIFF_BYTES_MAX}; review it in parts");
            Err(Error::new(Kind::Limit, message))
        }
        _ => Ok(diff),
    }
}

fn git_diff(folder: &Path) -> Result<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["diff", "--no-color", "--no-ext-diff", "--relative", "HEAD"]);
    let output = git.output().context(|| "running `git diff`".to_owned())?;
    if !output.status.success() {
        let (folder, why) = (folder.display(), String::from_utf8_lossy(&output.stderr));
        let why = why.lines().next().unwrap_or_default();
        let message = format!("`{folder}` has no `{CHANGES}`, and git knows no changes of it: {why}");
        return Err(Error::new(Kind::BadInput, message));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Tells a reviewer what has changed, what that touches, and who relies on it.
pub(crate) fn brief(folder: &Path, diff: &str) -> Result<String> {
    let (changes, items) = (changes(diff)?, items(folder)?);
    let is_touched = |item: &&Item| changes.iter().any(|change| item.is_touched_by(change));
    let (touched, others): (Vec<&Item>, Vec<&Item>) = items.iter().partition(is_touched);
    let calls = |item: &&&Item| touched.iter().any(|touched| item.calls(touched.name()));
    let mut shown = format!("Review these changes.\n\n{diff}\nThe functions as they are now, with line numbers:\n");
    touched.iter().take(SHOWN_MAX).for_each(|item| item.show("changed", &mut shown));
    others.iter().filter(calls).take(SHOWN_MAX).for_each(|item| item.show("calls what has changed", &mut shown));
    Ok(shown)
}

/// Returns the paths of the files that a diff changes.
pub(crate) fn changed_files(diff: &str) -> Result<Vec<String>> {
    Ok(changes(diff)?.into_iter().map(|change| change.file).collect())
}

fn changes(diff: &str) -> Result<Vec<Change>> {
    let is_git = diff.lines().any(|line| line.starts_with("diff --git "));
    let options = if is_git { ParseOptions::gitdiff() } else { ParseOptions::unidiff() };
    let mut changes = Vec::new();
    for patch in PatchSet::parse(diff, options) {
        let patch = patch.map_err(|error| Error::from_source(Kind::BadInput, error).context("reading the diff"))?;
        let (operation, text) = (patch.operation().strip_prefix(1), patch.patch().as_text());
        let (FileOperation::Create(file) | FileOperation::Modify { modified: file, .. }) = operation else { continue };
        let hunks = text.iter().flat_map(|patch| patch.hunks());
        changes.push(Change { file: file.into_owned(), lines: hunks.flat_map(changed_lines).collect() });
    }
    Ok(changes)
}

fn changed_lines(hunk: &diffy::Hunk<'_, str>) -> Vec<usize> {
    let (mut line, mut changed) = (hunk.new_range().start(), Vec::new());
    for part in hunk.lines() {
        if !matches!(part, Line::Context(_)) {
            changed.push(line);
        }
        if !matches!(part, Line::Delete(_)) {
            line += 1;
        }
    }
    changed
}

/// Finds the functions of all source files of a folder.
fn items(folder: &Path) -> Result<Vec<Item>> {
    let walked = walk(&[folder.to_owned()], &WalkOptions::default());
    let paths = walked.found.into_iter().map(|found| found.path);
    let code: Vec<PathBuf> = paths.filter(|path| Code::language(path).is_some()).collect();
    if code.len() > FILES_MAX {
        let message = format!("`{}` has more than {FILES_MAX} source files; name a part of it", folder.display());
        return Err(Error::new(Kind::Limit, message));
    }
    let items: Vec<Vec<Item>> = code.iter().map(|path| items_of(folder, path)).collect::<Result<_>>()?;
    Ok(items.into_iter().flatten().collect())
}

fn items_of(folder: &Path, path: &Path) -> Result<Vec<Item>> {
    let document = Code.load(path, read_text(path)?.as_bytes())?;
    let file = path.strip_prefix(folder).unwrap_or(path).display().to_string();
    let mut items = Vec::new();
    for (index, section) in document.sections.iter().enumerate() {
        // A section that another one begins in is a class or a module; its functions come by themselves.
        if document.sections.get(index + 1).is_some_and(|next| next.range.start < section.range.end) {
            continue;
        }
        items.push(Item {
            file: file.clone(),
            title: section.title.clone(),
            first_line: document.text[..section.range.start].matches('\n').count() + 1,
            text: document.text[section.range.clone()].trim_end().to_owned(),
        });
    }
    Ok(items)
}
