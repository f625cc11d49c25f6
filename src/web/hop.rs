//! One address of `X-Forwarded-For`, as proxies write it: plain, with brackets, with a port.

use crate::base::secret::Secret;
use std::net::IpAddr;
use std::net::SocketAddr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    Read(IpAddr),
    /// It names nobody, and never this machine or a proxy.
    Unreadable(Unreadable),
}

/// A source of its own, of which there are not more than so many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

/// Letters of base64url that are kept of the hash: 4,096 sources.
const KEPT: usize = 2;

impl Hop {
    pub fn parse(text: &str) -> Self {
        let text = text.trim().trim_matches('"');
        match address(text) {
            Some(address) => Self::Read(address),
            None => Self::Unreadable(Unreadable::of(text)),
        }
    }
}

impl Unreadable {
    fn of(text: &str) -> Self {
        Self(Secret::presented(text).hash().as_str().chars().take(KEPT).collect())
    }

    pub fn source(&self) -> String {
        format!("unreadable {}", self.0)
    }
}

fn address(text: &str) -> Option<IpAddr> {
    let bare =
        text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|bare| bare.contains(':'));
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.unwrap_or(text).parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        match Hop::parse(text) {
            Hop::Read(address) => Some(address.to_string()),
            Hop::Unreadable(_) => None,
        }
    }

    #[test]
    fn an_address_is_read_with_a_port_and_brackets_and_nothing_else_is() {
        for (text, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            (" 203.0.113.7:4711 ", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("\"[2001:db8::1]:443\"", "2001:db8::1"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "unknown",
            "_hidden",
            "203.0.113.7:",
            "203.0.113.7:99999",
            "[203.0.113.7]",
            "[::1",
            "::1]:80",
            "localhost",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn what_can_not_be_read_is_no_source_for_all_and_there_are_not_many() {
        let source = |text: String| match Hop::parse(&text) {
            Hop::Read(_) => panic!("{text}"),
            Hop::Unreadable(unreadable) => unreadable.source(),
        };
        let sources =
            (0..20_000).map(|n| source(format!("client {n}"))).collect::<std::collections::BTreeSet<_>>();
        assert!((4_000..=4_096).contains(&sources.len()), "{}", sources.len());
        assert_eq!(source("client 1".into()), source(" client 1".into()));
    }
}
