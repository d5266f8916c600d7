//! The parent: starts the process, kills it, looks at what it has left, starts it again; and holds the end against that
//! of a run which nobody disturbed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lorewell_agent::checkpoint::{Place, Sqlite};
use lorewell_agent::{CheckpointId, Durability, Kind, Thread};
use tokio::runtime::Runtime;

use crate::books::{Audit, Books, flow, inside};
use crate::child::{ACK, Job, LEFT, THREAD, answer_to, print};
use crate::diary::{self, Told};
use crate::number;
use crate::outside::Outside;
use crate::rng::Rng;

/// The earliest and the latest moment of a kill, from the start of the process.
const KILL_AFTER: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(60)];
/// The same where two race: a process waits a tenth of a second for a thread before it is refused.
const KILL_AFTER_IN_RACE: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(160)];
/// Threads in a race that may come and go without anyone being refused.
const LUCKY_MAX: usize = 20;
/// Checkpoints after which a kill may come at once.
const ACKS_MAX: usize = 8;
/// A process that takes this long hangs.
const RUN_MAX: Duration = Duration::from_secs(120);
/// More checkpoints than a thread has.
const HISTORY_MAX: usize = 1_000;

/// A number of kills, over as many threads as they need.
pub(crate) struct Trial {
    durability: Durability,
    rng: Rng,
    scratch: Option<tempfile::TempDir>,
    runtime: Runtime,
    started: Instant,
    threads: usize,
    kills: usize,
    sum: Told,
}

/// All that is the same at the end of every run.
#[derive(Debug, PartialEq)]
struct End {
    round: u32,
    lines: Vec<String>,
    booked: BTreeSet<String>,
    /// Each checkpoint of each graph, with what comes next.
    history: BTreeMap<String, Vec<String>>,
}

