//! Speaks with a hub: what a repository holds, the sum and length of a file, and its bytes. Redirects are followed by hand,
//! for the token goes to the hub and nowhere else.

use std::path::{Component, Path};
use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, HeaderValue, LOCATION, RANGE,
};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use super::name::{Repo, is_commit};
use super::settings::Hub;
use super::sum::Sum;
use crate::remote::{Timeouts, provide_tls, reason, retry_after};
use crate::{Error, Kind, Result};

/// The most addresses that lead to one another.
const REDIRECTS_MAX: usize = 5;
/// The most bytes of the list of a repository.
const LIST_BYTES_MAX: usize = 32 << 20;
/// The most files of a repository.
const FILES_MAX: usize = 100_000;
/// The longest name of a file of a repository.
const FILE_NAME_BYTES_MAX: usize = 1024;
/// The largest file that is believed in: more than any file system takes.
const FILE_BYTES_MAX: u64 = 1 << 60;

/// Speaks with one hub.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<HeaderValue>,
    pub(super) timeouts: Timeouts,
}

/// What a revision of a repository holds.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) commit: String,
    pub(super) files: Vec<String>,
}

/// A file of a repository.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) file: String,
    pub(super) sum: Sum,
    pub(super) bytes: u64,
}

impl Client {
    pub(super) fn new(hub: &Hub) -> Result<Self> {
        provide_tls();
        let http = reqwest::Client::builder()
            .connect_timeout(hub.timeouts.connect)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("lorewell/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::new(Kind::Config, format!("no HTTP client: {}", reason(&error))))?;
        let token = hub.token.as_ref().map(|token| {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()));
            let mut value = value.map_err(|_| {
                Error::new(Kind::Config, "the token of the hub (`HF_TOKEN`) has characters that no token has")
            })?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        });
        Ok(Self { http, base: hub.base()?, token: token.transpose()?, timeouts: hub.timeouts })
    }

    /// Lists the files of a revision, and the commit that it means now.
    pub(super) async fn list(&self, repo: &Repo) -> Result<Listed> {
        #[derive(Deserialize)]
        struct Info {
            sha: String,
            #[serde(default)]
            siblings: Vec<Sibling>,
        }
        #[derive(Deserialize)]
        struct Sibling {
            rfilename: String,
        }
        let path = ["api", "models"].into_iter().chain(repo.name().split('/')).chain(["revision", repo.revision()]);
        let (response, is_own) = self.follow(&Method::GET, self.url(path), None).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(repo, None, &response, is_own));
        }
        let text = self.text(response).await?;
        let unusable = |why: String| Error::new(Kind::BadOutput, format!("the hub's list of `{repo}` {why}"));
        let info: Info = serde_json::from_slice(&text).map_err(|error| unusable(format!("cannot be read: {error}")))?;
        if !is_commit(&info.sha) {
            return Err(unusable("names no commit".to_owned()));
        }
        if is_commit(repo.revision()) && info.sha != repo.revision() {
            return Err(unusable("is of another commit than was asked for".to_owned()));
        }
        if info.siblings.len() > FILES_MAX {
            return Err(unusable(format!("has more than {FILES_MAX} files")));
        }
        let files: Vec<String> = info.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
        if let Some(bad) = files.iter().find(|file| !stays_inside(file)) {
            let message = format!(
                "the hub's list of `{repo}` has a file `{}`, whose name leads out of the folder; nothing was fetched",
                bad.escape_debug().take(100).collect::<String>()
            );
            return Err(Error::new(Kind::Refused, message));
        }
        Ok(Listed { commit: info.sha, files })
    }

    /// Asks for the sum and the length of a file, which stand in the headers of where it leads to.
    pub(super) async fn head(&self, repo: &Repo, commit: &str, file: &str) -> Result<Wanted> {
        let mut url = self.file_url(repo, commit, file);
        let (mut sum, mut bytes) = (None, None);
        for _ in 0..=REDIRECTS_MAX {
            let response = self.once(&Method::HEAD, &url, None).await?;
            let (status, headers) = (response.status(), response.headers());
            if !status.is_success() && !status.is_redirection() {
                return Err(self.refusal(repo, Some(file), &response, self.is_own(&url)));
            }
            if text(headers, "x-repo-commit").is_some_and(|named| named != commit) {
                let message = format!("the hub gives `{file}` of `{repo}` from another commit than was asked for");
                return Err(Error::new(Kind::BadOutput, message));
            }
            if let Some(linked) = text(headers, "x-linked-etag") {
                sum = sum.or_else(|| Sum::parse(linked));
                if sum.is_none() {
                    break; // what the next address says of itself counts less than the hub
                }
            }
            bytes = bytes.or_else(|| text(headers, "x-linked-size")?.parse::<u64>().ok());
            if status.is_success() {
                sum = sum.or_else(|| text(headers, ETAG.as_str()).and_then(Sum::parse));
                bytes = bytes.or_else(|| text(headers, CONTENT_LENGTH.as_str())?.parse().ok());
            }
            if let (Some(sum), Some(bytes)) = (&sum, bytes.filter(|bytes| *bytes <= FILE_BYTES_MAX)) {
                return Ok(Wanted { file: file.to_owned(), sum: sum.clone(), bytes });
            }
            if status.is_success() {
                break;
            }
            url = self.next(&url, headers)?;
        }
        let missing = if sum.is_none() { "sum" } else { "length" };
        let message = format!("the hub gives no {missing} of `{file}` of `{repo}`, so that it could not be checked");
        Err(Error::new(Kind::BadOutput, message))
    }

    /// Asks for the bytes of a file, from one on. What comes is `200`, `206` or `416`.
    pub(super) async fn get(&self, repo: &Repo, commit: &str, file: &str, from: u64) -> Result<Response> {
        let range = (from > 0).then_some(from);
        let (response, is_own) = self.follow(&Method::GET, self.file_url(repo, commit, file), range).await?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => Ok(response),
            _ => Err(self.refusal(repo, Some(file), &response, is_own)),
        }
    }

    fn file_url(&self, repo: &Repo, commit: &str, file: &str) -> Url {
        self.url(repo.name().split('/').chain(["resolve", commit]).chain(file.split('/')))
    }

    fn url<'a>(&self, path: impl Iterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("`address` takes `http` and `https` only").pop_if_empty().extend(path);
        url
    }

    /// Sends a request, on to where it is led; tells whether it has ended at the hub itself.
    async fn follow(&self, method: &Method, mut url: Url, from: Option<u64>) -> Result<(Response, bool)> {
        for _ in 0..=REDIRECTS_MAX {
            let response = self.once(method, &url, from).await?;
            match response.status().is_redirection() {
                true => url = self.next(&url, response.headers())?,
                false => return Ok((response, self.is_own(&url))),
            }
        }
        Err(Error::new(
            Kind::BadOutput,
            format!("the hub leads from address to address, more than {REDIRECTS_MAX} times"),
        ))
    }

    async fn once(&self, method: &Method, url: &Url, from: Option<u64>) -> Result<Response> {
        // Sums and lengths are those of the file, not of what it is packed to.
        let mut request = self.http.request(method.clone(), url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(token) = self.token.as_ref().filter(|_| self.is_own(url)) {
            request = request.header(AUTHORIZATION, token.clone());
        }
        if let Some(from) = from {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let wait = self.timeouts.connect.saturating_add(self.timeouts.first_byte);
        let origin = url.origin().ascii_serialization(); // the rest may be signed, and with that a key
        let response = tokio::time::timeout(wait, request.send())
            .await
            .map_err(|_| Error::new(Kind::Timeout, format!("`{origin}` did not answer within {wait:?}")))?;
        response.map_err(|error| unsent(&origin, error.without_url()))
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// Returns where a redirect leads to.
    fn next(&self, from: &Url, headers: &HeaderMap) -> Result<Url> {
        let to = text(headers, LOCATION.as_str()).and_then(|to| from.join(to).ok());
        let to = to.ok_or_else(|| Error::new(Kind::BadOutput, "the hub leads on to an address that is none"))?;
        let is_good = to.scheme() == "https" || to.scheme() == "http" && self.base.scheme() == "http";
        match is_good {
            true => Ok(to),
            false => Err(Error::new(Kind::Refused, "the hub leads on to an address without encryption")),
        }
    }

    async fn text(&self, mut response: Response) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        while let Some(piece) = chunk(&mut response, self.timeouts.idle).await? {
            text.extend_from_slice(&piece);
            if text.len() > LIST_BYTES_MAX {
                return Err(Error::new(Kind::Limit, format!("the hub's list has more than {LIST_BYTES_MAX} bytes")));
            }
        }
        Ok(text)
    }

    /// Says why there is nothing, and what to do.
    fn refusal(&self, repo: &Repo, file: Option<&str>, response: &Response, is_own: bool) -> Error {
        let (status, headers) = (response.status(), response.headers());
        let hub = self.base.as_str().trim_end_matches('/');
        let name = repo.name();
        let what = file.map_or(format!("`{name}`"), |file| format!("`{file}` of `{name}`"));
        let code = text(headers, "x-error-code").unwrap_or_default();
        let error = |kind, message: String| Error::new(kind, message);
        match (status.as_u16(), code) {
            (429, _) => match asked_wait(headers) {
                Some(wait) => {
                    error(Kind::RateLimited, format!("`{hub}` asks to come back in {} s", wait.as_secs())).after(wait)
                }
                None => error(Kind::RateLimited, format!("`{hub}` asks to slow down")),
            },
            (408 | 500.., _) => error(Kind::Unavailable, format!("`{hub}` answers {status}")),
            // What is signed there may have run out; the hub signs anew.
            _ if !is_own => error(Kind::Unavailable, format!("the store behind `{hub}` answers {status} for {what}")),
            (_, "RevisionNotFound") => {
                error(Kind::NotFound, format!("`{name}` has no revision `{}`; see `{hub}/{name}`", repo.revision()))
            }
            (_, "EntryNotFound") => error(Kind::NotFound, format!("there is no {what}")),
            (403, _) | (_, "GatedRepo") => error(Kind::Auth, self.closed(&what, &format!("{hub}/{name}"))),
            // It says so of what is private as well, so that nobody learns that it is there.
            (404, _) | (_, "RepoNotFound") => error(Kind::NotFound, self.unknown(name, hub)),
            (401, _) => error(Kind::Auth, self.closed(&what, &format!("{hub}/{name}"))),
            _ => error(Kind::BadOutput, format!("`{hub}` answers {status} for {what}")),
        }
    }

    fn closed(&self, what: &str, page: &str) -> String {
        match self.token {
            Some(_) => format!(
                "{what} is not open to everyone, and not to the token that is set; accept its terms at `{page}` with the \
                 account of that token, or set another one as `HF_TOKEN`"
            ),
            None => format!(
                "{what} is not open to everyone; accept its terms at `{page}`, then set `HF_TOKEN` to a token of yours"
            ),
        }
    }

    fn unknown(&self, name: &str, hub: &str) -> String {
        let word = name.rsplit_once('/').map_or(name, |(_, word)| word);
        let token = if self.token.is_none() { "; if it is private, set `HF_TOKEN`" } else { "" };
        format!("there is no `{name}`; check the spelling, or look at `{hub}/models?search={word}`{token}")
    }
}

/// Reads the next bytes of an answer, which may not stop.
pub(super) async fn chunk(
    response: &mut Response,
    idle: Duration,
) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + Send + use<>>> {
    let piece = tokio::time::timeout(idle, response.chunk())
        .await
        .map_err(|_| Error::new(Kind::Timeout, format!("nothing came for {idle:?}")))?;
    piece.map_err(|error| Error::new(Kind::Unavailable, format!("it broke off: {}", reason(&error.without_url()))))
}

fn unsent(origin: &str, error: reqwest::Error) -> Error {
    match (error.is_timeout(), error.is_connect()) {
        (true, _) => Error::new(Kind::Timeout, format!("no connection to `{origin}` in time")).caused_by(error),
        (_, true) => {
            let message = format!("no connection to `{origin}`: {}; is it reachable?", reason(&error));
            Error::new(Kind::Unavailable, message)
        }
        _ => Error::new(Kind::Unavailable, format!("`{origin}` broke off: {}", reason(&error))),
    }
}

/// Reads how long the hub asks to wait. It may say so only as what is left of its limit: `"api";r=0;t=55`.
fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let left = || {
        let seconds = text(headers, "ratelimit")?.split(';').find_map(|part| part.trim().strip_prefix("t="))?;
        seconds.parse().ok().map(Duration::from_secs)
    };
    retry_after(headers).or_else(left)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(HeaderName::from_bytes(name.as_bytes()).ok()?)?.to_str().ok()
}

