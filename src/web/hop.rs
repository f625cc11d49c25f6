//! One address of `X-Forwarded-For`, as proxies write it: plain, with brackets, with a port.

use crate::base::entropy::Entropy;
use std::net::IpAddr;
use std::net::SocketAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    Read(IpAddr),
    /// It names nobody, and never this machine or a proxy.
    Unreadable,
}

/// As many sources pass for those whom a proxy does not name.
const NAMELESS: u16 = 4_096;

impl Hop {
    pub fn parse(text: &str) -> Self {
        address(text.trim().trim_matches('"')).map_or(Self::Unreadable, Self::Read)
    }
}

/// One of them, by the dice. Attack: a proxy writes `unknown` for everybody, and whoever fills the bounds of that one source shuts
/// everybody out.
pub fn nameless(entropy: &dyn Entropy) -> String {
    let mut dice = [0; 2];
    entropy.fill(&mut dice);
    format!("unreadable {}", u16::from_be_bytes(dice) % NAMELESS)
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
    use crate::base::entropy::SystemEntropy;
    use std::collections::BTreeSet;

    fn read(text: &str) -> Option<String> {
        match Hop::parse(text) {
            Hop::Read(address) => Some(address.to_string()),
            Hop::Unreadable => None,
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
    fn whom_a_proxy_does_not_name_is_no_source_for_all_and_there_are_not_many() {
        let sources = (0..20_000).map(|_| nameless(&SystemEntropy)).collect::<BTreeSet<_>>();
        assert!((4_000..=4_096).contains(&sources.len()), "{}", sources.len());
    }
}
