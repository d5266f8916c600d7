//! Hosts as a developer names them: one, all below one, one with a port. Read once, and compared in the form in which
//! addresses are read, so that no spelling slips through.

use lorewell_model::{Error, Kind, Result};
use url::{Host, Url};

/// A host, or all hosts below one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    host: Host,
    is_below: bool,
}

/// A host that may be private, at one port or at those that any host may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    host: Host,
    port: Option<u16>,
}

impl Pattern {
    /// Reads `docs.rs`, `93.184.216.34`, `[2606:4700::1111]` or `*.example.com`.
    pub(super) fn read(text: &str) -> Result<Self> {
        let below = text.strip_prefix("*.");
        let host = host(below.unwrap_or(text));
        let host = host.filter(|host| below.is_none() || matches!(host, Host::Domain(_)));
        let host = host.ok_or_else(|| wrong(text, "a host, such as `docs.rs` or `*.example.com`"))?;
        Ok(Self { host, is_below: below.is_some() })
    }

    pub(super) fn fits(&self, host: &Host<&str>) -> bool {
        match (&self.host, host) {
            (Host::Domain(own), Host::Domain(name)) if self.is_below => {
                rooted(name).strip_suffix(own.as_str()).is_some_and(|before| before.ends_with('.'))
            }
            _ => is_same(&self.host, host),
        }
    }
}

impl Opening {
    /// Reads `intranet.example`, `10.0.0.7:8080` or `[::1]:8080`.
    pub(super) fn read(text: &str) -> Result<Self> {
        let end = text.rfind(':').filter(|at| !text[*at..].contains(']'));
        let (name, port) = end.map_or((text, None), |at| (&text[..at], Some(&text[at + 1..])));
        let port = port.map(str::parse).transpose().ok().filter(|port| *port != Some(0));
        let (Some(host), Some(port)) = (host(name), port) else {
            return Err(wrong(text, "a host, such as `10.0.0.7`, `[::1]` or `intranet.example:8080`"));
        };
        Ok(Self { host, port })
    }

    /// Tells whether this host and this port are meant; any of `ports` where it names none.
    pub(super) fn fits(&self, host: &Host<&str>, port: u16, ports: &[u16]) -> bool {
        is_same(&self.host, host) && self.port.map_or_else(|| ports.contains(&port), |own| own == port)
    }
}

fn is_same(own: &Host, host: &Host<&str>) -> bool {
    match (own, host) {
        (Host::Domain(own), Host::Domain(name)) => own == rooted(name),
        (Host::Ipv4(own), Host::Ipv4(address)) => own == address,
        (Host::Ipv6(own), Host::Ipv6(address)) => own == address,
        (Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_), _) => false,
    }
}

/// A name that ends in a full stop is the same name.
fn rooted(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// Reads a host as it stands in an address.
fn host(text: &str) -> Option<Host> {
    let has_port = text.contains(':') && !text.starts_with('[');
    if has_port || text.contains(['/', '\\', '?', '#', '@', '*']) || text.chars().any(char::is_whitespace) {
        return None;
    }
    let url = Url::parse(&format!("http://{text}/")).ok()?;
    match url.host().filter(|_| url.port().is_none())? {
        Host::Domain(name) => Some(Host::Domain(rooted(name).to_owned())),
        Host::Ipv4(address) => Some(Host::Ipv4(address)),
        Host::Ipv6(address) => Some(Host::Ipv6(address)),
    }
}

fn wrong(text: &str, wanted: &str) -> Error {
    Error::new(Kind::Config, format!("`{text}` names no host to fetch from; give {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fits(pattern: &str, url: &str) -> bool {
        Pattern::read(pattern).unwrap().fits(&Url::parse(url).unwrap().host().unwrap())
    }

    #[test]
    fn a_host_is_known_in_every_spelling() {
        for url in ["http://docs.rs/", "https://DOCS.rs:8443/a", "http://docs.rs./", "http://d%6fcs.rs/"] {
            assert!(fits("docs.rs", url), "{url}");
        }
        for url in ["http://docs.rs.evil.example/", "http://evildocs.rs/", "http://a.docs.rs/", "http://rs/"] {
            assert!(!fits("docs.rs", url), "{url}");
        }
        assert!(fits("bücher.example", "http://xn--bcher-kva.example/") && fits("Docs.RS.", "http://docs.rs"));
        assert!(fits("127.0.0.1", "http://0x7f.1/") && fits("127.1", "http://2130706433/"));
        assert!(fits("[::1]", "http://[0:0::1]/") && !fits("[::1]", "http://[::2]/"));
    }

    #[test]
    fn a_star_stands_for_names_below() {
        assert!(fits("*.example.com", "http://a.example.com/") && fits("*.example.com", "http://a.b.example.com./"));
        for url in ["http://example.com/", "http://evilexample.com/", "http://example.com.evil.example/"] {
            assert!(!fits("*.example.com", url), "{url}");
        }
    }

    #[test]
    fn an_opening_is_for_one_host_and_its_ports() {
        let fits = |opening: &str, url: &str| {
            let url = Url::parse(url).unwrap();
            let (host, port) = (url.host().unwrap(), url.port_or_known_default().unwrap());
            Opening::read(opening).unwrap().fits(&host, port, &[80, 443])
        };
        assert!(fits("10.0.0.7:8080", "http://10.0.0.7:8080/") && fits("10.0.0.7", "http://10.0.0.7/"));
        assert!(!fits("10.0.0.7:8080", "http://10.0.0.7/") && !fits("10.0.0.7", "http://10.0.0.7:22/"));
        assert!(!fits("10.0.0.7:8080", "http://10.0.0.8:8080/"));
        assert!(fits("[::1]:9000", "http://[::1]:9000/") && fits("[::1]", "https://[::1]/"));
        assert!(fits("wiki.lan:9000", "http://WIKI.lan.:9000/"));
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for wrong in
            ["", "*", "http://docs.rs", "docs.rs/path", "a@b", "a b", "*.", "*.10.0.0.1", "docs.rs:80", "a?b", "a#b"]
        {
            assert_eq!(Pattern::read(wrong).unwrap_err().kind(), Kind::Config, "{wrong}");
        }
        for wrong in ["", ":80", "10.0.0.7:", "10.0.0.7:0", "10.0.0.7:99999", "10.0.0.0/8", "::1", "*.lan", "a:b"] {
            assert!(Opening::read(wrong).unwrap_err().to_string().contains("names no host"), "{wrong}");
        }
    }
}
