//! Moves bytes: sends a request, and hands on the bytes of the answer as they come. Every wait has a limit, and so has what
//! is read.

use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url};

use super::wire::{Header, Wire};
use crate::secret::Secret;
use crate::{Error, Kind, Result};

/// The most bytes of one answer, frames and all.
pub const RESPONSE_BYTES_MAX: usize = 256 << 20;
/// The most bytes of an error that are read.
const ERROR_BYTES_MAX: usize = 64 << 10;
/// The most bytes of a list of models.
const LIST_BYTES_MAX: usize = 16 << 20;
/// How long the words of an error may take: its status says most of it.
const ERROR_TIME_MAX: Duration = Duration::from_secs(5);
/// The longest wait that is believed in `Retry-After`.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How long each phase of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the answer begins, and until its first words: models that think say nothing for minutes.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
    /// For all of it.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    /// Ten seconds to connect, five minutes until the answer begins, two between its pieces.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(300),
            idle: Duration::from_secs(120),
            total: None,
        }
    }
}

impl Timeouts {
    /// Gives every phase the same time.
    #[must_use]
    pub fn each(time: Duration) -> Self {
        Self { connect: time, first_byte: time, idle: time, total: None }
    }

    /// Limits all of it.
    #[must_use]
    pub fn total(mut self, time: Duration) -> Self {
        self.total = Some(time);
        self
    }
}

/// Sends requests to one provider.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client,
    timeouts: Timeouts,
    headers: HeaderMap,
    /// What must not be in a message.
    secrets: Vec<Secret>,
    wire: &'static dyn Wire,
}

impl Http {
    pub(crate) fn new(
        wire: &'static dyn Wire,
        headers: &[Header],
        own: &[(String, Secret)],
        timeouts: Timeouts,
    ) -> Result<Self> {
        provide_tls();
        let client = Client::builder()
            .connect_timeout(timeouts.connect)
            .redirect(reqwest::redirect::Policy::none()) // a key is not sent on to another address
            .user_agent(concat!("lorewell/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
                Error::new(Kind::Config, format!("no HTTP client: {}", reason(&error))).caused_by(error)
            })?;
        let keys = headers.iter().filter(|header| header.is_secret).map(|header| secret_of(&header.value));
        let secrets = keys.chain(own.iter().map(|(_, value)| secret_of(value))).collect();
        let headers = header_map(headers, own)?;
        Ok(Self { client, timeouts, headers, secrets, wire })
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Sends a request, and returns the answer once it begins and is one.
    pub(crate) async fn send(&self, method: Method, url: Url, body: Option<Vec<u8>>) -> Result<Body> {
        let began = tokio::time::Instant::now();
        let mut request = self.client.request(method, url).headers(self.headers.clone());
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let first = self.timeouts.connect.saturating_add(self.timeouts.first_byte);
        let wait = self.timeouts.total.map_or(first, |total| total.min(first));
        let response = tokio::time::timeout(wait, request.send())
            .await
            .map_err(|_| Error::new(Kind::Timeout, format!("the answer did not begin within {wait:?}")))?;
        let response = response.map_err(|error| self.unsent(error))?;
        let until = self.timeouts.total.map(|total| began + total);
        let status = response.status();
        // Headers come at once; what the model has to say may take its time.
        let mut body = Body { response, idle: first, until, bytes: 0, bytes_max: RESPONSE_BYTES_MAX };
        match status {
            StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED => Ok(body),
            _ => {
                let wait = retry_after(body.response.headers());
                let read = tokio::time::timeout(ERROR_TIME_MAX, body.text(ERROR_BYTES_MAX)).await;
                // What is shown of it may be cut, and half a key is a key too: it is taken out first.
                let text = self.redacted(&read.unwrap_or_default());
                Err(self.fault(status, &text, wait))
            }
        }
    }

    fn fault(&self, status: StatusCode, body: &str, wait: Option<Duration>) -> Error {
        let mut fault = self.wire.fault(status.as_u16(), body);
        fault.retry_after = wait.or(fault.retry_after);
        fault.error()
    }

    /// Takes keys out of a text, as providers like to quote them.
    pub(crate) fn redacted(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| secret.redact(&text))
    }

    fn unsent(&self, error: reqwest::Error) -> Error {
        let address = error.url().map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        let error = error.without_url();
        let message = match (error.is_timeout(), error.is_connect()) {
            (true, _) => {
                return Error::new(Kind::Timeout, format!("no connection to `{address}` in time")).caused_by(error);
            }
            (_, true) => format!("no connection to `{address}`: {}; is it running and reachable?", reason(&error)),
            _ => format!("`{address}` broke off: {}", reason(&error)),
        };
        Error::new(Kind::Unavailable, self.redacted(&message))
    }

