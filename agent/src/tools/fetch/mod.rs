//! Pages of the web, for agents. Only what is public is reached: the guard looks at each address before anything
//! connects to it, at each step of a redirect, and at what names lead to. What comes back is text that nobody vouches
//! for.

mod address;
mod content;
mod fault;
mod guard;
mod html;
mod pattern;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use lorewell_model::{Access, Error, IntoTool as _, Kind, Origin, Result, Tool, ToolError, ToolOutput, tool};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use fault::Fault;
use guard::{Guard, Lookup, System};
use pattern::{Opening, Pattern};
use request::Requests;

/// How long a page may take, redirects and all, unless said otherwise: a person would have left before.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
/// Ports that pages are fetched from unless said otherwise: those of the web, and their usual neighbours. Other
/// services cannot be talked to in the guise of a page.
const PORTS: [u16; 4] = [80, 443, 8080, 8443];
/// Bytes of text of one call, about 8,000 tokens: the rest is there for the next one.
const WINDOW_BYTES: usize = 32 << 10;
/// What making text of a page may take besides.
const READING_TIME: Duration = Duration::from_secs(10);

/// Pages of the web that an agent may read: the tool `fetch_url`.
///
/// It fetches text from public addresses, by `http` and `https`, from the ports 80, 443, 8080 and 8443. HTML becomes
/// text with the marks of Markdown; scripts, what is hidden and characters that nobody sees are left out. Private
/// addresses, this machine among them, are out of reach, whether they are written out, behind a name or at the end of a
/// redirect. Proxies that the environment names are not used: they would connect to what nobody has looked at.
///
/// ```
/// use lorewell_agent::tools::Fetch;
///
/// # fn main() -> lorewell_agent::Result<()> {
/// let fetch = Fetch::new().allow_host("docs.rs").allow_host("*.rust-lang.org").tool()?;
/// assert_eq!(fetch.spec().name, "fetch_url");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Fetch {
    allowed: Vec<String>,
    denied: Vec<String>,
    opened: Vec<String>,
    ports: Vec<u16>,
    timeout: Duration,
}

#[derive(Deserialize, JsonSchema)]
struct Asked {
    /// The address of the page, such as `https://docs.rs/`.
    url: String,
    /// The byte of its text to begin with, to read on in a long page.
    start: Option<usize>,
}

impl Default for Fetch {
    fn default() -> Self {
        Self::new()
    }
}

impl Fetch {
    /// Fetches from any public host, until told otherwise.
    #[must_use]
    pub fn new() -> Self {
        let (allowed, denied, opened) = (Vec::new(), Vec::new(), Vec::new());
        Self { allowed, denied, opened, ports: PORTS.to_vec(), timeout: FETCH_TIMEOUT }
    }

    /// Fetches only from this host and others that are allowed: `docs.rs`, or `*.example.com` for all below it.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.allowed.push(host.into());
        self
    }

    /// Does not fetch from this host, whatever else is allowed: `example.com`, or `*.example.com` for all below it.
    #[must_use]
    pub fn deny_host(mut self, host: impl Into<String>) -> Self {
        self.denied.push(host.into());
        self
    }

    /// Fetches from this host though it be private: `10.0.0.7`, `[::1]:8080`, `wiki.intranet`. With a port, from that
    /// one; else from those that any host may have. A name is trusted with wherever it leads to.
    #[must_use]
    pub fn allow_private(mut self, host: impl Into<String>) -> Self {
        self.opened.push(host.into());
        self
    }

    /// Fetches from this port, too.
    #[must_use]
    pub fn allow_port(mut self, port: u16) -> Self {
        self.ports.push(port);
        self
    }

    /// Sets how long a page may take, redirects and all; [`FETCH_TIMEOUT`] unless said.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Makes the tool.
    ///
    /// # Errors
    /// `Config` if something that was named is no host, all of it at once, or if TLS cannot be set up.
    pub fn tool(&self) -> Result<Arc<dyn Tool>> {
        self.made(self.guard()?, Arc::new(System))
    }

    fn guard(&self) -> Result<Guard> {
        let mut faults = Vec::new();
        let allowed = read(&self.allowed, Pattern::read, &mut faults);
        let denied = read(&self.denied, Pattern::read, &mut faults);
        let opened = read(&self.opened, Opening::read, &mut faults);
        match faults.is_empty() {
            true => Ok(Guard { allowed, denied, opened, ports: self.ports.clone(), ..Guard::new() }),
            false => Err(Error::new(Kind::Config, faults.join("; "))),
        }
    }

    fn made(&self, guard: Guard, lookup: Arc<dyn Lookup>) -> Result<Arc<dyn Tool>> {
        let requests = Arc::new(Requests::new(guard, lookup)?);
        let limit = self.timeout;
        let made = tool(move |asked: Asked| {
            let requests = requests.clone();
            async move { fetch(&requests, limit, &asked).await }
        });
        let made = made.description(self.description()).access(Access::NETWORK).timeout(limit + READING_TIME);
        Ok(Arc::new(made.into_tool("fetch_url")))
    }

    fn description(&self) -> String {
        let mut said =
            "Reads a page of the web by its address. Returns text, of HTML with the marks of Markdown.".to_owned();
        if !self.allowed.is_empty() {
            let hosts: Vec<&str> = self.allowed.iter().chain(&self.opened).map(String::as_str).collect();
            said.push_str(&format!(" Only from: {}.", hosts.join(", ")));
        }
        said
    }
}

/// Reads names of hosts, and keeps what is wrong with them.
fn read<T>(texts: &[String], read: fn(&str) -> Result<T>, faults: &mut Vec<String>) -> Vec<T> {
    let mut found = Vec::new();
    for text in texts {
        match read(text) {
            Ok(host) => found.push(host),
            Err(error) => faults.push(error.message().to_owned()),
        }
    }
    found
}

async fn fetch(requests: &Requests, limit: Duration, asked: &Asked) -> Result<ToolOutput, ToolError> {
    let mut url = Url::parse(&asked.url).map_err(|error| {
        ToolError::retry(format!("`url` is no address ({error}); give one such as `https://docs.rs/`"))
    })?;
    url.set_fragment(None);
    let page = tokio::time::timeout(limit, requests.page(&url)).await;
    let page = page.unwrap_or(Err(Fault::TooSlow(limit))).map_err(|fault| fault.told())?;
    let start = asked.start.unwrap_or(0);
    let text = tokio::task::spawn_blocking(move || {
        let text = content::text(&page)?;
        Ok::<_, ToolError>(format!("{}\n{}", page.url, window(&text, start)?))
    });
    Ok(ToolOutput::text(text.await??).origin(Origin::Web))
}

/// Takes the part of a text that one call returns, and says which one it is.
fn window(text: &str, start: usize) -> Result<String, ToolError> {
    let all = text.len();
    if start > 0 && start >= all {
        return Err(ToolError::retry(format!("the page has only {all} bytes of text; `start` is beyond them")));
    }
    let (start, end) = (text.floor_char_boundary(start), text.floor_char_boundary(start.saturating_add(WINDOW_BYTES)));
    let part = &text[start..end];
    Ok(match (start, end == all) {
        (0, true) if all == 0 => "[empty]".to_owned(),
        (0, true) => part.to_owned(),
        (_, true) => format!("[bytes {start}-{end} of {all}]\n{part}"),
        (_, false) => format!("[bytes {start}-{end} of {all}; go on with `start` {end}]\n{part}"),
    })
}
