//! The parameters of a request: one value per name, bounded, in strict UTF-8 (RFC 6749 §3.1, appendix B).
//! Ambiguity is never resolved: a repeated or broken parameter is an error for whoever asks for it.

use super::error::Fault;
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

/// Decoded parameters by name.
#[derive(Clone, Debug, Default)]
pub struct Parameters(BTreeMap<String, Vec<Value>>);

type Value = Result<String, Broken>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Encoding,
    Control,
    Size,
}

const MOST_PARAMETERS: usize = 100;
const LONGEST: usize = 2048;
const LONGEST_NAME: usize = 100;
/// `claims`, hints and assertions are whole documents.
const LONGEST_DOCUMENT: usize = 8192;
/// What a page of ours carries for its form, in [`CARRIED`]: there is room for a long password beside it.
pub const LONGEST_CARRIED: usize = LONGEST_DOCUMENT;
pub const CARRIED: &str = "kept";
/// RFC 8707 §2 lets a client name several resources.
const REPEATABLE: &str = "resource";

impl Parameters {
    /// Reads a query or a form body. Only too many parameters fail here; each other fault waits for its name.
    pub fn parse(raw: &str) -> Result<Self, Fault> {
        let mut by_name = BTreeMap::<String, Vec<Value>>::new();
        for (count, pair) in raw.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if count == MOST_PARAMETERS {
                return Err(Fault::invalid_request("The request has more than 100 parameters; send fewer."));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).unwrap_or_else(|_| name.to_owned());
            let value = read(&name, value);
            // RFC 6749 §3.1: a parameter without a value is treated as absent.
            if value.as_deref() != Ok("") {
                by_name.entry(name).or_default().push(value);
            }
        }
        Ok(Self(by_name))
    }

    /// The same, but for one that has this value alone.
    pub fn with(mut self, name: &str, value: String) -> Self {
        self.0.insert(name.to_owned(), vec![Ok(value)]);
        self
    }

    /// The one value of `name`; `None` when absent or empty.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Fault> {
        match self.0.get(name).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([Ok(value)]) => Ok(Some(value)),
            Some([Err(broken)]) => Err(complaint(name, *broken)),
            Some(_) => {
                let name = shown(name);
                Err(Fault::invalid_request(format!("{name} is given more than once; send it once.")))
            }
        }
    }

    /// Like [`Self::one`], for a parameter that the request can't do without.
    pub fn required(&self, name: &str) -> Result<&str, Fault> {
        self.one(name)?.ok_or_else(|| Fault::invalid_request(format!("{name} is missing; send it.")))
    }

    /// Every value of a parameter that may repeat.
    pub fn many(&self, name: &str) -> Result<Vec<&str>, Fault> {
        let values = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        values.iter().map(|v| v.as_deref().map_err(|broken| complaint(name, *broken))).collect()
    }

    /// No parameter, known or not, is repeated or broken.
    pub fn all_sound(&self) -> Result<(), Fault> {
        for name in self.0.keys() {
            if name == REPEATABLE {
                self.many(name)?;
            } else {
                self.one(name)?;
            }
        }
        Ok(())
    }
}

fn read(name: &str, raw: &str) -> Value {
    let limit = match name {
        "claims" | "id_token_hint" | "client_assertion" => LONGEST_DOCUMENT,
        CARRIED => LONGEST_CARRIED,
        _ => LONGEST,
    };
    // Percent-encoding at most triples a value: what is longer raw can't fit decoded.
    if raw.len() > limit * 3 {
        return Err(Broken::Size);
    }
    let value = decode(raw)?;
    if value.len() > limit {
        return Err(Broken::Size);
    }
    if value.chars().any(char::is_control) {
        return Err(Broken::Control);
    }
    Ok(value)
}

fn decode(raw: &str) -> Result<String, Broken> {
    let mut rest = raw.as_bytes();
    while let Some(at) = rest.iter().position(|b| *b == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => {}
            _ => return Err(Broken::Encoding),
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    let spaced = raw.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(Into::into).map_err(|_| Broken::Encoding)
}

fn complaint(name: &str, broken: Broken) -> Fault {
    let what = match broken {
        Broken::Encoding => "is not percent-encoded UTF-8; encode it again",
        Broken::Control => "has a control character; remove it",
        Broken::Size => "is too long; shorten it",
    };
    Fault::invalid_request(format!("{} {what}.", shown(name)))
}

/// What is said of a parameter has to fit into a header (attack: a name as long as a request may be).
fn shown(name: &str) -> &str {
    if name.len() <= LONGEST_NAME { name } else { "A parameter with a very long name" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(raw: &str) -> Result<Option<String>, String> {
        let parameters = Parameters::parse(raw).map_err(|f| f.to_string())?;
        parameters.one("a").map(|v| v.map(str::to_owned)).map_err(|f| f.to_string())
    }

    #[test]
    fn a_value_is_read_once_strictly_or_not_at_all() {
        assert_eq!(one("a=x+y%2B%C3%BC&b=1"), Ok(Some("x y+ü".into())));
        assert_eq!(one("a=&b=1"), Ok(None));
        assert_eq!(one("a"), Ok(None));
        let twice = "invalid_request: a is given more than once; send it once.";
        assert_eq!(one("a=1&a=1"), Err(twice.into()));
        assert_eq!(one("a=1&%61=2"), Err(twice.into()));
        let encoding = "invalid_request: a is not percent-encoded UTF-8; encode it again.";
        for raw in ["a=%ff", "a=%zz", "a=%", "a=%4"] {
            assert_eq!(one(raw), Err(encoding.into()), "{raw}");
        }
        assert_eq!(one("a=%0d%0a"), Err("invalid_request: a has a control character; remove it.".into()));
        let long = format!("a={}", "x".repeat(2049));
        assert_eq!(one(&long), Err("invalid_request: a is too long; shorten it.".into()));
    }

    #[test]
    fn a_complaint_fits_into_a_header_whatever_it_is_about() {
        let said = |raw: &str| Parameters::parse(raw).unwrap().all_sound().unwrap_err().description;
        let name = "n".repeat(100);
        assert_eq!(
            said(&format!("{name}=%ff")),
            format!("{name} is not percent-encoded UTF-8; encode it again.")
        );
        let long = "n".repeat(60_000);
        let of_long = "A parameter with a very long name";
        assert_eq!(
            said(&format!("{long}=1&{long}=2")),
            format!("{of_long} is given more than once; send it once.")
        );
        assert_eq!(said(&format!("{long}=%00")), format!("{of_long} has a control character; remove it."));
    }

    #[test]
    fn only_resource_may_repeat() {
        let sound = |raw| Parameters::parse(raw).and_then(|p| p.all_sound()).is_ok();
        assert!(sound("resource=a&resource=b&x=1"));
        assert!(!sound("x=1&x=2"));
        assert!(!sound("resource=%ff"));
    }

    proptest! {
        #[test]
        fn no_input_panics_and_a_value_survives(raw in ".{0,200}", value in "[^\\p{Cc}]{1,50}") {
            let _ = Parameters::parse(&raw).and_then(|p| p.all_sound());
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("a", &value).finish();
            prop_assert_eq!(one(&query), Ok(Some(value)));
        }
    }
}
