//! Finding files: which of them under some folders are to be loaded, and why the others are not. Only names and
//! metadata are looked at; no file is opened, so a pipe cannot hold the walk up and ten thousand files cost little.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use ignore::WalkBuilder;

use super::detect::{ByName, by_name};
use super::skip::SkipReason;

/// The name of Lorewell's own ignore file, with the syntax of `.gitignore`.
pub const IGNORE_FILE: &str = ".lorewellignore";

/// Bytes of the largest file that is loaded. The largest books are a few megabytes of text; what is larger is a data
/// dump, and loading it would take several times its size in memory.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Folders that hold no documents, even where an ignore file lets hidden ones in.
const FOLDERS_LEFT_OUT: [&str; 2] = [".git", ".lorewell"];

/// Files that say what to ignore. The walk reads them, so they must be regular files.
const IGNORE_FILES: [&str; 3] = [".gitignore", ".ignore", IGNORE_FILE];

/// How to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalkOptions {
    /// Bytes of the largest file that is loaded.
    pub file_bytes_max: u64,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self { file_bytes_max: FILE_BYTES_MAX }
    }
}

/// A file to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path, beginning with the root it was found under.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: SystemTime,
}

/// A file that is not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its path, beginning with the root it was found under.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// What a walk came upon. Both lists are sorted by path. Hidden files and what an ignore file names are in neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walked {
    /// Files to load, each once, however many ways lead to it.
    pub found: Vec<Found>,
    /// Files that are not loaded.
    pub skipped: Vec<Skipped>,
}

/// Walks files and folders.
///
/// Obeyed are `.gitignore` (in a Git repository or not), `.ignore` and [`IGNORE_FILE`]; the ignore rules a user keeps
/// for all of their repositories are not, so that the same folder gives the same index for everyone. A root that is
/// named is walked even if it is hidden; one that does not exist is among the skipped. Symbolic links are followed.
#[must_use]
pub fn walk(roots: &[PathBuf], options: &WalkOptions) -> Walked {
    let odd: Arc<Mutex<Vec<Skipped>>> = Arc::default();
    let mut roots = roots.iter().filter(|root| has_sound_rules(root, &odd));
    let Some(first) = roots.next() else { return Walked { found: Vec::new(), skipped: take(&odd) } };
    let mut builder = WalkBuilder::new(first);
    roots.for_each(|root| {
        builder.add(root);
    });
    let noted = Arc::clone(&odd);
    builder
        .follow_links(true)
        .require_git(false)
        .git_global(false)
        .add_custom_ignore_filename(IGNORE_FILE)
        .filter_entry(move |entry| may_enter(entry, &noted));
    let mut walked = Walked::default();
    for entry in builder.build() {
        match entry {
            Ok(entry) => look_at(&entry, options, &mut walked),
            Err(error) => walked.skipped.extend(skipped(&error, None)),
        }
    }
    walked.skipped.append(&mut take(&odd));
    walked.found.sort_by(|a, b| a.path.cmp(&b.path));
    walked.found = each_once(walked.found);
    walked.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    walked.skipped.dedup();
    walked
}

fn may_enter(entry: &ignore::DirEntry, odd: &Mutex<Vec<Skipped>>) -> bool {
    let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
    let is_left_out = FOLDERS_LEFT_OUT.iter().any(|name| entry.file_name() == *name);
    !is_folder || (!is_left_out && has_sound_rules(entry.path(), odd))
}

/// Tells whether the ignore files of a folder are files. A pipe would hold the walk up for ever, and without its
/// rules too much would be found; so such a folder is left out, and the pipe reported.
fn has_sound_rules(folder: &Path, odd: &Mutex<Vec<Skipped>>) -> bool {
    let files = IGNORE_FILES.iter().map(|name| folder.join(name));
    let is_odd =
        |path: &PathBuf| std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
    let found: Vec<PathBuf> = files.filter(is_odd).collect();
    let is_sound = found.is_empty();
    let skip = |path| Skipped { path, reason: SkipReason::NotAFile };
    odd.lock().unwrap_or_else(PoisonError::into_inner).extend(found.into_iter().map(skip));
    is_sound
}

fn take(skipped: &Mutex<Vec<Skipped>>) -> Vec<Skipped> {
    std::mem::take(&mut skipped.lock().unwrap_or_else(PoisonError::into_inner))
}

