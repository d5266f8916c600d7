//! A hub over real sockets, in two places as the real one: the hub itself, which lists and redirects, and a store at
//! another origin, which has the large files. It speaks as Hugging Face does, and misbehaves as it is told to.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The commit that every branch is at.
pub(crate) const COMMIT: &str = "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e";
/// The repository.
pub(crate) const REPO: &str = "acme/tiny";
/// The token that is let in.
pub(crate) const TOKEN: &str = "hf_letmein";
/// What the addresses of the store are signed with.
pub(crate) const SIGNATURE: &str = "Signature-of-the-store";
/// Bytes that are sent at once.
const PIECE_BYTES: usize = 16 << 10;

/// How the bytes of a large file are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As they should be.
    Well,
    /// With a pause after each piece.
    Slow(Duration),
    /// So many of them, then the connection is closed.
    Cut(usize),
    /// So many of them, then nothing, while the connection stays open.
    Stall(usize),
    /// With one bit turned.
    Wrong,
    /// From the start, whatever was asked for.
    IgnoreRange,
    /// From the start, and said to be a range.
    OtherRange,
    /// As they should be, and then on and on.
    Endless,
    /// A page instead.
    Page,
    /// A status, with a header.
    Status(u16, &'static str),
}

/// Who is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone.
    Open,
    /// Everyone may see the list; files are for who has accepted the terms.
    Gated,
    /// Nobody else learns that it is there.
    Private,
}

/// What the hub has, and how it behaves.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) access: Access,
    /// How large files are served, request by request; the last counts for all that come after.
    pub(crate) manners: VecDeque<Manner>,
    /// How the list is answered before it is given: statuses with headers.
    pub(crate) lists: VecDeque<(u16, &'static str)>,
    /// What the list says besides what is there.
    pub(crate) listed_too: Vec<String>,
    /// What is said of the length of large files, if not the truth.
    pub(crate) length: Option<u64>,
    /// What is said of the sum of large files, if not the truth.
    pub(crate) etag: Option<&'static str>,
    /// Where large files are said to be, if not in the store.
    pub(crate) location: Option<&'static str>,
}

impl Setup {
    pub(crate) fn new(files: &[(&str, Vec<u8>)]) -> Self {
        Self {
            files: files.iter().map(|(name, content)| ((*name).to_owned(), content.clone())).collect(),
            access: Access::Open,
            manners: VecDeque::from([Manner::Well]),
            lists: VecDeque::new(),
            listed_too: Vec::new(),
            length: None,
            etag: None,
            location: None,
        }
    }

    pub(crate) fn manners(mut self, manners: &[Manner]) -> Self {
        self.manners = manners.iter().cloned().collect();
        self
    }
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whether it came to the store.
    pub(crate) store: bool,
    pub(crate) method: String,
    pub(crate) path: String,
    /// The first byte that was asked for.
    pub(crate) from: Option<usize>,
    pub(crate) authorization: Option<String>,
}

/// A hub and its store, at addresses of their own, for as long as the test runs.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    store: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    setup: Setup,
    asked: Vec<Asked>,
    /// Bytes of large files that were sent.
    sent: usize,
}

impl Server {
    pub(crate) fn start(setup: Setup) -> Self {
        Self::start_at("127.0.0.1:0", setup)
    }

