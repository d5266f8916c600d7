//! The worker processes of one loader: started when needed, reused, and replaced when a file has broken one.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lorewell_model::{Error, Kind, Result, ResultExt};

use super::protocol::{Broken, HELLO, Reply, Settings, read_frame, write_frame};
use super::{Limits, Loaded, Worker, check_file, human};

/// How long a worker may take to start; a large binary on a busy disk takes a second or two.
const START_TIME_MAX: Duration = Duration::from_secs(20);

/// How long a worker that hung up may take to end, before it is made to.
const END_TIME_MAX: Duration = Duration::from_secs(2);

/// How much of what a worker last wrote to standard error is kept: a panic message, not a backtrace of a thousand
/// frames.
const LAST_WORDS_BYTES: usize = 4 << 10;

/// The workers of one loader.
#[derive(Debug)]
pub(super) struct Pool {
    worker: Worker,
    limits: Limits,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Process>,
    /// Processes in all, idle and at work.
    started: usize,
}

/// A worker at work for one caller; goes back to the pool, or leaves it, when dropped.
struct Lease<'a> {
    pool: &'a Pool,
    process: Option<Process>,
}

/// One worker process.
#[derive(Debug)]
struct Process {
    child: Child,
    stream: UnixStream,
    last_words: Arc<Mutex<VecDeque<u8>>>,
    listener: Option<JoinHandle<()>>,
}

/// What went wrong with a process, as opposed to with a file.
#[derive(Debug)]
enum Fault {
    TookTooLong,
    HungUp,
    Garbled,
}

impl Pool {
    pub(super) fn new(worker: Worker, limits: Limits) -> Self {
        Self { worker, limits, state: Mutex::default(), freed: Condvar::new() }
    }

    pub(super) fn load(&self, path: &Path) -> Result<Loaded> {
        let absolute = std::path::absolute(path).context(|| format!("finding `{}`", path.display()))?;
        let bytes = check_file(&absolute, self.limits.file_bytes)?;
        let mut lease = self.lease()?;
        let time = self.limits.time_for(bytes);
        match lease.process_mut().ask(&absolute, time, self.limits.reply_bytes) {
            Ok(outcome) => outcome,
            Err(fault) => Err(self.explain(lease.give_up(), &fault, path, time)),
        }
    }

