//! Finding files: which of them under some folders are to be loaded, and why the others are not. Only names and
//! metadata are looked at; no file is opened, so a pipe cannot hold the walk up and ten thousand files cost little.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Read as _;
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

/// Files that say what to ignore. The walk reads them, so they must be regular files, and text.
const IGNORE_FILES: [&str; 3] = [".gitignore", ".ignore", IGNORE_FILE];

/// Bytes of an ignore file. The longest ones are lists of a few thousand names.
const RULES_BYTES_MAX: u64 = 1024 * 1024;

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
    /// Files that are not loaded, each once.
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
    let mut roots = roots.iter().filter(|root| has_sound_rules(root, &odd) && has_sound_rules_above(root, &odd));
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
    walked.found = each_once(walked.found, |file| &file.path);
    walked.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    walked.skipped = each_once(walked.skipped, |file| &file.path);
    walked
}

fn may_enter(entry: &ignore::DirEntry, odd: &Mutex<Vec<Skipped>>) -> bool {
    let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
    let is_left_out = FOLDERS_LEFT_OUT.iter().any(|name| entry.file_name() == *name);
    !is_folder || (!is_left_out && has_sound_rules(entry.path(), odd))
}

/// Tells whether the ignore files of a folder can be read. The walk would wait on a pipe for ever and pass over what it
/// cannot read, and without its rules too much would be found; so such a folder is left out, and the file reported.
fn has_sound_rules(folder: &Path, odd: &Mutex<Vec<Skipped>>) -> bool {
    let files = IGNORE_FILES.iter().map(|name| folder.join(name));
    let skip = |path: PathBuf| match fault_of_rules(&path)? {
        Fault::NotAFile => Some(Skipped { path, reason: SkipReason::NotAFile }),
        Fault::Unreadable(why) => Some(left_out(folder, &path, &why)),
    };
    let found: Vec<Skipped> = files.filter_map(skip).collect();
    let is_sound = found.is_empty();
    odd.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    is_sound
}

/// Tells the same of the folders above a root, whose rules hold in it.
fn has_sound_rules_above(root: &Path, odd: &Mutex<Vec<Skipped>>) -> bool {
    let Some(real) = root.canonicalize().ok().filter(|real| real.is_dir()) else { return true };
    let mut files = real.ancestors().skip(1).flat_map(|folder| IGNORE_FILES.iter().map(|name| folder.join(name)));
    let found = files.find_map(|path| {
        let why = match fault_of_rules(&path)? {
            Fault::NotAFile => SkipReason::NotAFile.to_string(),
            Fault::Unreadable(why) => why,
        };
        Some(left_out(root, &path, &why))
    });
    let is_sound = found.is_none();
    odd.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    is_sound
}

fn left_out(folder: &Path, rules: &Path, why: &str) -> Skipped {
    let rules = rules.strip_prefix(folder).unwrap_or(rules);
    let reason = SkipReason::UnreadableRules(format!("`{}`: {why}", rules.display()));
    Skipped { path: folder.to_owned(), reason }
}

/// What is wrong with an ignore file.
enum Fault {
    NotAFile,
    Unreadable(String),
}

/// Returns why the rules of an ignore file cannot be had, if it is there.
fn fault_of_rules(path: &Path) -> Option<Fault> {
    std::fs::symlink_metadata(path).ok()?; // not there, or the folder is shut, which the walk says itself
    let unreadable = |error: std::io::Error| Some(Fault::Unreadable(io_words(&error)));
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return None, // no rules were meant
        Ok(metadata) if !metadata.is_file() => return Some(Fault::NotAFile),
        Ok(metadata) => metadata,
        Err(error) => return unreadable(error),
    };
    if metadata.len() > RULES_BYTES_MAX {
        return Some(Fault::Unreadable(format!("it has more than {RULES_BYTES_MAX} bytes")));
    }
    let mut bytes = Vec::new();
    match std::fs::File::open(path).and_then(|file| file.take(RULES_BYTES_MAX).read_to_end(&mut bytes)) {
        Err(error) => unreadable(error),
        Ok(_) if std::str::from_utf8(&bytes).is_err() => Some(Fault::Unreadable("it is not UTF-8".to_owned())),
        Ok(_) => None,
    }
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
    error.io_error().map_or_else(|| error.to_string(), io_words)
}

