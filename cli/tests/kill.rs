//! SIGKILL at random moments of an ingest. After each, what was committed is found and the two stores agree; after a
//! run that is left alone, the index answers exactly like one that was never disturbed.
//!
//! `LOREWELL_KILLS=200 cargo test -p lorewell-cli --test kill -- --nocapture` kills as often as you like. A failure
//! names its seed; `LOREWELL_SEED` repeats the choices of a run (the moments still depend on the machine).

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test's helpers fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lorewell::embed::Embedder;
use lorewell::rag::index::{Index, Options};
use lorewell::rag::search::{Hit, Mode, Part};
use tokio::runtime::Runtime;

const KILLS_DEFAULT: usize = 20;
const KILLS_PER_BRAIN: usize = 20; // then the tree and the index begin anew
const NOTES: usize = 300; // files of a tree
const LONG_EVERY: usize = 10; // one note in so many is cut into several chunks
const LOOKED_FOR: usize = 5; // committed files that are searched for after each kill
const HITS_MAX: usize = 1_000; // as many as a search gives
/// A run that takes this long hangs.
const RUN_MAX: Duration = Duration::from_secs(300);
/// How often a run is asked whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Runs in a row that end before they are killed, although each makes the next kill come sooner.
const MISSES_MAX: usize = 50;