fn look_at(entry: &ignore::DirEntry, options: &WalkOptions, walked: &mut Walked) {
    if entry.file_type().is_some_and(|kind| kind.is_dir()) {
        return;
    }
    let path = entry.path();
    let skip = |reason| Skipped { path: path.to_owned(), reason };
    // A rule that cannot be read in an ignore file is worth a word; the rest of the file still counts.
    if let Some(error) = entry.error() {
        tracing::warn!("reading ignore files above `{}`: {error}", path.display());
    }
    match entry.metadata() {
        Err(error) => walked.skipped.extend(skipped(&error, Some(path))),
        Ok(metadata) => match reason_to_skip(path, &metadata, options) {
            Some(reason) => walked.skipped.push(skip(reason)),
            None => walked.found.push(Found {
                path: path.to_owned(),
                bytes: metadata.len(),
                modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            }),
        },
    }
}

fn reason_to_skip(path: &Path, metadata: &std::fs::Metadata, options: &WalkOptions) -> Option<SkipReason> {
    if !metadata.is_file() {
        return Some(SkipReason::NotAFile);
    }
    if let ByName::Unknown(ending) = by_name(path) {
        return Some(SkipReason::UnknownType(ending));
    }
    match metadata.len() {
        0 => Some(SkipReason::Empty),
        bytes if bytes > options.file_bytes_max => Some(SkipReason::TooLarge { bytes, max: options.file_bytes_max }),
        _ => None,
    }
}

/// Takes the path and the reason out of an error of the walk.
fn skipped(error: &ignore::Error, path: Option<&Path>) -> Option<Skipped> {
    match error {
        ignore::Error::WithPath { path, err } => skipped(err, Some(path)),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => skipped(err, path),
        ignore::Error::Loop { child, .. } => Some(Skipped { path: child.clone(), reason: SkipReason::SymlinkLoop }),
        ignore::Error::Partial(errors) => errors.iter().find_map(|error| skipped(error, path)),
        ignore::Error::Io(_)
        | ignore::Error::Glob { .. }
        | ignore::Error::UnrecognizedFileType(_)
        | ignore::Error::InvalidDefinition => {
            Some(Skipped { path: path?.to_owned(), reason: SkipReason::Unreadable(words(error)) })
        }
    }
}

fn words(error: &ignore::Error) -> String {
    match error.io_error() {
        Some(io) if io.kind() == std::io::ErrorKind::NotFound => "nothing is there, or a link leads nowhere".to_owned(),
        Some(io) => io.to_string(),
        None => error.to_string(),
    }
}

/// Keeps one path to each file: the one without symbolic links if it is among them, else the first. Hard links are
/// files of their own, since nothing tells which of their names is the true one.
fn each_once(found: Vec<Found>) -> Vec<Found> {
    let mut folders: HashMap<PathBuf, PathBuf> = HashMap::new();
    let mut places: HashMap<PathBuf, usize> = HashMap::new();
    let mut kept: Vec<Found> = Vec::with_capacity(found.len());
    for file in found {
        let place = place(&file.path, &mut folders);
        match places.entry(place) {
            Entry::Occupied(taken) if is_direct(&file.path, taken.key()) => kept[*taken.get()] = file,
            Entry::Occupied(_) => {}
            Entry::Vacant(free) => {
                free.insert(kept.len());
                kept.push(file);
            }
        }
    }
    kept.sort_by(|a, b| a.path.cmp(&b.path));
    kept
}

/// Returns where a file really lies. Folders are resolved once, since most files have many neighbours.
fn place(path: &Path, folders: &mut HashMap<PathBuf, PathBuf>) -> PathBuf {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    let (Some(folder), Some(name), false) = (path.parent(), path.file_name(), is_link) else {
        return path.canonicalize().unwrap_or_else(|_| path.to_owned());
    };
    if let Some(real) = folders.get(folder) {
        return real.join(name);
    }
    let from = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let real = from.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let place = real.join(name);
    folders.insert(folder.to_owned(), real);
    place
}