    pub(crate) fn start_at(address: &str, setup: Setup) -> Self {
        let (hub, store) = (TcpListener::bind(address).unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { setup, asked: Vec::new(), sent: 0 }));
        let server = Self { address: url(&hub), store: url(&store), state };
        for (listener, is_store) in [(hub, false), (store, true)] {
            let server = server.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let server = server.clone();
                    // Who breaks off a connection is free to.
                    std::thread::spawn(move || drop(server.answer(&stream, is_store)));
                }
            });
        }
        server
    }

    /// Changes what the hub has, or how it behaves.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.state().setup);
    }

    /// Returns the requests that came, and forgets them.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().asked)
    }

    /// Returns how many bytes of large files were sent, and counts anew.
    pub(crate) fn sent(&self) -> usize {
        std::mem::take(&mut self.state().sent)
    }

    /// Waits until so many bytes of large files were sent.
    pub(crate) fn wait_for_bytes(&self, bytes: usize) {
        for _ in 0..2000 {
            if self.state().sent >= bytes {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("only {} bytes were sent", self.state().sent);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn answer(&self, stream: &TcpStream, store: bool) -> io::Result<()> {
        let Some(asked) = read(stream, store)? else { return Ok(()) };
        self.state().asked.push(asked.clone());
        let setup = self.state().setup.clone();
        if store {
            return self.serve(stream, &asked, &setup);
        }
        let (path, is_in) = (asked.path.as_str(), asked.authorization.as_deref() == Some(&format!("Bearer {TOKEN}")));
        let list = path.strip_prefix(&format!("/api/models/{REPO}/revision/"));
        let file = path.strip_prefix(&format!("/{REPO}/resolve/")).and_then(|rest| rest.split_once('/'));
        let near = path.strip_prefix(&format!("/api/resolve-cache/models/{REPO}/{COMMIT}/"));
        let is_here = list.is_some() || file.is_some() || near.is_some();
        match () {
            () if !is_here || setup.access == Access::Private && !is_in => {
                let status = if is_in { 404 } else { 401 };
                empty(stream, status, "X-Error-Code: RepoNotFound\r\nX-Error-Message: Repository not found\r\n")
            }
            () if list.is_none() && setup.access == Access::Gated && !is_in => {
                let status = if asked.authorization.is_some() { 403 } else { 401 };
                empty(stream, status, "X-Error-Code: GatedRepo\r\nX-Error-Message: Access is restricted\r\n")
            }
            () => match (list, file, near) {
                (Some(revision), ..) => self.list(stream, &decoded(revision), &setup),
                (_, Some((revision, file)), _) => self.resolve(stream, revision, &decoded(file), &setup),
                (.., Some(file)) => near_file(stream, &asked, &decoded(file), &setup),
                _ => Ok(()),
            },
        }
    }

    fn list(&self, stream: &TcpStream, revision: &str, setup: &Setup) -> io::Result<()> {
        if let Some((status, header)) = self.state().setup.lists.pop_front() {
            return empty(stream, status, header);
        }
        if !["main", "v1", "refs%2Fpr%2F1", COMMIT].contains(&revision) {
            return empty(stream, 404, "X-Error-Code: RevisionNotFound\r\n");
        }
        let names = setup.files.iter().map(|(name, _)| name).chain(&setup.listed_too);
        let siblings: Vec<_> = names.map(|name| serde_json::json!({"rfilename": name})).collect();
        let body = serde_json::json!({"id": REPO, "sha": COMMIT, "private": false, "siblings": siblings}).to_string();
        let head = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        respond(stream, 200, &head)?;
        (&*stream).write_all(body.as_bytes())
    }

    fn resolve(&self, stream: &TcpStream, revision: &str, file: &str, setup: &Setup) -> io::Result<()> {
        let found = setup.files.iter().find(|(name, _)| name == file);
        let (true, Some((_, content))) = (["main", COMMIT].contains(&revision), found) else {
            return empty(stream, 404, "X-Error-Code: EntryNotFound\r\n");
        };
        let (length, etag) = (setup.length.unwrap_or(content.len() as u64), setup.etag.map(str::to_owned));
        let (status, etag, to) = match is_large(file) {
            true => {
                let sum = sha256(content);
                let at_store = format!("{}/{sum}?X-Amz-Signature={SIGNATURE}", self.store);
                (302, etag.unwrap_or(sum), setup.location.map_or(at_store, str::to_owned))
            }
            false => (307, git(content), format!("/api/resolve-cache/models/{REPO}/{COMMIT}/{file}")),
        };
        let head = format!(
            "X-Repo-Commit: {COMMIT}\r\nX-Linked-Size: {length}\r\nX-Linked-Etag: \"{etag}\"\r\nETag: \"{etag}\"\r\n\
             Location: {to}\r\nContent-Length: 0\r\n"
        );
        respond(stream, status, &head)
    }

    /// The store: it knows a file by its sum, and refuses a second way to log in, as such stores do.
    fn serve(&self, stream: &TcpStream, asked: &Asked, setup: &Setup) -> io::Result<()> {
        let signed = asked.path.contains(SIGNATURE);
        let sum = asked.path.trim_start_matches('/').split('?').next().unwrap_or_default();
        let found = setup.files.iter().find(|(name, content)| is_large(name) && sha256(content) == sum);
        let (true, None, Some((_, content))) = (signed, &asked.authorization, found) else {
            return empty(stream, 400, "");
        };
        let manner = {
            let manners = &mut self.state().setup.manners;
            if manners.len() > 1 { manners.pop_front() } else { manners.front().cloned() }
        };
        let manner = manner.unwrap_or(Manner::Well);
        if let Manner::Status(status, header) = manner {
            return empty(stream, status, header);
        }
        if manner == Manner::Page {
            respond(stream, 200, "Content-Type: text/html\r\nContent-Length: 14\r\n")?;
            return (&*stream).write_all(b"<p>Log in</p>\n");
        }
        let from = asked.from.filter(|_| !matches!(manner, Manner::IgnoreRange | Manner::OtherRange)).unwrap_or(0);
        if from >= content.len() && from > 0 {
            return empty(stream, 416, &format!("Content-Range: bytes */{}\r\n", content.len()));
        }
        let is_range = asked.from.is_some() && manner != Manner::IgnoreRange;
        let mut head = format!("Accept-Ranges: bytes\r\nETag: \"{sum}\"\r\n");
        if manner != Manner::Endless {
            write!(head, "Content-Length: {}\r\n", content.len() - from).unwrap();
        }
        if is_range {
            write!(head, "Content-Range: bytes {from}-{}/{}\r\n", content.len() - 1, content.len()).unwrap();
        }
        respond(stream, if is_range { 206 } else { 200 }, &head)?;
        self.send(stream, &content[from..], &manner)
    }

    fn send(&self, mut stream: &TcpStream, content: &[u8], manner: &Manner) -> io::Result<()> {
        let mut content = content.to_vec();
        let end = match manner {
            Manner::Cut(bytes) | Manner::Stall(bytes) => content.len().min(*bytes),
            _ => content.len(),
        };
        if *manner == Manner::Wrong {
            content[end / 2] ^= 1;
        }
        for piece in content[..end].chunks(PIECE_BYTES) {
            self.state().sent += piece.len();
            stream.write_all(piece)?;
            if let Manner::Slow(pause) = manner {
                std::thread::sleep(*pause);
            }
        }
        match manner {
            Manner::Stall(_) => io::copy(&mut stream, &mut io::sink()).map(drop), // until the other side has had enough
            Manner::Endless => loop {
                self.state().sent += PIECE_BYTES;
                stream.write_all(&[b'x'; PIECE_BYTES])?;
            },
            _ => Ok(()),
        }
    }
}

/// A small file, which the hub has itself.
fn near_file(mut stream: &TcpStream, asked: &Asked, file: &str, setup: &Setup) -> io::Result<()> {
    let Some((_, content)) = setup.files.iter().find(|(name, _)| name == file) else { return empty(stream, 404, "") };
    let head = format!("ETag: W/\"{}\"\r\nContent-Length: {}\r\n", git(content), content.len());
    respond(stream, 200, &format!("X-Repo-Commit: {COMMIT}\r\n{head}"))?;
    if asked.method == "GET" { stream.write_all(content) } else { Ok(()) }
}

fn is_large(file: &str) -> bool {
    file.ends_with(".gguf") || file.ends_with(".safetensors")
}

fn respond(mut stream: &TcpStream, status: u16, head: &str) -> io::Result<()> {
    stream.write_all(format!("HTTP/1.1 {status} Said\r\nConnection: close\r\n{head}\r\n").as_bytes())
}

fn empty(stream: &TcpStream, status: u16, head: &str) -> io::Result<()> {
    respond(stream, status, &format!("{head}Content-Length: 0\r\n"))
}

fn read(stream: &TcpStream, store: bool) -> io::Result<Option<Asked>> {
    let mut lines = BufReader::new(stream).lines();
    let Some(first) = lines.next().transpose()? else { return Ok(None) };
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut asked = Asked { store, method, path, from: None, authorization: None };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => asked.authorization = Some(value.to_owned()),
            "range" => asked.from = value.trim_start_matches("bytes=").trim_end_matches('-').parse().ok(),
            _ => {}
        }
    }
    Ok(Some(asked))
}

fn decoded(path: &str) -> String {
    path.split('?').next().unwrap_or_default().replace("%20", " ")
}

/// Returns the sum of a large file.
pub(crate) fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// Returns the sum of a small file, as git makes it.
pub(crate) fn git(content: &[u8]) -> String {
    hex(&Sha1::new_with_prefix(format!("blob {}\0", content.len())).chain_update(content).finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// Makes a content that is nowhere the same.
pub(crate) fn content(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13; // xorshift64, Marsaglia 2003
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(bytes).collect()
}
