//! Where a test runs the command: a project folder and a `LOREWELL_HOME`, both its own, and what a run left behind as
//! a text that is the same on every machine.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use snapbox::data::Inline;
use tempfile::TempDir;

/// A folder to run the command in.
pub(crate) struct Place {
    scratch: TempDir,
    project: PathBuf,
}

/// What a run of the command came to.
pub(crate) struct Run {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Place {
    /// Makes an empty place.
    pub(crate) fn empty() -> Self {
        let scratch = TempDir::with_prefix("lorewell-it-").unwrap();
        let project = scratch.path().canonicalize().unwrap().join("project");
        std::fs::create_dir(&project).unwrap();
        Self { scratch, project }
    }

    /// Makes a place with a brain and no documents.
    pub(crate) fn with_brain() -> Self {
        let place = Self::empty();
        place.ok("init");
        place
    }

    /// Returns a place to look at the brain of the sample library, which all tests share: do not write to it.
    pub(crate) fn sample() -> Self {
        Self { scratch: TempDir::with_prefix("lorewell-it-").unwrap(), project: sample().to_owned() }
    }

    /// Returns a place to run the command where its sources lie: do not write to it.
    pub(crate) fn repository() -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        Self { scratch: TempDir::with_prefix("lorewell-it-").unwrap(), project }
    }

    /// Returns the absolute path of a file of the project.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.project.join(name)
    }

    /// Returns the folder of settings, caches and brains of the account.
    pub(crate) fn home(&self) -> PathBuf {
        self.scratch.path().join("home")
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Prepares the command with a clean environment.
    pub(crate) fn command(&self) -> Command {
        self.command_by(&[])
    }

    /// Prepares the command, started by another program.
    pub(crate) fn command_by(&self, wrapper: &[&str]) -> Command {
        let lorewell = env!("CARGO_BIN_EXE_lorewell");
        let mut words = wrapper.iter().copied().chain([lorewell]);
        let mut command = self.command_of(words.next().unwrap());
        command.args(words);
        command
    }

    /// Prepares another program with a clean environment.
    pub(crate) fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.project).stdin(Stdio::null()).env_clear();
        command.env("HOME", self.home()).env("LOREWELL_HOME", self.home());
        command.env("COLUMNS", "80").env("TZ", "UTC").env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs a command line; words may stand in double quotes.
    pub(crate) fn run(&self, line: &str) -> Run {
        self.finish(self.command().args(words(line)))
    }

    /// Runs a command line that must succeed.
    pub(crate) fn ok(&self, line: &str) -> Run {
        let run = self.run(line);
        assert_eq!(run.code, 0, "`lorewell {line}` failed: {}", run.transcript());
        run
    }

    /// Runs a command line that must succeed and reads what it prints as JSON.
    pub(crate) fn json(&self, line: &str) -> serde_json::Value {
        let run = self.run(line);
        assert!(run.code == 0 || run.code == 5, "`lorewell {line}` failed: {}", run.transcript());
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("`{line}`: {error}: {}", run.stdout))
    }

    /// Runs a command line with a text on its standard input.
    pub(crate) fn piped(&self, line: &str, text: &[u8]) -> Run {
        self.piped_by(&mut self.command(), line, text)
    }

    /// Runs a prepared command with the rest of its line and a text on its standard input.
    pub(crate) fn piped_by(&self, command: &mut Command, line: &str, text: &[u8]) -> Run {
        command.args(words(line)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that leaves its standard input alone may end before it is written.
        drop(child.stdin.take().unwrap().write_all(text));
        self.read(child.wait_with_output().unwrap())
    }

    /// Runs a command line and returns what it prints, results and all else in the order in which they come.
    pub(crate) fn printed(&self, line: &str) -> (String, i32) {
        let both = tempfile::NamedTempFile::new().unwrap();
        let stream = || both.as_file().try_clone().unwrap();
        let status = self.command().args(words(line)).stdout(stream()).stderr(stream()).status().unwrap();
        let text = std::fs::read_to_string(both.path()).unwrap();
        (without_rates(&without_times(&text)), status.code().unwrap())
    }

    /// Runs a prepared command.
    pub(crate) fn finish(&self, command: &mut Command) -> Run {
        self.read(command.output().unwrap())
    }

    /// Reads what a run has left, without what differs from run to run.
    pub(crate) fn read(&self, output: Output) -> Run {
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            let text = text.replace(self.project.to_str().unwrap(), "[PROJECT]");
            without_times(&text.replace(self.home().to_str().unwrap(), "[HOME]"))
        };
        let code = output.status.code().unwrap_or_else(|| panic!("ended by a signal: {}", output.status));
        let (stdout, stderr) = (text(output.stdout), without_rates(&text(output.stderr)));
        assert!(!stderr.contains("panicked"), "it panicked: {stderr}");
        Run { stdout, stderr, code }
    }
}

impl Run {
    /// Writes down the run.
    pub(crate) fn transcript(&self) -> String {
        let errors: String = self.stderr.lines().map(|line| format!("2> {line}\n")).collect();
        format!("{}{errors}exit {}\n", self.stdout, self.code)
    }
}

/// Runs a command line and compares its transcript.
pub(crate) fn check(place: &Place, line: &str, expected: Inline) {
    snapbox::assert_data_eq!(place.run(line).transcript(), expected);
}

/// Returns the project of the sample library's brain, ingested once per run of the tests.
fn sample() -> &'static Path {
    static SAMPLE: OnceLock<PathBuf> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sample");
        if project.exists() {
            std::fs::remove_dir_all(&project).unwrap();
        }
        std::fs::create_dir_all(&project).unwrap();
        let project = project.canonicalize().unwrap();
        copy(&library(), &project.join("library"));
        let place = Place { scratch: TempDir::with_prefix("lorewell-it-").unwrap(), project };
        place.ok("init");
        place.ok("ingest library");
        place.project
    })
}

/// Returns the sample library.
pub(crate) fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/library").canonicalize().unwrap()
}

/// Copies a folder.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Splits a command line; a word may stand in double quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Leaves out how fast an ingest goes, which it says every few seconds: `1,200 of 5,000 passages  240/s  16s left`.
fn without_rates(text: &str) -> String {
    let is_rate = |line: &str| {
        let line = line.trim_end();
        let rate = line.split_once("  ").map_or("", |(_, rate)| rate);
        line.starts_with(|c: char| c.is_ascii_digit()) && (rate.contains("/s  ") || rate.ends_with("/s"))
    };
    text.split_inclusive('\n').filter(|line| !is_rate(line)).collect()
}

/// Replaces durations such as `0.21 s`.
pub(crate) fn without_times(text: &str) -> String {
    let words: Vec<&str> = text.split_inclusive([' ', '\n']).collect();
    let is_time = |index: usize| {
        let number = words[index].strip_suffix(' ').filter(|word| word.contains('.'));
        let unit = words.get(index + 1).map_or("", |unit| unit.trim_end());
        number.is_some_and(|number| number.parse::<f64>().is_ok()) && matches!(unit, "s" | "s:" | "s.")
    };
    let shown = (0..words.len()).map(|index| if is_time(index) { "[TIME] " } else { words[index] });
    shown.collect()
}
