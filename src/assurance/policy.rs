//! Authentication context classes: each a name for combinations of proofs, one of which must be shown.
//! A class is a policy, not a rung; a wrong policy refuses to start and names the key.

use super::ledger::Event;
use super::ledger::Method;
use crate::base::time::Seconds;
use serde::Deserialize;
use std::fmt;

/// The classes, weakest first. Always sound: see [`Policy::from_classes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    classes: Vec<Class>,
    /// The class that a mandatory second factor asks for.
    second_factor: Class,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    pub name: String,
    pub aliases: Vec<String>,
    /// The oldest that a fresh proof may be, whatever was asked.
    pub max_age: Option<Seconds>,
    /// A user without a fitting factor may be asked to set one up.
    pub enrol: bool,
    pub any_of: Vec<Vec<Proof>>,
}

/// One proof of a combination: `webauthn+uv`, `pwd within 12h`, `webauthn aged 24h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    pub method: Method,
    pub uv: bool,
    pub device_bound: bool,
    pub attested: bool,
    /// The least age of the factor when it was used.
    pub aged: Option<Seconds>,
    /// Held: may be older than `max_age`. Absent: must be fresh.
    pub within: Option<Within>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    Span(Seconds),
    Session,
}

/// A class as settings write it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawClass {
    pub name: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub max_age: Option<String>,
    #[serde(default = "yes")]
    pub enrol: bool,
    pub any_of: Vec<String>,
}

/// The key of the setting that can't be used, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    pub key: String,
    pub problem: String,
}

pub const MFA: &str = "urn:stepgate:acr:mfa";

impl Policy {
    /// Checks classes as settings write them; `second_factor` names the class that a mandatory second factor asks for.
    pub fn from_classes(
        raw: Option<Vec<RawClass>>,
        second_factor: Option<&str>,
    ) -> Result<Self, PolicyError> {
        let raw = raw.unwrap_or_else(default_classes);
        if raw.is_empty() {
            return Err(error("acr", "lists no class; leave it out for the default classes"));
        }
        let classes = raw
            .iter()
            .enumerate()
            .map(|(at, class)| parse_class(at, class))
            .collect::<Result<Vec<_>, _>>()?;
        let mut names = Vec::new();
        for (at, class) in classes.iter().enumerate() {
            for name in class.names() {
                if names.contains(&name) {
                    return Err(error(
                        &format!("acr[{at}]"),
                        &format!("uses the name {name:?} a second time; rename it"),
                    ));
                }
                names.push(name);
            }
        }
        let asked = second_factor.unwrap_or(MFA);
        let floor = classes.iter().find(|class| class.names().any(|name| name == asked)).cloned();
        let floor = floor.ok_or_else(|| {
            error(
                "second_factor_acr",
                &format!("= {asked:?} names no class; name the one that a second factor must reach"),
            )
        })?;
        Ok(Self { classes, second_factor: floor })
    }

    /// One class that any of `combinations` reaches: what a guard asks for. It is nobody's to name or to change.
    pub fn of_guard(combinations: Vec<Vec<Proof>>) -> Self {
        let class = Class {
            name: "guard".into(),
            aliases: Vec::new(),
            max_age: None,
            enrol: false,
            any_of: combinations,
        };
        Self { classes: vec![class.clone()], second_factor: class }
    }

    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    pub fn second_factor(&self) -> &Class {
        &self.second_factor
    }

    /// The class of this name or alias, by exact string.
    pub fn class(&self, name: &str) -> Option<&Class> {
        self.classes.iter().find(|class| class.names().any(|own| own == name))
    }

    /// Every name and alias, for `acr_values_supported`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.classes.iter().flat_map(Class::names)
    }

    pub fn proofs(&self) -> impl Iterator<Item = &Proof> {
        self.classes.iter().flat_map(|class| &class.any_of).flatten()
    }

    /// What is allowed but hardly meant.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (at, class) in self.classes.iter().enumerate() {
            if class.any_of.iter().all(|proofs| proofs.iter().any(|proof| proof.attested)) {
                warnings.push(format!(
                    "{}: unreachable, since no attestation is asked of any factor",
                    class.name
                ));
            }
            for later in self.classes.iter().skip(at + 1).filter(|later| class.implies(later)) {
                warnings.push(format!(
                    "{}: listed before {}, which it implies; weakest first",
                    class.name, later.name
                ));
            }
        }
        warnings
    }
}

