//! Load workers with real processes: this binary is its own worker. As a worker it does to itself what hostile files
//! do to parsers, by the name of the file; without arguments it runs the checks below.

#![expect(clippy::unwrap_used, reason = "a test; with its own `main`, clippy does not see that it is one")]

#[cfg(not(unix))]
fn main() {}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    unix::main()
}

#[cfg(unix)]
mod unix {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::num::NonZeroUsize;
    use std::os::fd::AsFd;
    use std::panic::catch_unwind;
    use std::path::{Path, PathBuf};
    use std::process::{Command, ExitCode, Stdio};
    use std::time::{Duration, Instant};

    use lorewell_model::{Error, Kind, Result};
    use lorewell_rag::document::{Document, Format};
    use lorewell_rag::load::{Limits, Loader, Worker, serve_with};
    use rustix::process::{Pid, Signal, getpid, kill_process, test_kill_process};

    const MEMORY_BYTES: u64 = 192 << 20;
    const REPLY_BYTES: u32 = 1 << 20;

    pub(super) fn main() -> ExitCode {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        match arguments.first().map(String::as_str) {
            Some("load-worker") => return serve_with(load).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
            Some("host") => host(Path::new(&arguments[1])),
            _ => {}
        }
        // What test runners ask of a test binary: a list, or a filter. `--nocapture` and the like mean nothing here.
        let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
        let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter.as_str()));
        let checks = CHECKS.iter().filter(|(name, _)| wanted(name));
        if arguments.iter().any(|argument| argument == "--list") {
            checks.for_each(|(name, _)| println!("{name}: test"));
            return ExitCode::SUCCESS;
        }
        let mut failed = 0;
        for (name, check) in checks {
            let passed = catch_unwind(check).is_ok();
            println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
            failed += usize::from(!passed);
        }
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    const CHECKS: [(&str, fn()); 14] = [
        ("a_good_file_loads_and_its_worker_is_reused", a_good_file_loads_and_its_worker_is_reused),
        ("the_loaders_own_error_comes_through", the_loaders_own_error_comes_through),
        ("a_panic_is_an_error_and_the_worker_lives_on", a_panic_is_an_error_and_the_worker_lives_on),
        ("an_abort_costs_one_file", an_abort_costs_one_file),
        ("a_stack_overflow_costs_one_file", a_stack_overflow_costs_one_file),
        ("a_hang_times_out", a_hang_times_out),
        ("eaten_memory_is_a_limit", eaten_memory_is_a_limit),
        ("a_kill_from_outside_costs_one_file", a_kill_from_outside_costs_one_file),
        ("nonsense_on_the_connection_is_noticed", nonsense_on_the_connection_is_noticed),
        ("an_endless_document_is_a_limit", an_endless_document_is_a_limit),
        ("chatter_of_the_parser_does_no_harm", chatter_of_the_parser_does_no_harm),
        ("a_worker_can_write_no_file", a_worker_can_write_no_file),
        ("threads_share_the_workers", threads_share_the_workers),
        ("no_worker_outlives_its_host", no_worker_outlives_its_host),
    ];

    /// What this binary does to a file as a worker. A good file gives the worker's process id.
    fn load(path: &Path, bytes: &[u8]) -> Result<Document> {
        let text = || getpid().as_raw_nonzero().to_string();
        match path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default() {
            "refuse" => return Err(Error::new(Kind::Refused, "it is encrypted")),
            "panic" => panic!("index 9 of 3"),
            "abort" => std::process::abort(),
            "overflow" => return Ok(Document::new(Format::Text, deep(bytes.len()).to_string())),
            "hang" => loop {
                std::hint::spin_loop();
            },
            "eat" => return Ok(Document::new(Format::Text, eat().len().to_string())),
            "kill" => kill_process(getpid(), Signal::KILL).unwrap(),
            "nonsense" => {
                let connection = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
                std::fs::File::from(connection).write_all(b"\x05\0\0\0hello").unwrap();
            }
            "endless" => return Ok(Document::new(Format::Text, "x".repeat(1 << 21))),
            "chatter" => (0..10_000).for_each(|line| {
                println!("line {line} on standard output");
                eprintln!("line {line} on standard error");
            }),
            "write" => {
                let error = std::fs::write(path.with_extension("out"), b"x").expect_err("it may not");
                return Ok(Document::new(Format::Text, error.kind().to_string()));
            }
            _ => {}
        }
        Ok(Document::new(Format::Text, text()))
    }

    /// Recurses without end, in a way the compiler cannot turn into a loop.
    #[expect(unconditional_recursion, reason = "the overflow is the point")]
    fn deep(n: usize) -> usize {
        let room = std::hint::black_box([n; 64]);
        deep(room[3] + 1) + std::hint::black_box(room[5])
    }

    fn eat() -> Vec<Vec<u8>> {
        let mut eaten = Vec::new();
        loop {
            eaten.push(std::hint::black_box(vec![1; 8 << 20]));
        }
    }

    /// A folder of files and a loader for them.
    struct Case {
        folder: tempfile::TempDir,
        loader: Loader,
    }

    impl Case {
        fn new(workers: usize, time: Duration) -> Self {
            let mut limits = Limits::default();
            limits.time = time;
            limits.memory_bytes = MEMORY_BYTES;
            limits.reply_bytes = REPLY_BYTES;
            limits.workers = NonZeroUsize::new(workers).unwrap();
            Self { folder: tempfile::tempdir().unwrap(), loader: Loader::isolated(worker(), limits) }
        }

        fn patient() -> Self {
            Self::new(1, Duration::from_secs(120)) // long enough for a machine that does much else
        }

        fn file(&self, name: &str) -> PathBuf {
            let path = self.folder.path().join(name).with_extension("txt");
            std::fs::write(&path, "some bytes").unwrap();
            path
        }

        /// Loads a good file and returns the process that did it.
        fn pid(&self) -> String {
            self.loader.load(&self.file("good")).unwrap().document.text
        }

        /// Loads a bad file, and a good one after it.
        fn check(&self, name: &str, kind: Kind, said: &str, worker_survives: bool) {
            let before = self.pid();
            let error = self.loader.load(&self.file(name)).expect_err("it is a bad file");
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(said), "`{error}` should say `{said}`");
            assert_eq!(self.pid() == before, worker_survives);
            assert_eq!(is_running(&before), worker_survives);
        }
    }

    fn worker() -> Worker {
        Worker { program: std::env::current_exe().unwrap(), args: vec!["load-worker".into()] }
    }

    fn is_running(pid: &str) -> bool {
        test_kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap()).is_ok()
    }

    fn a_good_file_loads_and_its_worker_is_reused() {
        let case = Case::patient();
        let loaded = case.loader.load(&case.file("good")).unwrap();
        assert_eq!(loaded.hash, *blake3::hash(b"some bytes").as_bytes());
        assert_eq!(loaded.bytes, 10);
        assert_eq!(case.pid(), loaded.document.text);
        assert_ne!(case.pid(), getpid().as_raw_nonzero().to_string());
        drop(case);
        assert!(!is_running(&loaded.document.text));
    }

    fn the_loaders_own_error_comes_through() {
        Case::patient().check("refuse", Kind::Refused, "it is encrypted", true);
    }

    fn a_panic_is_an_error_and_the_worker_lives_on() {
        Case::patient().check("panic", Kind::BadInput, "panic.txt` (index 9 of 3)", true);
    }

    fn an_abort_costs_one_file() {
        Case::patient().check("abort", Kind::BadInput, "abort.txt` (signal SIGABRT", false);
    }

    fn a_stack_overflow_costs_one_file() {
        Case::patient().check("overflow", Kind::BadInput, "overflowed its stack", false);
    }

    fn a_hang_times_out() {
        let case = Case::new(1, Duration::from_secs(2));
        case.check("hang", Kind::Timeout, "took longer than 2 s", false);
    }

    fn eaten_memory_is_a_limit() {
        if cfg!(target_os = "linux") {
            Case::patient().check("eat", Kind::Limit, "needs more than 192 MiB", false);
        }
    }

    fn a_kill_from_outside_costs_one_file() {
        Case::patient().check("kill", Kind::Unavailable, "SIGKILL", false);
    }

    fn nonsense_on_the_connection_is_noticed() {
        Case::patient().check("nonsense", Kind::BadInput, "nonsense", false);
    }

    fn an_endless_document_is_a_limit() {
        Case::patient().check("endless", Kind::Limit, "more than 1 MiB", true);
    }

    fn chatter_of_the_parser_does_no_harm() {
        let case = Case::patient();
        let text = case.loader.load(&case.file("chatter")).unwrap().document.text;
        assert_eq!(text, case.pid());
    }

    fn a_worker_can_write_no_file() {
        if cfg!(target_os = "linux") {
            let case = Case::patient();
            // The kernel sends SIGXFSZ first, which ends the process.
            case.check("write", Kind::BadInput, "signal 25", false);
            assert_eq!(std::fs::read(case.folder.path().join("write.out")).unwrap_or_default(), b"");
        }
    }

    fn threads_share_the_workers() {
        let case = Case::new(2, Duration::from_secs(120));
        let names = ["good", "panic", "abort", "good", "refuse", "good", "kill", "good"];
        let files: Vec<PathBuf> = names.iter().map(|name| case.file(name)).collect();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let started: Vec<_> = files.iter().map(|file| scope.spawn(|| case.loader.load(file))).collect();
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (name, outcome) in names.iter().zip(outcomes) {
            assert_eq!(outcome.is_ok(), *name == "good", "{name}: {outcome:?}");
        }
        case.pid();
    }

    /// Tells the id of its worker and has it hang, to be killed over it.
    fn host(folder: &Path) {
        let case = Case::patient();
        println!("{}", case.pid());
        case.loader.load(&folder.join("hang.txt")).expect_err("it hangs until this process is killed");
    }

    fn no_worker_outlives_its_host() {
        let case = Case::patient();
        case.file("hang");
        let mut host = Command::new(std::env::current_exe().unwrap());
        let mut host = host.arg("host").arg(case.folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(host.stdout.take().unwrap());
        let mut pid = String::new();
        stdout.read_line(&mut pid).unwrap();
        std::thread::sleep(Duration::from_millis(300)); // so that it hangs by now; if not, the check is only easier
        host.kill().unwrap();
        host.wait().unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while is_running(pid.trim()) {
            assert!(Instant::now() < patience, "worker {pid} is still running");
            std::thread::sleep(Duration::from_millis(50));
        }
        stdout.read_to_end(&mut Vec::new()).unwrap();
    }
}
