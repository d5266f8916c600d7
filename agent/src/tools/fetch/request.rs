//! Asks for a page: follows redirects by hand, so that each step passes the guard, and reads what comes up to a limit.
//! Sends no cookies, no credentials and nothing about where it has been.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use lorewell_model::{Kind, OrKind as _, Result};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::content::may_be_text;
use super::fault::Fault;
use super::guard::{Checked, Guard, Lookup, Reach};

/// Redirects that are followed: half of what browsers do (Fetch standard, §4.4: 20), and pages need two or three.
const REDIRECTS_MAX: usize = 10;
/// Bytes of a page that are read: all of it but for single-page manuals. The packed and the unpacked form both stop
/// here.
pub(super) const BODY_BYTES_MAX: usize = 4 << 20;
/// How long a connection may take: the other side of the world answers in less than one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What is asked for: text, HTML first.
const ACCEPTED: &str =
    "text/html, application/xhtml+xml, text/*;q=0.9, application/json;q=0.9, application/xml;q=0.9, */*;q=0.1";
/// Who asks, so that the people of a site know it and can write rules for it.
const USER_AGENT: &str = concat!("lorewell/", env!("CARGO_PKG_VERSION"), " (+", env!("CARGO_PKG_REPOSITORY"), ")");

/// What came for an address.
#[derive(Debug)]
pub(super) struct Page {
    /// Where it was found in the end.
    pub(super) url: Url,
    /// `Content-Type`; empty if there was none.
    pub(super) content_type: String,
    /// `Content-Length`, of the packed form if it was packed.
    pub(super) announced: Option<u64>,
    /// None of what is no text by its type.
    pub(super) bytes: Vec<u8>,
    /// There was more than is read.
    pub(super) is_cut: bool,
}

/// The two ways to reach a host: with every address checked, or without. Which one is used is decided anew for each
/// step.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    guard: Arc<Guard>,
    public: Client,
    opened: Client,
}

impl Requests {
    pub(super) fn new(guard: Guard, lookup: Arc<dyn Lookup>) -> Result<Self> {
        let public = client(Checked { lookup: lookup.clone(), is_public: Some(guard.is_public) })?;
        let opened = client(Checked { lookup, is_public: None })?;
        Ok(Self { guard: Arc::new(guard), public, opened })
    }

    /// Fetches a page, wherever it has moved to.
    pub(super) async fn page(&self, asked: &Url) -> Result<Page, Fault> {
        let mut url = asked.clone();
        let mut reach = self.guard.check(&url).map_err(Fault::Refused)?;
        for step in 0..=REDIRECTS_MAX {
            let response = self.send(&url, reach).await.map_err(|fault| fault.at_step(step))?;
            let Some(next) = moved(&url, &response)? else { return read(url, response).await };
            reach = self.guard.check(&next).map_err(Fault::Redirected)?;
            url = next;
        }
        Err(Fault::Redirects(REDIRECTS_MAX))
    }

    async fn send(&self, url: &Url, reach: Reach) -> Result<Response, Fault> {
        let client = match reach {
            Reach::Public => &self.public,
            Reach::Opened => &self.opened,
        };
        let sent = client.get(url.clone()).header(ACCEPT, ACCEPTED).header(ACCEPT_ENCODING, "gzip").send().await;
        sent.map_err(|error| Fault::unsent(&error))
    }
}

/// Makes a client that resolves names in one way. A proxy would resolve them by itself, out of sight of the guard, so
/// those that the environment names are not used. Connections are not kept: the next page may be under other rules.
fn client(resolver: Checked) -> Result<Client> {
    provide_tls();
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(USER_AGENT)
        .dns_resolver(Arc::new(resolver))
        .build()
        .or_kind(Kind::Config)
}

/// TLS with ring, unless the program has chosen something else.
fn provide_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // It fails only if another thread was faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Returns where a page has moved to.
pub(super) fn moved(url: &Url, response: &Response) -> Result<Option<Url>, Fault> {
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = response.headers().get(LOCATION).filter(|_| is_redirect) else { return Ok(None) };
    let location = location.to_str().map_err(|_| Fault::Location)?;
    let next = url.join(location).map_err(|_| Fault::Location)?;
    match (url.scheme(), next.scheme()) {
        ("https", "http") => Err(Fault::Downgrade),
        _ => Ok(Some(next)),
    }
}

/// Reads what came, up to the limit.
async fn read(url: Url, mut response: Response) -> Result<Page, Fault> {
    let status = response.status();
    if !status.is_success() {
        return Err(Fault::Status(status));
    }
    let content_type = header(response.headers(), &CONTENT_TYPE);
    let encoding = header(response.headers(), &CONTENT_ENCODING).to_ascii_lowercase();
    let announced = response.content_length();
    let (mut bytes, mut is_cut) = (Vec::new(), false);
    if !may_be_text(&content_type) {
        return Ok(Page { url, content_type, announced, bytes, is_cut });
    }
    while let Some(chunk) = response.chunk().await.map_err(|error| Fault::broken(&error))? {
        let left = BODY_BYTES_MAX - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(left)]);
        if chunk.len() > left {
            is_cut = true;
            break;
        }
    }
    let page = Page { url, content_type, announced, bytes, is_cut };
    match &*encoding {
        "" | "identity" => Ok(page),
        "gzip" | "x-gzip" => unpacked(page).await,
        _ => Err(Fault::Encoding(encoding)),
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim().to_owned()
}

/// Unpacks a body up to the limit, so that a small one cannot become a large one. What was cut off packed is unpacked
/// as far as it goes.
async fn unpacked(page: Page) -> Result<Page, Fault> {
    let work = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let read = MultiGzDecoder::new(&*page.bytes).take(BODY_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
        let is_cut = page.is_cut || bytes.len() > BODY_BYTES_MAX;
        bytes.truncate(BODY_BYTES_MAX);
        match read {
            Err(error) if !is_cut => Err(Fault::broken(&error)),
            _ => Ok(Page { bytes, is_cut, ..page }),
        }
    });
    work.await.map_err(|error| Fault::broken(&error))?
}