#[test]
fn an_index_survives_kills_and_ends_as_if_there_had_been_none() {
    let kills = number("LOREWELL_KILLS").map_or(KILLS_DEFAULT, |kills| usize::try_from(kills).expect("a count"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let seed = number("LOREWELL_SEED").unwrap_or_else(|| u64::from(now.subsec_nanos()));
    println!("{kills} kills, LOREWELL_SEED={seed}");
    let mut rng = Rng(seed);
    let mut left = kills;
    while left > 0 {
        let here = left.min(KILLS_PER_BRAIN);
        Trial::new(&mut rng).run(here);
        left -= here;
        println!("{left} kills left");
    }
}

/// One tree and one brain that is killed over and over.
struct Trial<'a> {
    rng: &'a mut Rng,
    scratch: tempfile::TempDir,
    runtime: Runtime,
    embedder: Embedder,
    notes: BTreeMap<usize, Note>, // by number
    patience: Duration,           // the latest moment of a kill
}

impl<'a> Trial<'a> {
    fn new(rng: &'a mut Rng) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        for folder in ["inbox", "archive"] {
            std::fs::create_dir_all(scratch.path().join("tree").join(folder)).unwrap();
        }
        let (runtime, embedder) = (Runtime::new().unwrap(), Embedder::bundled().unwrap());
        let notes = BTreeMap::new();
        let mut trial = Self { rng, scratch, runtime, embedder, notes, patience: Duration::ZERO };
        for number in 0..NOTES {
            trial.write(number, Note::default());
        }
        trial
    }

    fn run(&mut self, kills: usize) {
        let brain = self.path("brain");
        self.patience = self.undisturbed("first");
        self.init(&brain);
        let mut misses = 0;
        let mut done = 0;
        while done < kills {
            let before = self.committed(&brain);
            let moment = self.rng.below_duration(self.patience);
            let started = Instant::now();
            let mut run = self.ingest(&brain);
            match run.wait_until(started + moment) {
                None => {
                    run.kill();
                    (done, misses) = (done + 1, 0);
                    self.check(&brain, &before);
                }
                Some(ended) => {
                    assert!(ended.success(), "a run that was left alone ended with {ended}");
                    self.patience = started.elapsed();
                    misses += 1;
                    assert!(misses < MISSES_MAX, "no run lives long enough to be killed");
                }
            }
            self.change_some();
        }
        let ended = self.ingest(&brain).wait();
        assert!(ended.success(), "the run after {kills} kills ended with {ended}");
        self.undisturbed("last");
        let (killed, whole) = (self.export(&brain), self.export(&self.path("last")));
        assert!(killed == whole, "after {kills} kills the index is another one:\n{}", difference(&killed, &whole));
    }

    /// Ingests the tree as it is into a brain of its own, and returns how long that takes.
    fn undisturbed(&self, name: &str) -> Duration {
        let brain = self.path(name);
        self.init(&brain);
        let started = Instant::now();
        let ended = self.ingest(&brain).wait();
        assert!(ended.success(), "an undisturbed run ended with {ended}");
        started.elapsed()
    }

    /// Checks an index whose writer was just killed.
    fn check(&mut self, brain: &Path, before: &BTreeSet<String>) {
        let index = self.open(brain);
        let agreement = self.runtime.block_on(index.verify()).unwrap();
        assert!(agreement.holds(), "the stores disagree: {agreement:?}");
        let committed = self.committed(brain);
        let is_there = |path: &&String| index.file_of(path).exists();
        let lost: Vec<&String> = before.difference(&committed).filter(is_there).collect();
        assert!(lost.is_empty(), "committed before the kill, and gone after it: {lost:?}");
        let documents: Vec<String> = committed.into_iter().collect();
        for _ in 0..LOOKED_FOR.min(documents.len()) {
            let path = &documents[self.rng.below(documents.len())];
            let question = format!("who keeps the {}?", codeword(note_of(path)));
            let hits = self.hits(&index, &question, Mode::Words);
            assert!(hits.iter().any(|hit| hit.path == *path), "`{path}` is committed, but `{question}` misses it");
        }
    }

    /// Writes down all that can be seen of an index: documents, files, and for each question every passage with its
    /// place, text and scores. Equal scores may come in any order, so the lines of a question are sorted.
    fn export(&self, brain: &Path) -> Vec<String> {
        let index = self.open(brain);
        let agreement = self.runtime.block_on(index.verify()).unwrap();
        assert!(agreement.is_exact(), "something is left over: {agreement:?}");
        assert_eq!(agreement.chunks, agreement.embedded, "vectors are missing");
        let documents = self.runtime.block_on(index.documents()).unwrap();
        let files = self.runtime.block_on(index.files()).unwrap();
        let mut lines: Vec<String> = documents.iter().map(|document| format!("{document:?}")).collect();
        lines.extend(files.iter().map(|file| format!("{file:?}")));
        for question in ["who keeps the ledger?", "a kettle on the shelf", "version 2", "river stone"] {
            for mode in [Mode::Words, Mode::Meaning, Mode::Hybrid] {
                let hits = self.hits(&index, question, mode);
                let show = |hit: &Hit| {
                    let Hit { path, place, range, text, words, meaning, .. } = hit;
                    let score = |part: &Option<Part>| part.map(|part| part.score);
                    let scores = (score(words), score(meaning));
                    format!("{question} {mode:?} {path} {place:?} {range:?} {scores:?} {text:?}")
                };
                let mut found: Vec<String> = hits.iter().map(show).collect();
                found.sort_unstable();
                lines.append(&mut found);
            }
        }
        lines
    }

    fn hits(&self, index: &Index, question: &str, mode: Mode) -> Vec<Hit> {
        let search = async { index.search(question).mode(mode).limit(HITS_MAX).await };
        self.runtime.block_on(search).unwrap().hits
    }

    /// Returns the paths of all documents that are committed.
    fn committed(&self, brain: &Path) -> BTreeSet<String> {
        let documents = self.runtime.block_on(self.open(brain).documents()).unwrap();
        documents.into_iter().map(|document| document.path).collect()
    }

    fn open(&self, brain: &Path) -> Index {
        let mut options = Options::default();
        options.embedder = Some(self.embedder.clone());
        self.runtime.block_on(Index::open(brain, options)).unwrap()
    }

    fn init(&self, brain: &Path) {
        let status = self.lorewell(brain).arg("init").status().unwrap();
        assert!(status.success(), "`init` ended with {status}");
    }

    fn ingest(&self, brain: &Path) -> Running {
        let mut command = self.lorewell(brain);
        Running(command.args(["ingest", "--quiet"]).arg(self.path("tree")).spawn().unwrap())
    }

    /// Prepares a command with settings and caches of its own: a shared embedding cache would shorten later runs.
    fn lorewell(&self, brain: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lorewell"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).arg("--brain").arg(brain);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LOREWELL_")) {
            command.env_remove(name);
        }
        let home = brain.with_extension("home");
        command.env("HOME", &home);
        for folder in ["CONFIG", "DATA", "CACHE", "STATE"] {
            command.env(format!("XDG_{folder}_HOME"), home.join(folder));
        }
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Edits, renames, deletes and adds some files, so that the next run has something to do.
    fn change_some(&mut self) {
        let numbers: Vec<usize> = self.notes.keys().copied().collect();
        for number in numbers {
            let note = self.notes[&number];
            match self.rng.below(10) {
                0 | 1 => self.write(number, Note { version: note.version + 1, ..note }),
                2 => {
                    let renamed = Note { moved: !note.moved, ..note };
                    std::fs::rename(self.file(number, note), self.file(number, renamed)).unwrap();
                    self.notes.insert(number, renamed);
                }
                3 => {
                    std::fs::remove_file(self.file(number, note)).unwrap();
                    self.notes.remove(&number);
                    self.write(number + NOTES, Note::default()); // numbers are never used again
                }
                _ => {}
            }
        }
    }

    fn write(&mut self, number: usize, note: Note) {
        std::fs::write(self.file(number, note), text(number, note.version)).unwrap();
        self.notes.insert(number, note);
    }

    fn file(&self, number: usize, note: Note) -> PathBuf {
        let folder = if note.moved { "archive" } else { "inbox" };
        self.path("tree").join(folder).join(format!("note-{number}.md"))
    }
}

