//! What runs inside a worker process: fence yourself in, then load one file after another until the host hangs up.
//! The connection is a socket on standard input, so nothing a parser prints can reach it.

use std::any::Any;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use lorewell_model::{Error, Kind, Result};

use super::{Loaded, check_file, human};
use crate::document::Document;

/// Turns bytes into a document, as [`load`](crate::load::load) does.
type LoadBytes<'a> = &'a dyn Fn(&Path, &[u8]) -> Result<Document>;

/// Runs a load worker until its host hangs up. The host binary calls this, before anything else, in the process
/// that a [`Loader`](super::Loader) starts.
///
/// # Errors
/// [`Kind::BadInput`] if this process was not started by a loader; [`Kind::Internal`] if its limits cannot be set;
/// [`Kind::Io`] if the connection breaks.
pub fn serve() -> Result<()> {
    serve_with(crate::load::load)
}

/// Runs a load worker with a loading function of the host's own, for formats that Lorewell does not know.
///
/// # Errors
/// As [`serve`].
pub fn serve_with(load: impl Fn(&Path, &[u8]) -> Result<Document> + Send + 'static) -> Result<()> {
    #[cfg(unix)]
    return unix::serve(load);
    #[cfg(not(unix))]
    {
        drop(load);
        Err(Error::new(Kind::BadInput, "load workers need a Unix system; files load in process here"))
    }
}

/// Reads and loads a file; a panic of the parser is the file's error.
pub(super) fn load_file(path: &Path, file_bytes: u64, load: LoadBytes<'_>) -> Result<Loaded> {
    let bytes = read(path, file_bytes)?;
    let document = catch_unwind(AssertUnwindSafe(|| load(path, &bytes))).map_err(|panic| {
        let message = format!("the parser failed on `{}` ({}); the file may be damaged", path.display(), said(&*panic));
        Error::new(Kind::BadInput, message)
    })??;
    let size = u64::try_from(bytes.len()).expect("a length fits 64 bits");
    Ok(Loaded { document, hash: *blake3::hash(&bytes).as_bytes(), bytes: size })
}

fn read(path: &Path, file_bytes: u64) -> Result<Vec<u8>> {
    let length = check_file(path, file_bytes)?;
    let named = |error: std::io::Error| Error::from(error).context(format!("reading `{}`", path.display()));
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // The file may have grown since it was measured, or never end (`/proc`).
    let limited = std::fs::File::open(path).map_err(named)?.take(file_bytes.saturating_add(1));
    { limited }.read_to_end(&mut bytes).map_err(named)?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read > file_bytes) {
        let message = format!("`{}` grew past {} while it was read", path.display(), human(file_bytes));
        return Err(Error::new(Kind::Limit, message));
    }
    Ok(bytes)
}