impl Trial {
    pub(crate) fn new(name: &str, durability: Durability) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
        let seed = number("LOREWELL_SEED").unwrap_or_else(|| u64::from(now.subsec_nanos()));
        println!("{name}: repeat with LOREWELL_SEED={seed}, and the same LOREWELL_KILLS if it was set");
        Self {
            durability,
            rng: Rng(seed),
            scratch: Some(tempfile::tempdir().unwrap()),
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
            started: Instant::now(),
            threads: 0,
            kills: 0,
            sum: Told::default(),
        }
    }

    /// Kills the one process that runs a thread.
    pub(crate) fn run(mut self, kills: usize) {
        let undisturbed = self.undisturbed();
        self.started = Instant::now();
        while self.kills < kills {
            let folder = self.folder();
            loop {
                let leaves = self.rng.one_in(3);
                let mut process = Process::start(Job { folder: &folder, durability: self.durability, leaves });
                let (until, acks) = self.moment(self.kills < kills, KILL_AFTER);
                match process.wait_until(until, acks) {
                    None => self.kill(process, &folder),
                    Some(status) if status.code() == Some(LEFT) => self.answer(&folder),
                    Some(status) => {
                        assert!(status.success(), "a process that was left alone ended with {status}");
                        break;
                    }
                }
            }
            self.finish(&folder, &undisturbed);
        }
        self.report();
        assert!(self.sum.ran_again > 0, "no kill has hit a task, so this has tested nothing");
    }

    /// Kills one of two processes that want to run a thread, whichever of them runs it.
    pub(crate) fn race(mut self, kills: usize) {
        let undisturbed = self.undisturbed();
        self.started = Instant::now();
        while self.kills < kills || self.sum.refused == 0 {
            assert!(self.sum.refused > 0 || self.threads < LUCKY_MAX, "nobody is ever refused, so there is no race");
            let folder = self.folder();
            let job = Job { folder: &folder, durability: self.durability, leaves: false };
            // A thread is begun by one, or the other might begin it again when it is over.
            let mut first = Process::start(job);
            first.acks(1);
            let mut pair = [first, Process::start(job)];
            loop {
                let which = self.rng.below(2);
                let (until, acks) = self.moment(self.kills < kills, KILL_AFTER_IN_RACE);
                if let Some(status) = pair[which].wait_until(until, acks) {
                    assert!(status.success(), "a process that was left alone ended with {status}");
                    break;
                }
                let killed = std::mem::replace(&mut pair[which], Process::start(job));
                self.kill(killed, &folder);
            }
            for process in &mut pair {
                let status = process.wait();
                assert!(status.success(), "the other process ended with {status}");
            }
            self.finish(&folder, &undisturbed);
        }
        self.report();
    }

    /// Chooses when a process is killed: at a moment, or when it has made so many checkpoints.
    fn moment(&mut self, kill: bool, [least, most]: [Duration; 2]) -> (Instant, usize) {
        let never = (Instant::now() + RUN_MAX, usize::MAX);
        match kill {
            false => never,
            true if self.rng.one_in(4) => (never.0, 1 + self.rng.below(ACKS_MAX)),
            true => (Instant::now() + self.rng.between(least, most), never.1),
        }
    }

    fn kill(&mut self, mut process: Process, folder: &Path) {
        process.kill();
        self.kills += 1;
        let outside = Outside::new(folder);
        let told = diary::read(&outside.diary(), self.durability);
        // Opening the file repairs it, which the next process should have to do too, now and then.
        if self.rng.one_in(2) {
            self.check(&outside, &told);
        }
    }

    /// Looks at what is stored: it is whole, and all that can be relied on is there.
    fn check(&self, outside: &Outside, told: &Told) {
        if !outside.store().exists() {
            return assert!(told.checkpoints.is_empty(), "the store is gone");
        }
        let connection = rusqlite::Connection::open(outside.store()).unwrap();
        let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok");
        let orphans = connection.query_row("PRAGMA foreign_key_check", [], |_| Ok(()));
        assert_eq!(orphans, Err(rusqlite::Error::QueryReturnedNoRows), "something belongs to nothing");
        drop(connection);
        self.runtime.block_on(async {
            let thread = open(outside).await;
            for ((path, seq), acknowledged) in &told.checkpoints {
                let found = print_at(&thread, outside, path, *seq).await;
                assert_eq!(found.as_deref(), Some(&**acknowledged), "checkpoint {seq} of `{path}` was acknowledged");
            }
            let history = match thread.history(None, HISTORY_MAX).await {
                Err(error) if error.kind() == Kind::NotFound => Vec::new(),
                history => history.unwrap(),
            };
            let numbers: Vec<u64> = history.iter().rev().map(|checkpoint| checkpoint.id.0.seq).collect();
            assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "there are gaps: {numbers:?}");
            if let Some(last) = history.first() {
                thread.standing_at(&last.id).await.unwrap();
            }
        });
    }

    /// Answers one question of a run that nobody drives.
    fn answer(&mut self, folder: &Path) {
        let outside = Outside::new(folder);
        self.runtime.block_on(async {
            let thread = open(&outside).await;
            let open = thread.questions().await.unwrap();
            let question = &open[self.rng.below(open.len())];
            answer_to(&thread, &outside, question).await.unwrap();
            // It takes no second one, and does not ask again.
            let again = thread.answer(&question.id, 0).await.unwrap_err();
            assert_eq!(again.kind(), Kind::Conflict);
            assert!(thread.questions().await.unwrap().iter().all(|open| open.id != question.id));
        });
    }

    fn finish(&mut self, folder: &Path, undisturbed: &End) {
        let outside = Outside::new(folder);
        let told = diary::read(&outside.diary(), self.durability);
        self.check(&outside, &told);
        let end = self.end(&outside);
        assert_eq!(end, *undisturbed, "the end is another one than without kills");
        self.sum.sent_again += told.sent_again;
        self.sum.ran_again += told.ran_again;
        self.sum.refused += told.refused;
    }

    /// Runs a thread that nobody disturbs.
    fn undisturbed(&mut self) -> End {
        let folder = self.folder();
        let mut process = Process::start(Job { folder: &folder, durability: self.durability, leaves: false });
        let status = process.wait();
        assert!(status.success(), "an undisturbed process ended with {status}");
        let outside = Outside::new(&folder);
        let told = diary::read(&outside.diary(), self.durability);
        assert_eq!((told.sent_again, told.refused), (0, 0));
        self.check(&outside, &told);
        self.end(&outside)
    }

    fn end(&self, outside: &Outside) -> End {
        self.runtime.block_on(async {
            let thread = open(outside).await;
            let Books { round, lines, drawn, .. } = thread.standing().await.unwrap().state;
            outside.check(&drawn);
            let mut history = BTreeMap::new();
            let paths = thread.paths().await.unwrap();
            for path in std::iter::once("").chain(paths.iter().map(|path| &**path)) {
                let list = match path.is_empty() {
                    true => thread.history(None, HISTORY_MAX).await.unwrap(),
                    false => thread.history_of(path, None, HISTORY_MAX).await.unwrap(),
                };
                let list = list.iter().map(|checkpoint| format!("{} {:?}", checkpoint.id, checkpoint.next)).collect();
                history.insert(path.to_owned(), list);
            }
            End { round, lines, booked: drawn.into_keys().collect(), history }
        })
    }

    /// Makes a folder for one more thread.
    fn folder(&mut self) -> PathBuf {
        self.threads += 1;
        let folder = self.scratch.as_ref().unwrap().path().join(self.threads.to_string());
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    fn report(&self) {
        let Self { kills, threads, sum: Told { sent_again, ran_again, refused, .. }, .. } = self;
        let seconds = self.started.elapsed().as_secs_f64();
        println!(
            "{kills} kills of {} threads in {seconds:.1} s, {:.0} a minute; {ran_again} tasks ran again, {sent_again} \
             effects were sent again and known by their keys, {refused} times a process was refused",
            threads - 1,
            f64::from(u32::try_from(*kills).unwrap()) * 60.0 / seconds,
        );
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let folder = self.scratch.take().map(tempfile::TempDir::keep);
            println!("thread {} after {} kills; its files are in {folder:?}", self.threads, self.kills);
        }
    }
}

