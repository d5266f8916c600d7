//! What may be fetched: the form of an address, its host, its port, and where its host really is. Every step of a
//! redirect passes here, and names are resolved here, so that no connection goes to an address that was not looked at.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::address::is_public;
use super::pattern::{Opening, Pattern};

/// Longer ones are no addresses that people use (RFC 9110, §4.1, asks for 8000 of servers; browsers link shorter ones).
const URL_BYTES_MAX: usize = 4096;

/// The rules.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    /// The only hosts that may be fetched from; any where there is none.
    pub(super) allowed: Vec<Pattern>,
    /// Hosts that may not.
    pub(super) denied: Vec<Pattern>,
    /// Hosts that may be private.
    pub(super) opened: Vec<Opening>,
    pub(super) ports: Vec<u16>,
    /// Replaced in tests, where no public address can be reached.
    pub(super) is_public: fn(IpAddr) -> bool,
}

/// How a host may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// At public addresses.
    Public,
    /// At any address: the developer named the host.
    Opened,
}

/// Why something is not fetched, in words for the model. They name no address: where a name leads to is private, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Long,
    Scheme,
    Credentials,
    Port(u16),
    Host,
    Private,
}

impl Guard {
    pub(super) fn new() -> Self {
        let (allowed, denied, opened) = (Vec::new(), Vec::new(), Vec::new());
        Self { allowed, denied, opened, ports: super::PORTS.to_vec(), is_public }
    }

    /// Checks an address, all but where its name leads to: see [`Checked`].
    pub(super) fn check(&self, url: &Url) -> Result<Reach, Refusal> {
        if url.as_str().len() > URL_BYTES_MAX {
            return Err(Refusal::Long);
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return Err(Refusal::Host) };
        if self.denied.iter().any(|pattern| pattern.fits(&host)) {
            return Err(Refusal::Host);
        }
        if self.opened.iter().any(|opening| opening.fits(&host, port, &self.ports)) {
            return Ok(Reach::Opened);
        }
        self.check_open(&host, port)
    }

    /// Checks what nobody has opened.
    fn check_open(&self, host: &Host<&str>, port: u16) -> Result<Reach, Refusal> {
        if !self.allowed.is_empty() && !self.allowed.iter().any(|pattern| pattern.fits(host)) {
            return Err(Refusal::Host);
        }
        if !self.ports.contains(&port) {
            return Err(Refusal::Port(port));
        }
        let is_public = match host {
            Host::Ipv4(address) => (self.is_public)(IpAddr::V4(*address)),
            Host::Ipv6(address) => (self.is_public)(IpAddr::V6(*address)),
            Host::Domain(name) => !is_local_name(name),
        };
        if is_public { Ok(Reach::Public) } else { Err(Refusal::Private) }
    }
}

/// Tells whether a name always means this machine (RFC 6761, §6.3), whatever a name server says.
fn is_local_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long => write!(f, "the address is longer than {URL_BYTES_MAX} bytes"),
            Self::Scheme => f.write_str("only `http:` and `https:` can be fetched"),
            Self::Credentials => f.write_str("the address holds a name or a password, and those are not sent"),
            Self::Port(port) => write!(f, "port {port} is not fetched from"),
            Self::Host => f.write_str("this host is not among those that may be fetched from"),
            Self::Private => f.write_str("this host is not on the public internet, and no other may be fetched from"),
        }
    }
}

impl StdError for Refusal {}

/// Finds the addresses of a name.
#[async_trait]
pub(super) trait Lookup: fmt::Debug + Send + Sync {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// As the operating system does it.
#[derive(Debug)]
pub(super) struct System;

#[async_trait]
impl Lookup for System {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// A name leads nowhere.
#[derive(Debug)]
pub(super) struct NoAddress(io::Error);

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no address: {}", self.0)
    }
}

impl StdError for NoAddress {}

/// Resolves the names of connections. What it returns is what is connected to, so that a name cannot mean one address
/// when it is checked and another one a moment later.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) lookup: Arc<dyn Lookup>,
    /// `None` lets any address pass.
    pub(super) is_public: Option<fn(IpAddr) -> bool>,
}

impl Checked {
    /// Returns the addresses of a name, if every one of them may be reached. A name that leads to one that may not is
    /// up to something.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn StdError + Send + Sync>> {
        let found = self.lookup.lookup(name).await.map_err(NoAddress)?;
        if found.is_empty() {
            return Err(NoAddress(io::Error::from(io::ErrorKind::NotFound)).into());
        }
        if self.is_public.is_some_and(|is_public| !found.iter().all(|address| is_public(*address))) {
            return Err(Refusal::Private.into());
        }
        Ok(found.into_iter().map(|address| SocketAddr::new(address, 0)).collect())
    }
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let checked = self.clone();
        Box::pin(async move {
            let addresses = checked.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