/// Tells whether a path leads to a place without symbolic links, as far as its components show.
fn is_direct(path: &Path, place: &Path) -> bool {
    let plain: PathBuf = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    place.ends_with(plain)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use expect_test::{Expect, expect};

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            for (name, text) in files {
                let path = folder.0.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            folder
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        #[expect(clippy::needless_pass_by_value, reason = "`expect!` gives a value")]
        fn check(&self, roots: &[&str], expected: Expect) {
            let roots: Vec<PathBuf> = roots.iter().map(|root| self.at(root)).collect();
            let walked = walk(&roots, &WalkOptions { file_bytes_max: 1000 });
            let short = |path: &Path| path.strip_prefix(self.0.path()).unwrap().display().to_string();
            let mut lines: Vec<String> = walked.found.iter().map(|file| short(&file.path)).collect();
            lines.extend(walked.skipped.iter().map(|file| format!("- {}: {}", short(&file.path), file.reason)));
            expected.assert_eq(&lines.join("\n"));
        }
    }

    #[test]
    fn ignore_files_are_obeyed_outside_of_git_too() {
        let folder = Folder::new(&[
            (".gitignore", "*.log\nbuild/\n!.git\n"),
            ("docs/.lorewellignore", "drafts\n"),
            ("docs/a.md", "a"),
            ("docs/a.log", "a"),
            ("docs/drafts/b.md", "b"),
            ("build/c.md", "c"),
            ("node_modules/d.md", "d"),
            (".hidden/e.md", "e"),
            (".git/f.md", "f"),
        ]);
        folder.check(
            &[""],
            expect![[r#"
            docs/a.md
            node_modules/d.md"#]],
        );
        folder.check(
            &[".hidden", "docs/drafts/b.md"],
            expect![[r#"
            .hidden/e.md
            docs/drafts/b.md"#]],
        );
    }

    #[test]
    fn what_is_not_loaded_is_said() {
        let long = "x".repeat(1001);
        let files = [("a.mp3", "x"), ("b.txt", ""), ("c.txt", long.as_str()), ("d", "no ending"), ("🦀 e.md", "e")];
        Folder::new(&files).check(
            &[""],
            expect![[r#"
            d
            🦀 e.md
            - a.mp3: unknown type `.mp3`
            - b.txt: empty
            - c.txt: 1001 bytes, more than the limit of 1000"#]],
        );
    }

    #[test]
    fn a_root_that_is_not_there_is_said() {
        Folder::new(&[("a.md", "a")]).check(
            &["no", "a.md"],
            expect![[r#"
            a.md
            - no: unreadable: nothing is there, or a link leads nowhere"#]],
        );
        assert_eq!(walk(&[], &WalkOptions::default()), Walked::default());
    }

    #[test]
    fn a_file_is_found_once_from_two_roots() {
        Folder::new(&[("a/b/c.md", "c"), ("a/d.md", "d")]).check(
            &["a/b", "a", "a/d.md"],
            expect![[r#"
            a/b/c.md
            a/d.md"#]],
        );
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_are_followed_once_and_loops_reported() {
        use std::os::unix::fs::symlink;
        let folder = Folder::new(&[("a/one.md", "1"), ("z/two.md", "2")]);
        symlink(folder.at("a"), folder.at("a/up")).unwrap();
        symlink(folder.at("z"), folder.at("a/away")).unwrap();
        symlink(folder.at("a/one.md"), folder.at("a/0.md")).unwrap();
        symlink(folder.at("nothing"), folder.at("a/dead.md")).unwrap();
        folder.check(
            &["a"],
            expect![[r#"
            a/away/two.md
            a/one.md
            - a/dead.md: unreadable: nothing is there, or a link leads nowhere
            - a/up: symbolic link loop"#]],
        );
        folder.check(
            &["a", "z"],
            expect![[r#"
            a/one.md
            z/two.md
            - a/dead.md: unreadable: nothing is there, or a link leads nowhere
            - a/up: symbolic link loop"#]],
        );
    }

    #[cfg(unix)]
    #[test]
    fn pipes_and_sockets_are_never_opened() {
        let folder = Folder::new(&[("a.md", "a"), ("b/c.md", "c")]);
        for pipe in ["pipe.md", "b/.gitignore"] {
            let mode = rustix::fs::Mode::from_raw_mode(0o644);
            rustix::fs::mknodat(rustix::fs::CWD, folder.at(pipe), rustix::fs::FileType::Fifo, mode, 0).unwrap();
        }
        let _socket = std::os::unix::net::UnixListener::bind(folder.at("socket.txt")).unwrap();
        folder.check(
            &[""],
            expect![[r#"
            a.md
            - b/.gitignore: not a regular file
            - pipe.md: not a regular file
            - socket.txt: not a regular file"#]],
        );
        folder.check(&["b"], expect!["- b/.gitignore: not a regular file"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_unicode_survive() {
        use std::os::unix::ffi::OsStrExt;
        let folder = Folder::new(&[]);
        let path = folder.0.path().join(std::ffi::OsStr::from_bytes(b"\xFF.md"));
        fs::write(&path, "x").unwrap();
        let walked = walk(&[folder.at("")], &WalkOptions::default());
        assert_eq!(walked.found.iter().map(|file| &file.path).collect::<Vec<_>>(), [&path]);
    }
}
