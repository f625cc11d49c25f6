//! How mails leave, read out of the settings: by SMTP, or into a folder of files. What is wrong is said without the URL, which
//! may carry a password; `Debug` leaves it out as well.

use lettre::Address;
use lettre::AsyncSmtpTransport;
use lettre::Tokio1Executor;
use lettre::message::Mailbox;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

#[derive(Clone, Debug)]
pub struct MailSettings {
    pub way: Way,
    pub from: Mailbox,
}

#[derive(Clone, Debug)]
pub enum Way {
    Smtp(Smtp),
    /// One `.eml` file a mail, for development.
    Folder(PathBuf),
}

/// A server that takes mails.
#[derive(Clone)]
pub struct Smtp {
    pub(super) transport: AsyncSmtpTransport<Tokio1Executor>,
    host: String,
    tls: Tls,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Always,
    IfOffered,
    Never,
}

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const MEND: &str = "write smtps://user:password@host or smtp://user:password@host?tls=required";

impl Smtp {
    /// Reads lettre's URL form, and refuses what lettre would pass over in silence; the error is the mend.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| format!("is not a URL; {MEND}"))?;
        let host = url.host_str().filter(|host| !host.is_empty() && !host.starts_with('['));
        let host = host.ok_or_else(|| format!("names no host; {MEND}"))?.to_owned();
        if url.username().is_empty() != url.password().is_none() {
            return Err("has a user name or a password alone; write both, or none".into());
        }
        if url.fragment().is_some() {
            return Err("has a # in it; write %23".into());
        }
        let tls = tls(&url)?;
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(text)
            .map_err(|_| format!("can't be used; {MEND}"))?;
        Ok(Self { transport: builder.timeout(Some(CONNECT_WITHIN)).build(), host, tls })
    }

    /// What is doubtful about it.
    pub fn warning(&self) -> Option<String> {
        let how = match self.tls {
            Tls::Always => return None,
            Tls::IfOffered => "where anybody in between can have them in the clear",
            Tls::Never => "in the clear",
        };
        let local = self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        (!local)
            .then(|| format!("mail.smtp: mails go to {} {how}; use smtps:// or add ?tls=required", self.host))
    }
}

fn tls(url: &Url) -> Result<Tls, String> {
    let query = url.query_pairs().collect::<Vec<_>>();
    let tls = match query.as_slice() {
        [] => None,
        [(name, value)] if name == "tls" => Some(value.as_ref()),
        _ => return Err("has a query that is not understood; only ?tls=required is".into()),
    };
    match (url.scheme(), tls) {
        ("smtps", None) | ("smtp", Some("required")) => Ok(Tls::Always),
        ("smtp", Some("opportunistic")) => Ok(Tls::IfOffered),
        ("smtp", None) => Ok(Tls::Never),
        ("smtps" | "smtp", Some(_)) => {
            Err("has an unknown value for tls; only ?tls=required with smtp:// is".into())
        }
        _ => Err(format!("has an unknown scheme; {MEND}")),
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Smtp({}, {:?})", self.host, self.tls)
    }
}

/// Reads `Name <address>`, or an address alone.
pub fn mailbox(text: &str) -> Option<Mailbox> {
    let Some(named) = text.trim().strip_suffix('>') else {
        return text.trim().parse::<Address>().ok().map(Mailbox::from);
    };
    let (name, address) = named.rsplit_once('<')?;
    let name = name.trim().trim_matches('"').trim();
    let sound = !name.chars().any(|c| c.is_control() || "<>\"".contains(c));
    let name = (!name.is_empty()).then(|| name.to_owned());
    sound.then(|| address.parse::<Address>().ok().map(|address| Mailbox::new(name, address)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lettre_would_pass_over_is_refused_and_no_password_is_told() {
        for (url, said) in [
            ("mail.example", "is not a URL"),
            ("smtp:hunter22", "names no host"),
            ("http://u:hunter22@mail.example", "unknown scheme"),
            ("smtps://:hunter22@mail.example", "alone"),
            ("smtps://hunter22@mail.example", "alone"),
            ("smtps://u:hunter22@mail.example?tls=none", "unknown value for tls"),
            ("smtp://u:hunter22@mail.example?tls=Required", "unknown value for tls"),
            ("smtp://u:hunter22@mail.example?TLS=required", "query that is not understood"),
            ("smtp://u:hunter22@mail.example?tls=required&tls=opportunistic", "query that is not understood"),
            ("smtps://u:hunter22@mail.example#x", "write %23"),
            ("smtp://u:hunter22@[::1]:25", "names no host"),
            ("smtps://u:hunt#er22@mail.example", "is not a URL"),
        ] {
            let why = Smtp::parse(url).map(|_| ()).unwrap_err();
            assert!(why.contains(said) && !why.contains("hunter22"), "{url}: {why}");
        }
        let smtp = Smtp::parse("smtps://u:hunter22@mail.example").unwrap();
        let settings = MailSettings { way: Way::Smtp(smtp), from: mailbox("login@op.test").unwrap() };
        assert!(!format!("{settings:?}").contains("hunter22"));
    }

    #[test]
    fn mails_in_the_clear_are_warned_of_unless_they_stay_on_the_machine() {
        let warning = |url| Smtp::parse(url).unwrap().warning().unwrap_or_default();
        assert!(warning("smtp://u:p@mail.example").contains("go to mail.example in the clear; use smtps://"));
        assert!(warning("smtp://mail.example?tls=opportunistic").contains("can have them in the clear"));
        for url in [
            "smtps://u:p@mail.example",
            "smtp://u:p@mail.example:2525?tls=required",
            "smtp://localhost:1025",
            "smtp://127.0.0.1:1025",
            "smtps://mail.example:465/login.example",
        ] {
            assert_eq!(warning(url), "", "{url}");
        }
    }

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        let said = |text| mailbox(text).map(|mailbox| (mailbox.name, mailbox.email.to_string()));
        let login = |name: Option<&str>| Some((name.map(str::to_owned), "login@op.test".to_owned()));
        assert_eq!(said("login@op.test"), login(None));
        assert_eq!(said("<login@op.test>"), login(None));
        assert_eq!(said("Acme Login <login@op.test>"), login(Some("Acme Login")));
        assert_eq!(said("\"Acme, Größe\" <login@op.test>"), login(Some("Acme, Größe")));
        for text in [
            "",
            "Acme",
            "Acme <login>",
            "a@b.test, c@d.test",
            "Acme <a@b.test> x",
            "A\nB <a@b.test>",
            "<a@b.test> <c@d.test>",
        ] {
            assert_eq!(said(text), None, "{text:?}");
        }
    }
}
