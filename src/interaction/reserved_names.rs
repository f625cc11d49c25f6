//! Names that only an administrator gives: whoever bears one is taken for those who run the service, or gets mail that is meant
//! for them (RFC 2142). A name that is written a little differently is the same one to a reader.

use crate::credential::guessable::folded;
use crate::store::users::LoginName;

const RESERVED: &[&str] = &[
    // RFC 2142.
    "abuse",
    "ftp",
    "hostmaster",
    "info",
    "marketing",
    "news",
    "noc",
    "postmaster",
    "sales",
    "security",
    "support",
    "usenet",
    "uucp",
    "webmaster",
    "www",
    // Those who run it.
    "admin",
    "admins",
    "administration",
    "administrator",
    "administrators",
    "billing",
    "compliance",
    "contact",
    "customerservice",
    "epost",
    "help",
    "helpdesk",
    "hilfe",
    "it",
    "itsupport",
    "kontakt",
    "legal",
    "mailerdaemon",
    "management",
    "moderator",
    "official",
    "operator",
    "operations",
    "owner",
    "privacy",
    "service",
    "servicedesk",
    "staff",
    "superuser",
    "supervisor",
    "sysadmin",
    "sysop",
    "systemadministrator",
    "team",
    "verwaltung",
    // What is no person.
    "account",
    "accounts",
    "anonymous",
    "api",
    "auth",
    "authentication",
    "bot",
    "daemon",
    "donotreply",
    "everybody",
    "everyone",
    "identity",
    "idp",
    "login",
    "mail",
    "me",
    "nobody",
    "noreply",
    "null",
    "oauth",
    "openid",
    "password",
    "register",
    "root",
    "self",
    "signin",
    "signup",
    "smtp",
    "imap",
    "sso",
    "ssladmin",
    "sslwebmaster",
    "system",
    "undefined",
    "unknown",
    "username",
    // Host names that programs look for.
    "autoconfig",
    "autodiscover",
    "isatap",
    "localdomain",
    "localhost",
    "wpad",
];

/// Those that say who somebody is in whatever they stand beside: `acme.admin`, `support-team`.
const OFFICES: &[&str] = &[
    "admin",
    "administrator",
    "helpdesk",
    "moderator",
    "official",
    "operator",
    "postmaster",
    "root",
    "security",
    "staff",
    "support",
    "sysadmin",
    "webmaster",
];

/// Whether it is one of these, or of `own`: the names of the service itself, its host, and the parts of both.
pub fn is_reserved(name: &LoginName, own: &[String]) -> bool {
    let labels =
        own.iter().filter_map(|name| name.rsplit_once('.')).flat_map(|(labels, _)| labels.split('.'));
    let words = own.iter().flat_map(|name| name.split_whitespace());
    let mut own = own.iter().map(String::as_str).chain(labels).chain(words).map(folded).collect::<Vec<_>>();
    own.retain(|name| !name.is_empty());
    let parts = name.as_str().split(['.', '-', '_']);
    let in_office = |part: &str| OFFICES.contains(&folded(part).as_str());
    if name.as_str().contains(['.', '-', '_']) && parts.into_iter().any(in_office) {
        return true;
    }
    let reads_as = |digit_one: char| {
        let letter = |c| match c {
            '0' => 'o',
            '1' => digit_one,
            '3' => 'e',
            '4' => 'a',
            '5' => 's',
            '7' => 't',
            other => other,
        };
        let plain = folded(name.as_str());
        let numbered = plain.trim_end_matches(|c: char| c.is_ascii_digit());
        let read = |text: &str| text.chars().map(letter).collect::<String>();
        [plain.clone(), numbered.to_owned(), read(&plain), read(numbered)]
    };
    let readings = ['i', 'l'].into_iter().flat_map(reads_as);
    readings.into_iter().any(|read| RESERVED.contains(&read.as_str()) || own.contains(&read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_those_who_run_the_service_is_reserved_however_it_is_written() {
        let own = ["Acme Login".to_owned(), "id.acme.example".to_owned()];
        let is_reserved = |name| super::is_reserved(&LoginName::parse(name).unwrap(), &own);
        for name in [
            "admin",
            "Admin",
            "a.d.m.i.n",
            "admin_",
            "-admin-",
            "admin1",
            "adm1n",
            "r00t",
            "he1p",
            "no-reply",
            "Acme_Login",
            "acme",
            "login",
            "id.acme.example",
            "acme.admin",
            "Tech-Support",
            "support_team",
        ] {
            assert!(is_reserved(name), "{name}");
        }
        for name in [
            "ada",
            "adminka",
            "rooter",
            "eve22",
            "helper.of.ada",
            "wwwilliam",
            "42",
            "mali",
            "example",
            "call.me",
            "ada.rooter",
        ] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
