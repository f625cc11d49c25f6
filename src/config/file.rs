//! The TOML file as it is written, and the checks of its sections.

use super::ConfigError;
use super::Lifetimes;
use super::Page;
use super::error;
use super::wrong;
use crate::assurance::policy::Policy;
use crate::assurance::policy::RawClass;
use crate::base::time::Seconds;
use crate::credential::password::Argon2Cost;
use serde::Deserialize;
use std::path::Path;
use url::Url;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    pub issuer: Option<String>,
    pub listen: Option<String>,
    pub database_url: Option<String>,
    pub keys_dir: Option<String>,
    pub tls_cert: Option<String>,
    pub tls_key: Option<String>,
    pub trusted_proxies: Option<Vec<String>>,
    pub metrics_allow: Option<Vec<String>>,
    rotate_keys_after: Option<String>,
    pub accounts: AccountsSection,
    pub recovery: RecoverySection,
    pub lifetimes: LifetimesSection,
    pub page: PageSection,
    pub mail: MailSection,
    pub argon2: Argon2Section,
    acr: Option<Vec<RawClass>>,
    second_factor_acr: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LifetimesSection {
    code: Option<String>,
    access_token: Option<String>,
    id_token: Option<String>,
    session_idle: Option<String>,
    session: Option<String>,
    remember: Option<String>,
    audit: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccountsSection {
    pub create: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecoverySection {
    delay: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageSection {
    name: Option<String>,
    support: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailSection {
    pub smtp: Option<String>,
    pub folder: Option<String>,
    pub from: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Argon2Section {
    memory_kib: Option<u32>,
    iterations: Option<u32>,
    parallelism: Option<u32>,
}

impl File {
    pub fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let default = Path::new("stepgate.toml");
        let path = match path {
            Some(path) => path,
            None if default.exists() => default,
            None => return Ok(Self::default()),
        };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|why| {
            error("--config", &format!("{name:?} can't be read ({why}); name a readable file"))
        })?;
        Self::parse(&text, &name)
    }

    pub fn parse(text: &str, name: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|why| error(name, &format!("is not a settings file: {why}")))
    }

    /// 90 days; two at least, since a new key is shown for a day before it signs.
    pub fn key_rotation(&self) -> Result<Seconds, ConfigError> {
        let span =
            span("rotate_keys_after", &self.rotate_keys_after, Seconds::days(90), Seconds::days(3650))?;
        match span >= Seconds::days(2) {
            true => Ok(span),
            false => {
                Err(error("rotate_keys_after", "is shorter than two days; a new key is shown for one first"))
            }
        }
    }

    pub fn policy(self) -> Result<Policy, ConfigError> {
        match self.acr {
            None if self.second_factor_acr.is_none() => Ok(Policy::default()),
            classes => Policy::from_classes(classes, self.second_factor_acr.as_deref())
                .map_err(|why| error(&why.key, &why.problem)),
        }
    }
}

impl RecoverySection {
    pub fn delay(&self) -> Result<Seconds, ConfigError> {
        span("recovery.delay", &self.delay, Seconds::hours(24), Seconds::days(30))
    }
}

impl LifetimesSection {
    pub fn checked(&self) -> Result<Lifetimes, ConfigError> {
        let day = Seconds::days(1);
        Ok(Lifetimes {
            // RFC 6749 §4.1.2: ten minutes at most; a minute is what a redirect needs.
            code: span("lifetimes.code", &self.code, Seconds(60), Seconds::minutes(10))?,
            access_token: span("lifetimes.access_token", &self.access_token, Seconds::minutes(10), day)?,
            id_token: span("lifetimes.id_token", &self.id_token, Seconds::hours(1), day)?,
            session_idle: span(
                "lifetimes.session_idle",
                &self.session_idle,
                Seconds::hours(12),
                Seconds::days(90),
            )?,
            session: span("lifetimes.session", &self.session, Seconds::days(7), Seconds::days(365))?,
            remember: span("lifetimes.remember", &self.remember, Seconds::days(180), Seconds::days(400))?,
            interaction: Seconds::minutes(10),
            interaction_most: Seconds::hours(1),
            audit: span("lifetimes.audit", &self.audit, Seconds::days(365), Seconds::days(3650))?,
        })
    }
}

fn span(name: &str, text: &Option<String>, default: Seconds, most: Seconds) -> Result<Seconds, ConfigError> {
    let Some(text) = text else { return Ok(default) };
    match Seconds::parse(text) {
        Some(span) if span > Seconds(0) && span <= most => Ok(span),
        _ => {
            let mend = format!("write a duration as \"{}s\", at most {most}", default.0);
            Err(wrong(name, text, &mend))
        }
    }
}

impl PageSection {
    pub fn checked(&self) -> Result<Page, ConfigError> {
        let support = match &self.support {
            None => None,
            Some(text) => match Url::parse(text) {
                Ok(url) if ["https", "mailto"].contains(&url.scheme()) => Some(url),
                _ => return Err(wrong("page.support", text, "write an https or mailto address")),
            },
        };
        Ok(Page { name: self.name.clone().unwrap_or_else(|| "Stepgate".into()), support })
    }
}

impl Argon2Section {
    pub fn checked(&self) -> Result<Argon2Cost, ConfigError> {
        let default = Argon2Cost::default();
        let cost = Argon2Cost {
            memory_kib: self.memory_kib.unwrap_or(default.memory_kib),
            iterations: self.iterations.unwrap_or(default.iterations),
            parallelism: self.parallelism.unwrap_or(default.parallelism),
        };
        cost.checked().map_err(|mend| error("argon2", &mend))
    }
}