impl Default for Policy {
    #[expect(clippy::expect_used, reason = "a test builds the default classes, which are fixed")]
    fn default() -> Self {
        Self::from_classes(None, None).expect("the default classes are sound")
    }
}

impl Class {
    fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// Whoever shows this class shows the other too.
    fn implies(&self, other: &Self) -> bool {
        let ages = match (self.max_age, other.max_age) {
            (_, None) => true,
            (Some(own), Some(theirs)) => own <= theirs,
            (None, Some(_)) => false,
        };
        ages && self.any_of.iter().all(|own| {
            other.any_of.iter().any(|theirs| theirs.iter().all(|proof| own.iter().any(|p| p.implies(proof))))
        })
    }
}

impl Proof {
    /// The event is of the right kind; its age is another question.
    pub fn is_shown_by(&self, event: &Event) -> bool {
        self.method == event.method
            && (!self.uv || event.uv)
            && (!self.device_bound || event.device_bound)
            && (!self.attested || event.attested)
            && self.aged.is_none_or(|least| {
                event.at >= event.factor_enrolled_at
                    && event.at.seconds_since(event.factor_enrolled_at) >= least
            })
    }

    fn implies(&self, other: &Self) -> bool {
        self.method == other.method
            && self.uv >= other.uv
            && self.device_bound >= other.device_bound
            && self.attested >= other.attested
            && self.aged >= other.aged
            && match (self.within, other.within) {
                (None, _) | (_, Some(Within::Session)) => true,
                (Some(Within::Span(own)), Some(Within::Span(theirs))) => own <= theirs,
                (Some(_), _) => false,
            }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.problem)
    }
}