    /// Takes an idle worker, starts one, or waits for one.
    fn lease(&self) -> Result<Lease<'_>> {
        let mut state = self.state();
        loop {
            if let Some(mut process) = state.idle.pop() {
                if process.is_alive() {
                    return Ok(Lease { pool: self, process: Some(process) });
                }
                state.started -= 1;
            } else if state.started < self.limits.workers.get() {
                state.started += 1;
                drop(state);
                let mut lease = Lease { pool: self, process: None }; // counts down again if the start fails
                lease.process = Some(Process::start(&self.worker, &self.limits)?);
                return Ok(lease);
            } else {
                state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Every step under the lock leaves the state whole, so a panic elsewhere is no reason to stop.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what a fault means for the file at hand.
    fn explain(&self, mut process: Process, fault: &Fault, path: &Path, time: Duration) -> Error {
        let file = path.display();
        match fault {
            Fault::TookTooLong => {
                let message = format!("`{file}` took longer than {} s to parse; it was given up", time.as_secs());
                Error::new(Kind::Timeout, message)
            }
            Fault::Garbled => {
                Error::new(Kind::BadInput, format!("the parser answered nonsense on `{file}`; the file may be hostile"))
            }
            Fault::HungUp => {
                let status = process.end();
                explain_end(path, status, &process.last_words(), self.limits.memory_bytes)
            }
        }
    }
}

impl Lease<'_> {
    fn process_mut(&mut self) -> &mut Process {
        self.process.as_mut().expect("a lease has its process until it is given up")
    }

    /// Takes the process out, so that it does not go back to the pool.
    fn give_up(&mut self) -> Process {
        self.process.take().expect("a lease is given up once")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.state();
        match self.process.take() {
            Some(process) => state.idle.push(process),
            None => state.started -= 1,
        }
        self.pool.freed.notify_one();
    }
}

impl Process {
    /// Starts a worker and waits for its greeting.
    fn start(worker: &Worker, limits: &Limits) -> Result<Self> {
        let program = worker.program.display();
        let (ours, theirs) = UnixStream::pair().context(|| "opening a socket pair".into())?;
        let mut child = Command::new(&worker.program)
            .args(&worker.args)
            .env_clear()
            // One file, one thread: each thread of the allocator or of rayon takes address space from the file.
            .env("MALLOC_ARENA_MAX", "1")
            .env("RAYON_NUM_THREADS", "1")
            .current_dir("/")
            // Ctrl-C in a terminal goes to its whole process group; what becomes of a worker is ours to say.
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Error::new(Kind::Config, format!("the load worker `{program}` cannot be started: {error}"))
                    .caused_by(error)
            })?;
        let stderr = child.stderr.take().expect("standard error was piped");
        let last_words = Arc::default();
        let listener = std::thread::Builder::new().name("load-stderr".into()).spawn({
            let last_words = Arc::clone(&last_words);
            move || listen(stderr, &last_words)
        });
        let mut process = Self { child, stream: ours, last_words, listener: None };
        process.listener = Some(listener.context(|| "listening to a load worker".into())?);
        match process.greet(limits) {
            Ok(greeting) if greeting == HELLO => Ok(process),
            Ok(_) | Err(_) => {
                let status = process.end();
                let words = process.last_words();
                let message = format!("`{program}` did not start as a load worker ({}{words})", ended(status));
                Err(Error::new(Kind::Config, message))
            }
        }
    }

    fn greet(&mut self, limits: &Limits) -> Result<Vec<u8>, Broken> {
        let Limits { memory_bytes, file_bytes, reply_bytes, .. } = *limits;
        let settings = Settings { memory_bytes, file_bytes, reply_bytes };
        let settings = serde_json::to_vec(&settings).map_err(|error| Broken::Io(error.into()))?;
        write_frame(&mut self.stream, &settings).map_err(Broken::Io)?;
        let most = u32::try_from(HELLO.len()).expect("the greeting is short");
        read_frame(&mut Until { stream: &self.stream, end: Instant::now() + START_TIME_MAX }, most)
    }

    /// Has one file loaded. After a fault the process is in no state to be asked again.
    fn ask(&mut self, path: &Path, time: Duration, reply_bytes: u32) -> Result<Result<Loaded>, Fault> {
        self.words().clear();
        write_frame(&mut self.stream, path.as_os_str().as_bytes()).map_err(|_| Fault::HungUp)?;
        let end = Instant::now().checked_add(time).unwrap_or_else(|| Instant::now() + START_TIME_MAX);
        let body = match read_frame(&mut Until { stream: &self.stream, end }, reply_bytes) {
            Ok(body) => body,
            Err(Broken::Closed) => return Err(Fault::HungUp),
            Err(Broken::TooLong(_)) => return Err(Fault::Garbled),
            Err(Broken::Io(error)) if error.kind() == io::ErrorKind::TimedOut => return Err(Fault::TookTooLong),
            Err(Broken::Io(_)) => return Err(Fault::HungUp),
        };
        Reply::parse(&body).ok_or(Fault::Garbled)
    }

    fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the process to end by itself for a while, then ends it.
    fn end(&mut self) -> Option<ExitStatus> {
        const STEP: Duration = Duration::from_millis(5);
        let end = Instant::now() + END_TIME_MAX;
        while self.is_alive() && Instant::now() < end {
            std::thread::sleep(STEP);
        }
        self.stop()
    }

    /// Ends the process now and collects what is left of it.
    fn stop(&mut self) -> Option<ExitStatus> {
        // Both fail only if the process has ended and been waited for already.
        let _ = self.child.kill();
        let status = self.child.wait().ok();
        if let Some(listener) = self.listener.take() {
            let _ = listener.join(); // a panic there costs us some words, no more
        }
        status
    }

    fn words(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.last_words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what the process wrote to standard error last, on one line.
    fn last_words(&self) -> String {
        let bytes: Vec<u8> = self.words().iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() { String::new() } else { format!(": {}", words.join(" ")) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Keeps the last of what a worker writes, so that its pipe never fills up.
fn listen(mut stderr: ChildStderr, last_words: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut buffer) {
        let mut words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend(&buffer[..read]);
        let excess = words.len().saturating_sub(LAST_WORDS_BYTES);
        words.drain(..excess);
    }
}

/// Reads from a socket until a moment in time.
struct Until<'a> {
    stream: &'a UnixStream,
    end: Instant,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut stream = self.stream;
        let timed_out = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        stream.read(buffer).map_err(|error| if timed_out(&error) { io::ErrorKind::TimedOut.into() } else { error })
    }
}