    /// Reads a short answer whole.
    pub(crate) async fn text(&self, url: Url) -> Result<String> {
        let mut body = self.send(Method::GET, url, None).await?;
        body.bytes_max = LIST_BYTES_MAX;
        let mut text = Vec::new();
        while let Some(bytes) = body.next().await? {
            text.extend_from_slice(&bytes);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// The bytes of an answer.
#[derive(Debug)]
pub(crate) struct Body {
    response: Response,
    idle: Duration,
    until: Option<tokio::time::Instant>,
    bytes: usize,
    bytes_max: usize,
}

impl Body {
    /// The model speaks: from now on it may not fall silent for so long.
    pub(crate) fn speaks(&mut self, timeouts: &Timeouts) {
        self.idle = timeouts.idle;
    }

    /// Returns the next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + use<>>> {
        let idle = tokio::time::Instant::now() + self.idle;
        let until = self.until.map_or(idle, |until| until.min(idle));
        let chunk = tokio::time::timeout_at(until, self.response.chunk()).await.map_err(|_| {
            let message = match until < idle {
                true => "the answer took too long in all".to_owned(),
                false => format!("the answer stopped: nothing came for {:?}", self.idle),
            };
            Error::new(Kind::Timeout, message)
        })?;
        let chunk = chunk.map_err(|error| {
            Error::new(Kind::Unavailable, format!("the answer broke off: {}; ask again", reason(&error)))
        })?;
        self.bytes += chunk.as_ref().map_or(0, |chunk| <[u8]>::len(chunk));
        if self.bytes > self.bytes_max {
            return Err(Error::new(Kind::Limit, format!("an answer of more than {} bytes", self.bytes_max)));
        }
        Ok(chunk)
    }

    /// Reads the beginning of the rest, whatever it is.
    async fn text(&mut self, bytes_max: usize) -> String {
        let mut text = Vec::new();
        while let Ok(Some(bytes)) = self.next().await
            && text.len() < bytes_max
        {
            text.extend_from_slice(&bytes);
        }
        text.truncate(bytes_max);
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Sets up TLS with ring, unless the program has chosen something else. Clients of `reqwest` need that before they are built.
pub fn provide_tls() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // It fails only if another thread was faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Those of the format, and over them those of the person, which are all taken for secret.
fn header_map(headers: &[Header], own: &[(String, Secret)]) -> Result<HeaderMap> {
    let made = headers.iter().map(|header| (header.name, &header.value, header.is_secret));
    let own = own.iter().map(|(name, value)| (name.as_str(), value, true));
    let mut map = HeaderMap::new();
    for (name, value, is_secret) in made.chain(own) {
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| {
            let message = format!("the value of the header `{name}` has characters that no header may have");
            Error::new(Kind::Config, message)
        })?;
        value.set_sensitive(is_secret);
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::new(Kind::Config, format!("`{name}` is no name of a header")))?;
        map.insert(name, value);
    }
    Ok(map)
}

/// The key itself, without the word before it.
fn secret_of(value: &Secret) -> Secret {
    value.reveal().strip_prefix("Bearer ").map_or_else(|| value.clone(), Secret::new)
}

/// The innermost reason, which says most.
pub(crate) fn reason(error: &dyn std::error::Error) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

/// Reads how long to wait: milliseconds as OpenAI gives them, seconds or a date as RFC 9110 has them (§10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    // Some say `0` there and mean the other one.
    let ms = text("retry-after-ms").and_then(|ms| ms.trim().parse::<f64>().ok()).filter(|ms| *ms > 0.0);
    let wait = match ms {
        Some(ms) => Duration::try_from_secs_f64(ms / 1000.0).ok()?,
        None => {
            let value = text(RETRY_AFTER.as_str())?.trim();
            match value.parse::<f64>() {
                Ok(seconds) => Duration::try_from_secs_f64(seconds).ok()?,
                Err(_) => {
                    let date = httpdate::parse_http_date(value).ok()?;
                    date.duration_since(SystemTime::now()).unwrap_or_default()
                }
            }
        }
    };
    // No wait at all is no advice.
    (!wait.is_zero()).then(|| wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_in_all_their_forms() {
        let wait = |name: &'static str, value: &str| {
            retry_after(&HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]))
        };
        assert_eq!(wait("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(wait("retry-after", "0.5"), Some(Duration::from_millis(500)));
        let both = [("retry-after-ms", "0"), ("retry-after", "1")];
        let both = both.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        assert_eq!(retry_after(&HeaderMap::from_iter(both)), Some(Duration::from_secs(1)));
        assert_eq!(wait("retry-after-ms", "120"), Some(Duration::from_millis(120)));
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert_eq!(wait("retry-after", "1e300"), None);
        assert_eq!(wait("retry-after", "-3"), None);
        assert_eq!(wait("retry-after", "soon"), None);
        assert_eq!(wait("retry-after", "999999999"), Some(RETRY_AFTER_MAX));
    }
}