async fn open(outside: &Outside) -> Thread<Books> {
    flow(outside).thread(THREAD, Sqlite::open(outside.store()).await.unwrap())
}

/// The print of a checkpoint; nothing if there is none.
async fn print_at(thread: &Thread<Books>, outside: &Outside, path: &str, seq: u64) -> Option<String> {
    let id = CheckpointId(Place { path: path.into(), branch: 0, seq });
    let found = match path.is_empty() {
        true => thread.standing_at(&id).await.map(|standing| print(&standing.state, &standing.next)),
        false => {
            let standing = thread.standing_within::<Audit>(&inside(outside), &id).await;
            standing.map(|standing| print(&standing.state, &standing.next))
        }
    };
    match found {
        Err(error) if error.kind() == Kind::NotFound => None,
        found => Some(found.unwrap()),
    }
}

/// A child; none outlives the test.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(job: Job<'_>) -> Self {
        let mut child = job.command().spawn().unwrap();
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            // Ends with the process, or when nobody listens any more.
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap(); // SIGKILL
        self.child.wait().unwrap();
    }

    fn wait(&mut self) -> ExitStatus {
        let ended = self.wait_until(Instant::now() + RUN_MAX, usize::MAX);
        ended.expect("a process takes this long only if it hangs")
    }

    /// Waits for so many checkpoints.
    fn acks(&mut self, acks: usize) {
        let ended = self.wait_until(Instant::now() + RUN_MAX, acks);
        assert_eq!(ended, None, "it ended instead");
    }

    /// Returns how it ended, or nothing if it still runs at that moment or when it has made so many checkpoints.
    fn wait_until(&mut self, moment: Instant, mut acks: usize) -> Option<ExitStatus> {
        while acks > 0 {
            match self.lines.recv_timeout(moment.saturating_duration_since(Instant::now())) {
                Ok(line) => acks -= usize::from(line.ends_with(ACK)),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => return Some(self.child.wait().unwrap()),
            }
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended already, unless the test is failing
        let _ = self.child.wait();
    }
}