/// Says what the end of a process means for the file it was at.
fn explain_end(path: &Path, status: Option<ExitStatus>, words: &str, memory_bytes: u64) -> Error {
    let file = path.display();
    // Rust's allocator, tree-sitter's and C++'s, in this order.
    const OUT_OF_MEMORY: [&str; 3] = ["memory allocation of", "failed to allocate", "bad_alloc"];
    if OUT_OF_MEMORY.iter().any(|sign| words.contains(sign)) {
        let message = format!("`{file}` needs more than {} of memory to parse; it was given up", human(memory_bytes));
        return Error::new(Kind::Limit, message);
    }
    if status.and_then(|status| status.signal()) == Some(SIGKILL) {
        let message =
            format!("the parser was killed on `{file}` (signal SIGKILL); the system does this when memory runs out");
        // Perhaps for the sake of another process: the file is not known to be at fault.
        return Error::new(Kind::Unavailable, message);
    }
    if status.and_then(|status| status.signal()).is_some_and(|signal| STOPPED_BY.contains(&signal)) {
        let message = format!("the parser was stopped on `{file}` ({}); ingest again", ended(status));
        return Error::new(Kind::Cancelled, message);
    }
    Error::new(Kind::BadInput, format!("the parser crashed on `{file}` ({}{words})", ended(status)))
}

const SIGKILL: i32 = 9;
/// SIGHUP, SIGINT and SIGTERM: someone stopped the process; the file is not to blame.
const STOPPED_BY: [i32; 3] = [1, 2, 15];

/// Says how a process ended.
fn ended(status: Option<ExitStatus>) -> String {
    let Some(status) = status else { return "it vanished".into() };
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal {}", signal_name(signal)),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => status.to_string(),
    }
}

/// Names the signals that end a crashing process; the numbers are the same on every Unix we know.
fn signal_name(signal: i32) -> String {
    const NAMES: [(i32, &str); 9] = [
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (4, "SIGILL"),
        (5, "SIGTRAP"),
        (6, "SIGABRT"),
        (8, "SIGFPE"),
        (SIGKILL, "SIGKILL"),
        (11, "SIGSEGV"),
        (15, "SIGTERM"),
    ];
    let name = NAMES.into_iter().find(|(number, _)| *number == signal);
    name.map_or_else(|| signal.to_string(), |(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The raw wait status of a process that a signal ended is the signal's number; of one that exited, its code
    /// shifted by eight bits.
    fn check(raw: i32, words: &str, kind: Kind, said: &str) {
        let error = explain_end("a.pdf".as_ref(), Some(ExitStatus::from_raw(raw)), words, 1 << 30);
        assert_eq!(error.kind(), kind);
        assert_eq!(error.message(), said);
    }

    #[test]
    fn ends_are_explained() {
        check(11, "", Kind::BadInput, "the parser crashed on `a.pdf` (signal SIGSEGV)");
        check(6, ": stack overflow", Kind::BadInput, "the parser crashed on `a.pdf` (signal SIGABRT: stack overflow)");
        check(3 << 8, "", Kind::BadInput, "the parser crashed on `a.pdf` (exit code 3)");
        let limit = "`a.pdf` needs more than 1 GiB of memory to parse; it was given up";
        check(6, ": memory allocation of 99 bytes failed", Kind::Limit, limit);
        let killed = "the parser was killed on `a.pdf` (signal SIGKILL); the system does this when memory runs out";
        check(9, "", Kind::Unavailable, killed);
        check(2, "", Kind::Cancelled, "the parser was stopped on `a.pdf` (signal SIGINT); ingest again");
        check(31, "", Kind::BadInput, "the parser crashed on `a.pdf` (signal 31)");
    }

    #[test]
    fn a_program_that_is_no_worker_is_a_configuration_error() {
        let check = |program: &str, args: &[&str], said: &str| {
            let worker = Worker { program: program.into(), args: args.iter().map(Into::into).collect() };
            let pool = Pool::new(worker, Limits::default());
            let error = pool.load(std::env::current_exe().unwrap().as_path()).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.message().contains(said), "{error}");
            assert_eq!(pool.state().started, 0);
        };
        check("/no/such/program", &[], "cannot be started");
        check("/bin/sh", &["-c", "echo no such command >&2; exit 2"], "(exit code 2: no such command)");
        if cfg!(target_os = "linux") {
            // Its process group is its own, so a terminal's Ctrl-C does not reach it.
            let own = "set -- $$ $(cut -d' ' -f5 /proc/$$/stat); [ $1 = $2 ] && echo own group >&2; exit 2";
            check("/bin/sh", &["-c", own], "(exit code 2: own group)");
        }
        check("/bin/sh", &["-c", "printf hello >&0"], "did not start as a load worker (exit code 0)");
    }
}