/// Tells whether the name of a file leads into its folder and not out of it, on any system.
fn stays_inside(file: &str) -> bool {
    let is_good = |part: &str| !part.is_empty() && part != "." && part != "..";
    file.len() <= FILE_NAME_BYTES_MAX
        && file.split('/').all(is_good)
        && !file.contains(|c: char| c == '\\' || c.is_control())
        && Path::new(file).components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_are_told() {
        for file in ["a", "a/b.gguf", "..a", "a..b/c", ".gitattributes", "日本.json"] {
            assert!(stays_inside(file), "{file}");
        }
        for file in ["", "/a", "../a", "a/../b", "a/..", "a//b", "./a", "a/.", "a\\..\\b", "a\0", "a\nb", "a/"] {
            assert!(!stays_inside(file), "{file:?}");
        }
        assert!(!stays_inside(&"a".repeat(FILE_NAME_BYTES_MAX + 1)));
    }

    #[test]
    fn no_redirect_leaves_encryption() {
        let client = |endpoint: &str| Client::new(&Hub::new("").endpoint(endpoint).token("hf_x")).unwrap();
        let lead = |client: &Client, to: &'static str| {
            let from = client.url(["o", "n"].into_iter());
            client.next(&from, &HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(to))]))
        };
        let hub = client("https://hub.example/base");
        assert_eq!(lead(&hub, "/base/x").unwrap().as_str(), "https://hub.example/base/x");
        for (to, is_own) in [("https://store.example/x", false), ("https://hub.example:444/x", false), ("y", true)] {
            assert_eq!(hub.is_own(&lead(&hub, to).unwrap()), is_own, "{to}");
        }
        for to in ["http://hub.example/x", "http://store.example/x", "file:///etc/passwd", "ftp://hub.example/x"] {
            assert_eq!(lead(&hub, to).unwrap_err().kind(), Kind::Refused, "{to}");
        }
        assert!(lead(&client("http://127.0.0.1:1"), "http://store.example/x").is_ok());
        let bad = Client::new(&Hub::new("").token("hf_a\nb")).unwrap_err();
        assert!(bad.kind() == Kind::Config && !format!("{bad:?}").contains("hf_a"), "{bad:?}");
    }

    #[test]
    fn the_wait_may_stand_in_the_limit() {
        let headers = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
        };
        assert_eq!(asked_wait(&headers("ratelimit", "\"api\";r=0;t=55")), Some(Duration::from_secs(55)));
        assert_eq!(asked_wait(&headers("retry-after", "7")), Some(Duration::from_secs(7)));
        assert_eq!(asked_wait(&headers("ratelimit", "none")), None);
    }
}