fn io_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "nothing is there, or a link leads nowhere".to_owned(),
        _ => error.to_string(),
    }
}

/// Keeps one path to each file: the one without symbolic links if it is among them, else the first. Hard links are
/// files of their own, since nothing tells which of their names is the true one.
fn each_once<T>(files: Vec<T>, path: impl Fn(&T) -> &Path) -> Vec<T> {
    let mut folders: HashMap<PathBuf, PathBuf> = HashMap::new();
    let mut places: HashMap<PathBuf, usize> = HashMap::new();
    let mut kept: Vec<T> = Vec::with_capacity(files.len());
    for file in files {
        let place = place(path(&file), &mut folders);
        match places.entry(place) {
            Entry::Occupied(taken) if is_direct(path(&file), taken.key()) => kept[*taken.get()] = file,
            Entry::Occupied(_) => {}
            Entry::Vacant(free) => {
                free.insert(kept.len());
                kept.push(file);
            }
        }
    }
    kept.sort_by(|a, b| path(a).cmp(path(b)));
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
            - c.txt: 1001 bytes, more than the limit of 1000; split it"#]],
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
        fs::write(folder.at("z/three.mp3"), "3").unwrap();
        folder.check(
            &["a"],
            expect![[r#"
            a/away/two.md
            a/one.md
            - a/away/three.mp3: unknown type `.mp3`
            - a/dead.md: unreadable: nothing is there, or a link leads nowhere
            - a/up: symbolic link loop"#]],
        );
        folder.check(
            &["a", "z"],
            expect![[r#"
            a/one.md
            z/two.md
            - a/dead.md: unreadable: nothing is there, or a link leads nowhere
            - a/up: symbolic link loop
            - z/three.mp3: unknown type `.mp3`"#]],
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

    #[test]
    fn a_folder_whose_rules_cannot_be_read_is_left_out() {
        let folder = Folder::new(&[("a.md", "a"), ("b/secret.md", "s"), ("b/c/d.md", "d"), ("e/f.md", "f")]);
        fs::write(folder.at("b/.gitignore"), b"# \xFCber\nsecret.md\n").unwrap();
        folder.check(
            &[""],
            expect![[r#"
            a.md
            e/f.md
            - b: left out, since its ignore rules cannot be read (`.gitignore`: it is not UTF-8); mend the file, or remove it to load all"#]],
        );
        // Rules above a root hold in it, too.
        let walked = walk(&[folder.at("b/c"), folder.at("e")], &WalkOptions::default());
        assert_eq!(walked.found.iter().map(|file| &file.path).collect::<Vec<_>>(), [&folder.at("e/f.md")]);
        assert_eq!(walked.skipped.iter().map(|file| &file.path).collect::<Vec<_>>(), [&folder.at("b/c")]);
        fs::write(folder.at("b/.gitignore"), "x".repeat(1 << 20) + "x").unwrap();
        assert_eq!(walk(&[folder.at("b")], &WalkOptions::default()).found, []);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_whose_rules_are_shut_or_a_loop_is_left_out() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = Folder::new(&[("a/secret.md", "s"), ("b/.ignore", "secret.md\n"), ("b/secret.md", "s")]);
        symlink(".lorewellignore", folder.at("a/.lorewellignore")).unwrap();
        let is_left_out = |name: &str| walk(&[folder.at(name)], &WalkOptions::default()).found.is_empty();
        assert!(is_left_out("a"));
        fs::set_permissions(folder.at("b/.ignore"), fs::Permissions::from_mode(0o000)).unwrap();
        // Whoever may read everything finds the rules, and that the file is ignored.
        assert!(is_left_out("b"));
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
