//! The HTTP client that OTLP is sent with: the one of all of Lorewell, which encrypts with ring, follows no redirects, and limits
//! what it waits for and reads.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use lorewell_model::{Error, Kind, Result};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};

/// Bytes of an answer; a collector says little.
const ANSWER_BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Client(reqwest::Client);

impl Client {
    pub(super) fn new(endpoint: &str, allow_plaintext: bool, timeout: Duration) -> Result<Self> {
        check(endpoint, allow_plaintext)?;
        lorewell_model::remote::provide_tls();
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none()) // a key is not sent on to another address
            .user_agent(concat!("lorewell/", env!("CARGO_PKG_VERSION")))
            .build();
        client.map(Self).map_err(|error| Error::from_source(Kind::Config, error).context("preparing to send traces"))
    }
}

/// Refuses what is no address, and to send what runs do without encryption over a network. An address may have a password in it,
/// so it is not shown.
fn check(endpoint: &str, allow_plaintext: bool) -> Result<()> {
    let wrong = |what: &str| Err(Error::new(Kind::Config, format!("the address for traces {what}")));
    let Ok(url) = reqwest::Url::parse(endpoint) else { return wrong("is no URL; write `https://HOST/v1/traces`") };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_here || allow_plaintext => Ok(()),
        "http" => wrong(&format!("is not encrypted, and `{host}` is another machine; use `https`, or allow plaintext")),
        _ => wrong("must begin with `https://` or `http://`"),
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut answer = self.0.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let mut body = Vec::new();
        while let Some(bytes) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
            if body.len() + bytes.len() > ANSWER_BYTES_MAX {
                return Err(format!("the answer has more than {ANSWER_BYTES_MAX} bytes").into());
            }
            body.extend_from_slice(&bytes);
        }
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_stays_on_this_machine_unless_allowed() {
        for here in ["http://localhost:4318/v1/traces", "http://127.0.0.2/", "http://[::1]:4318/", "https://a.example/"]
        {
            assert!(check(here, false).is_ok(), "{here}");
        }
        for away in ["http://a.example/", "http://localhost.example/", "http://10.0.0.1/", "http://0.0.0.0/"] {
            let error = check(away, false).unwrap_err();
            assert!(error.kind() == Kind::Config && error.message().contains("not encrypted"), "{error}");
            assert!(check(away, true).is_ok(), "{away}");
        }
        for wrong in ["", "localhost:4318", "ftp://localhost/", "/v1/traces"] {
            assert_eq!(check(wrong, true).unwrap_err().kind(), Kind::Config, "{wrong}");
        }
        let error = check("ftp://user:password@a.example/", true).unwrap_err();
        assert!(!error.to_string().contains("password"), "{error}");
    }
}
