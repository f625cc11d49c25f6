//! Settings out of the environment: `NAME`, or `NAME_FILE` naming a file that holds the value.

use super::ConfigError;
use super::error;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        Self(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    /// The value of `name`; empty counts as unset.
    pub fn value(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let direct = self.0.get(name).filter(|value| !value.is_empty());
        let in_file = self.0.get(&format!("{name}_FILE")).filter(|value| !value.is_empty());
        match (direct, in_file) {
            (None, None) => Ok(None),
            (Some(value), None) => Ok(Some(value.clone())),
            (None, Some(path)) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
                Err(why) => Err(error(
                    &format!("{name}_FILE"),
                    &format!("= {path:?} can't be read ({why}); name a readable file"),
                )),
            },
            (Some(_), Some(_)) => {
                Err(error(name, &format!("is set together with {name}_FILE; keep one of them")))
            }
        }
    }
}
