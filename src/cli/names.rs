//! Names that this server has itself: no client and no resource server may have one of them, however it is spelled (attack: a token
//! for one that passes for a token for the other).

use crate::config::Issuer;
use percent_encoding::percent_decode_str;
use url::Url;

/// The first segments of our paths.
const OWN: [&str; 13] = [
    ".well-known",
    "account",
    "authorize",
    "healthz",
    "interaction",
    "introspect",
    "jwks",
    "logout",
    "metrics",
    "readyz",
    "revoke",
    "token",
    "userinfo",
];

/// Whether `name` is the issuer or the address of one of its endpoints.
pub fn is_of_this_server(issuer: &Issuer, name: &str) -> bool {
    let (Some(own), Ok(named)) = (issuer.address(), Url::parse(name)) else { return false };
    if host(&own) != host(&named) || !same_port(&own, &named) {
        return false;
    }
    let (own, named) = (segments(&own), segments(&named));
    named.strip_prefix(own.as_slice()).is_some_and(|rest| match rest {
        [] => true,
        [first, ..] => OWN.contains(&first.as_str()),
    })
}

/// As it is resolved: without the dot that ends an absolute name.
fn host(url: &Url) -> Option<String> {
    url.host_str().map(|host| host.trim_end_matches('.').to_ascii_lowercase())
}

/// The default port of either scheme is none.
fn same_port(own: &Url, named: &Url) -> bool {
    own.port() == named.port() || own.port_or_known_default() == named.port_or_known_default()
}

fn segments(url: &Url) -> Vec<String> {
    let decoded = percent_decode_str(url.path()).decode_utf8_lossy();
    decoded.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_and_its_endpoints_are_known_however_they_are_spelled() {
        let issuer = Issuer::parse("https://op.test/tenant").unwrap();
        for own in [
            "https://op.test/tenant",
            "https://op.test/tenant/",
            "HTTPS://OP.TEST/tenant",
            "https://op.test:443/tenant",
            "https://op.test./tenant",
            "http://op.test/tenant",
            "https://ada@op.test/tenant",
            "https://op.test//tenant//token",
            "https://op.test/tenant/token?x=1",
            "https://op.test/x/../tenant/%74oken",
            "https://op.test/tenant/.well-known/openid-configuration",
        ] {
            assert!(is_of_this_server(&issuer, own), "{own}");
        }
        for other in [
            "https://op.test",
            "https://op.test/other",
            "https://op.test/tenant/api",
            "https://op.test/tenants",
            "https://op.test:8443/tenant",
            "https://api.op.test/tenant",
            "https://op.test.evil.test/tenant",
            "urn:op.test:tenant",
            "shop",
        ] {
            assert!(!is_of_this_server(&issuer, other), "{other}");
        }
    }
}