fn parse_class(at: usize, raw: &RawClass) -> Result<Class, PolicyError> {
    let key = |member: &str| format!("acr[{at}].{member}");
    for (member, name) in
        std::iter::once(("name", &raw.name)).chain(raw.aliases.iter().map(|a| ("aliases", a)))
    {
        if !crate::protocol::list::is_token(name) {
            return Err(error(
                &key(member),
                &format!("= {name:?} can't stand in acr_values; leave out spaces and quotes"),
            ));
        }
    }
    let max_age = match &raw.max_age {
        None => None,
        Some(text) => Some(Seconds::parse(text).ok_or_else(|| {
            error(&key("max_age"), &format!("= {text:?} is not a duration; write it as \"12h\""))
        })?),
    };
    if raw.any_of.is_empty() {
        return Err(error(&key("any_of"), "lists no combination; nobody could reach the class"));
    }
    let any_of = raw
        .any_of
        .iter()
        .enumerate()
        .map(|(i, text)| {
            parse_combination(text)
                .map_err(|why| error(&key(&format!("any_of[{i}]")), &format!("= {text:?} {why}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let hardware = any_of.iter().all(|proofs| proofs.iter().any(|proof| proof.attested));
    if raw.name == "phrh" && !hardware {
        return Err(error(
            &key("any_of"),
            "lets phrh be reached without +attested; each of its combinations needs it",
        ));
    }
    Ok(Class { name: raw.name.clone(), aliases: raw.aliases.clone(), max_age, enrol: raw.enrol, any_of })
}

fn parse_combination(text: &str) -> Result<Vec<Proof>, String> {
    let proofs = text.split('&').map(parse_proof).collect::<Result<Vec<_>, _>>()?;
    if proofs.iter().all(|proof| proof.within.is_some()) {
        return Err("has no fresh proof; leave \"within\" off at least one".into());
    }
    for (at, proof) in proofs.iter().enumerate() {
        if proofs.iter().take(at).any(|other| other.method == proof.method) {
            return Err(format!(
                "asks for {} twice; one proof of a method is all that can be told",
                proof.method.as_str()
            ));
        }
    }
    Ok(proofs)
}

fn parse_proof(text: &str) -> Result<Proof, String> {
    let mut words = text.split_whitespace();
    let mut flagged = words.next().unwrap_or("").split('+');
    let name = flagged.next().unwrap_or("");
    let method = Method::parse(name)
        .ok_or_else(|| format!("has {name:?} for a method; use pwd, otp, webauthn or recovery"))?;
    let mut proof =
        Proof { method, uv: false, device_bound: false, attested: false, aged: None, within: None };
    for flag in flagged {
        match flag {
            _ if method != Method::Webauthn => {
                return Err(format!("has +{flag}, which goes with webauthn only"));
            }
            "uv" => proof.uv = true,
            "device_bound" => proof.device_bound = true,
            "attested" => proof.attested = true,
            _ => return Err(format!("has +{flag}; use +uv, +device_bound or +attested")),
        }
    }
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("has nothing after {word:?}"))?;
        let span =
            || Seconds::parse(value).ok_or_else(|| format!("has {value:?} for a duration; write it as 12h"));
        match word {
            "aged" if proof.aged.is_none() => proof.aged = Some(span()?),
            "within" if proof.within.is_none() && value == "session" => proof.within = Some(Within::Session),
            "within" if proof.within.is_none() => proof.within = Some(Within::Span(span()?)),
            _ => return Err(format!("has {word:?} where \"aged\" or \"within\" may stand once")),
        }
    }
    Ok(proof)
}

fn default_classes() -> Vec<RawClass> {
    let mfa =
        ["webauthn+uv", "otp & pwd within 12h", "webauthn & pwd within 12h", "recovery & pwd within 12h"];
    let phr = ["webauthn+uv", "webauthn & pwd within 12h"];
    let class = |name: &str, any_of: &[&str]| RawClass {
        name: name.into(),
        aliases: Vec::new(),
        max_age: None,
        enrol: true,
        any_of: any_of.iter().map(|text| (*text).to_owned()).collect(),
    };
    let [first, others @ ..] = mfa;
    let one_factor = ["pwd", first].into_iter().chain(others).collect::<Vec<_>>();
    vec![
        class("urn:stepgate:acr:1fa", &one_factor),
        class("urn:stepgate:acr:pwd", &["pwd"]),
        class(MFA, &mfa),
        class("phr", &phr),
    ]
}

fn yes() -> bool {
    true
}

fn error(key: &str, problem: &str) -> PolicyError {
    PolicyError { key: key.into(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_class(any_of: &str) -> Result<Policy, String> {
        let class = RawClass {
            name: "a".into(),
            aliases: vec![],
            max_age: None,
            enrol: true,
            any_of: vec![any_of.into()],
        };
        Policy::from_classes(Some(vec![class]), Some("a")).map_err(|e| e.to_string())
    }

    #[test]
    fn the_default_classes_are_sound_and_in_order() {
        let policy = Policy::default();
        let names = policy.names().collect::<Vec<_>>();
        assert_eq!(names, ["urn:stepgate:acr:1fa", "urn:stepgate:acr:pwd", "urn:stepgate:acr:mfa", "phr"]);
        assert_eq!(policy.warnings(), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_combination_is_named_with_its_key() {
        for (text, said) in [
            ("password", "acr[0].any_of[0] = \"password\" has \"password\" for a method"),
            ("pwd+uv", "+uv, which goes with webauthn only"),
            ("webauthn+hw", "use +uv, +device_bound or +attested"),
            ("pwd within 12h", "no fresh proof"),
            ("pwd within", "nothing after"),
            ("pwd aged soon", "write it as 12h"),
            ("pwd older 1h", "where \"aged\" or \"within\""),
            ("pwd & pwd within 1h", "asks for pwd twice"),
            ("", "for a method"),
        ] {
            let error = one_class(text).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(one_class("webauthn+uv+device_bound aged 24h & pwd within session").is_ok());
    }

    #[test]
    fn names_are_unique_and_phrh_means_attested_hardware() {
        let class = |name: &str, any_of: &str| RawClass {
            name: name.into(),
            aliases: vec![],
            max_age: None,
            enrol: true,
            any_of: vec![any_of.into()],
        };
        let twice = Policy::from_classes(Some(vec![class("a", "pwd"), class("a", "otp")]), Some("a"));
        assert_eq!(twice.unwrap_err().key, "acr[1]");
        let soft = Policy::from_classes(Some(vec![class("phrh", "webauthn+uv")]), Some("phrh"));
        assert_eq!(soft.unwrap_err().key, "acr[0].any_of");
        let floor = Policy::from_classes(Some(vec![class("a", "pwd")]), None);
        assert_eq!(floor.unwrap_err().key, "second_factor_acr");
    }

    #[test]
    fn a_class_listed_before_one_it_implies_is_warned_of() {
        let class = |name: &str, any_of: &str| RawClass {
            name: name.into(),
            aliases: vec![],
            max_age: None,
            enrol: true,
            any_of: vec![any_of.into()],
        };
        let policy = Policy::from_classes(
            Some(vec![class("strong", "otp & pwd"), class("weak", "pwd")]),
            Some("weak"),
        );
        assert_eq!(
            policy.unwrap().warnings(),
            ["strong: listed before weak, which it implies; weakest first"]
        );
    }
}