/// Returns what a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it did not say why")
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::fd::AsFd;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::time::Duration;

    use lorewell_model::{Error, Kind, Result, ResultExt};

    use super::super::protocol::{Broken, HELLO, REQUEST_BYTES_MAX, Reply, Settings, read_frame, write_frame};
    use super::{Document, human, load_file};

    /// Parsers recurse; the 2 MiB of a thread would be the first limit a nested file hits.
    const STACK_BYTES: usize = 32 << 20;

    /// How often a worker looks whether its host is alive, so that a hanging parser does not outlive it.
    const HOST_CHECK: Duration = Duration::from_secs(1);

    /// Open files: the connection, standard error, the file itself, and a few for the parser's own threads.
    #[cfg(target_os = "linux")]
    const FILES_MAX: u64 = 32;

    pub(super) fn serve(load: impl Fn(&Path, &[u8]) -> Result<Document> + Send + 'static) -> Result<()> {
        let mut stream = connection()?;
        let settings: Settings = match read_frame(&mut stream, REQUEST_BYTES_MAX) {
            Ok(body) => serde_json::from_slice(&body)
                .map_err(|error| Error::new(Kind::BadInput, "the host's settings cannot be read").caused_by(error))?,
            Err(broken) => return ended(broken),
        };
        watch_host()?;
        fence(&settings)?;
        write_frame(&mut stream, HELLO).context(|| "greeting the host".into())?;
        let answers = std::thread::Builder::new()
            .name("load".into())
            .stack_size(STACK_BYTES)
            .spawn(move || answer(&mut stream, &settings, &load))
            .context(|| "starting the loading thread".into())?;
        answers.join().unwrap_or_else(|_| Err(Error::new(Kind::Internal, "the loading thread panicked")))
    }

    /// Takes the socket on standard input.
    fn connection() -> Result<UnixStream> {
        let input = std::io::stdin().as_fd().try_clone_to_owned().context(|| "taking standard input".into())?;
        let stream = UnixStream::from(input);
        match stream.peer_addr() {
            Ok(_) => Ok(stream),
            Err(error) => {
                let message = "a load worker is started by Lorewell itself; there is nothing to do by hand";
                Err(Error::new(Kind::BadInput, message).caused_by(error))
            }
        }
    }

    /// Answers one request after another.
    fn answer(
        stream: &mut UnixStream,
        settings: &Settings,
        load: &dyn Fn(&Path, &[u8]) -> Result<Document>,
    ) -> Result<()> {
        loop {
            let path = match read_frame(stream, REQUEST_BYTES_MAX) {
                Ok(path) => path,
                Err(broken) => return ended(broken),
            };
            let path = Path::new(OsStr::from_bytes(&path));
            let reply = match load_file(path, settings.file_bytes, load) {
                Ok(loaded) => Reply::Loaded(Box::new(loaded)),
                Err(error) => Reply::failed(&error),
            };
            write_frame(stream, &encode(path, &reply, settings.reply_bytes)).context(|| "answering the host".into())?;
        }
    }

    fn encode(path: &Path, reply: &Reply, reply_bytes: u32) -> Vec<u8> {
        let body = serde_json::to_vec(reply).expect("a reply has only string keys");
        if u32::try_from(body.len()).is_ok_and(|length| length <= reply_bytes) {
            return body;
        }
        let most = human(u64::from(reply_bytes));
        let error = Error::new(Kind::Limit, format!("`{}` holds more than {most} of text: split it", path.display()));
        serde_json::to_vec(&Reply::failed(&error)).expect("a reply has only string keys")
    }

    /// A host that hangs up is the normal end.
    fn ended(broken: Broken) -> Result<()> {
        match broken {
            Broken::Closed => Ok(()),
            Broken::TooLong(length) => Err(Error::new(Kind::BadInput, format!("a request of {length} bytes"))),
            Broken::Io(error) => Err(Error::from(error).context("reading a request")),
        }
    }

    /// Ends this process when its host is gone. (The kernel's own signal for this comes when the *thread* that
    /// started us ends, which in a pool says nothing.)
    fn watch_host() -> Result<()> {
        let host = rustix::process::getppid();
        let watch = move || {
            while rustix::process::getppid() == host {
                std::thread::sleep(HOST_CHECK);
            }
            std::process::exit(1);
        };
        std::thread::Builder::new().name("watch".into()).spawn(watch).context(|| "watching the host".into())?;
        Ok(())
    }

    /// Takes from this process what no parser needs: more memory than its share, writing files, core dumps, many
    /// files, new privileges.
    #[cfg(target_os = "linux")]
    fn fence(settings: &Settings) -> Result<()> {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let failed = |error: rustix::io::Errno| {
            Error::new(Kind::Internal, format!("the limits of a load worker cannot be set: {error}"))
        };
        let address_space = mapped_bytes()?.saturating_add(settings.memory_bytes);
        let limits =
            [(Resource::As, address_space), (Resource::Core, 0), (Resource::Fsize, 0), (Resource::Nofile, FILES_MAX)];
        for (resource, most) in limits {
            setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(failed)?;
        }
        rustix::thread::set_no_new_privs(true).map_err(failed)
    }

    /// Elsewhere the address space says little about memory in use; time is still limited, by the host.
    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
    fn fence(_settings: &Settings) -> Result<()> {
        Ok(())
    }

    /// Returns the address space this process has now: the binary, its libraries, its threads.
    #[cfg(target_os = "linux")]
    fn mapped_bytes() -> Result<u64> {
        let status = std::fs::read_to_string("/proc/self/status").context(|| "reading `/proc/self/status`".into())?;
        let field = status.lines().find_map(|line| line.strip_prefix("VmSize:")).map(str::trim);
        let kib: Option<u64> = field.and_then(|field| field.strip_suffix(" kB")?.parse().ok());
        kib.map(|kib| kib.saturating_mul(1024))
            .ok_or_else(|| Error::new(Kind::Internal, "`/proc/self/status` does not tell `VmSize`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Format;

    #[test]
    fn a_panic_is_the_files_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("odd.txt");
        std::fs::write(&path, "odd").unwrap();
        let error = load_file(&path, 99, &|_, _| panic!("index 7 out of range")).unwrap_err();
        assert_eq!(error.kind(), Kind::BadInput);
        assert!(error.message().contains("odd.txt` (index 7 out of range)"), "{error}");
    }

    #[test]
    fn a_file_comes_with_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "words").unwrap();
        let load =
            |_: &Path, bytes: &[u8]| Ok(Document::new(Format::Text, String::from_utf8_lossy(bytes).into_owned()));
        let loaded = load_file(&path, 99, &load).unwrap();
        assert_eq!((loaded.document.text.as_str(), loaded.bytes), ("words", 5));
        assert_eq!(loaded.hash, *blake3::hash(b"words").as_bytes());
    }
}