/// A file of the tree.
#[derive(Debug, Clone, Copy, Default)]
struct Note {
    version: u32,
    moved: bool,
}

/// An ingest in its own process; none outlives the test.
struct Running(Child);

impl Running {
    fn kill(&mut self) {
        self.0.kill().unwrap(); // SIGKILL
        self.0.wait().unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        self.wait_until(Instant::now() + RUN_MAX).expect("an ingest takes this long only if it hangs")
    }

    /// Returns how it ended, or nothing if it still runs at that moment.
    fn wait_until(&mut self, moment: Instant) -> Option<ExitStatus> {
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return Some(status);
            }
            let left = moment.checked_duration_since(Instant::now())?;
            thread::sleep(left.min(LOOK_EVERY));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it has ended already, unless the test is failing
        let _ = self.0.wait();
    }
}

/// Returns the text of a note: some sections of plain sentences, all different, with the note's own word in its title.
fn text(number: usize, version: u32) -> String {
    let mut rng = Rng(u64::try_from(number).unwrap() << 32 | u64::from(version));
    let mut text = format!("# The {}\n\nThis is version {version}.\n", codeword(number));
    let sections = if number.is_multiple_of(LONG_EVERY) { 12 } else { 1 + rng.below(2) };
    for _ in 0..sections {
        let word = |rng: &mut Rng| WORDS[rng.below(WORDS.len())];
        write!(text, "\n## On {} and {}\n\n", word(&mut rng), word(&mut rng)).unwrap();
        for _ in 0..1 + rng.below(3) {
            let [who, what, place] = [word(&mut rng), word(&mut rng), word(&mut rng)];
            write!(text, "The {who} keeps a {what} near the {place} for {} days. ", rng.below(1_000)).unwrap();
        }
    }
    text
}

const WORDS: [&str; 16] = [
    "baker", "kettle", "river", "ledger", "window", "garden", "captain", "stone", "letter", "bridge", "engine",
    "market", "winter", "harbour", "mirror", "shelf",
];

/// Returns a word for a number that is in no other note and that no stemmer touches.
fn codeword(number: usize) -> String {
    let syllables = ["ba", "co", "du", "fi", "go", "hu", "ka", "lo", "mu", "ni"];
    let spelt: String = number.to_string().bytes().map(|digit| syllables[usize::from(digit - b'0')]).collect();
    format!("{spelt}k")
}

/// Returns the number of the note that a path names.
fn note_of(path: &str) -> usize {
    let digits: String = path.rsplit('/').next().unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Returns the lines that only one side has, as many as a person wants to read.
fn difference(killed: &[String], whole: &[String]) -> String {
    let (a, b): (BTreeSet<_>, BTreeSet<_>) = (killed.iter().collect(), whole.iter().collect());
    let only = |mark: char, lines: Vec<&&String>| -> Vec<String> {
        lines.into_iter().take(5).map(|line| format!("{mark} {line}")).collect()
    };
    [only('-', a.difference(&b).collect()), only('+', b.difference(&a).collect())].concat().join("\n")
}

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("`{variable}={value}`: give a number")))
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    fn below_duration(&mut self, bound: Duration) -> Duration {
        let nanos = u64::try_from(bound.as_nanos()).unwrap().max(1);
        Duration::from_nanos(self.next() % nanos)
    }
}
