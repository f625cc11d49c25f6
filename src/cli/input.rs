//! What a command reads besides its arguments.

use anyhow::Context;
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// A file, or standard input for `-`.
pub fn text(path: &Path) -> anyhow::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input can't be read as text")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("{} can't be read as text", path.display()))
}

pub fn json(path: &Path) -> anyhow::Result<Value> {
    serde_json::from_str(&text(path)?).with_context(|| format!("{} is not JSON", path.display()))
}

/// A secret is one line; its line break does not belong to it.
pub fn secret(path: &Path) -> anyhow::Result<String> {
    let text = text(path)?;
    Ok(text
        .strip_suffix('\n')
        .map(|text| text.strip_suffix('\r').unwrap_or(text))
        .unwrap_or(&text)
        .to_owned())
}
