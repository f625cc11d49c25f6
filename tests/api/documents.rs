//! The documents say what is so: a threat without its test is a promise.

use std::fs;
use std::path::Path;

fn sources(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "node_modules" {
            sources(&path, into);
        } else if name.ends_with(".rs") {
            into.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_listed_threat_has_the_test_that_it_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    for folder in ["src", "tests", "crates", "examples"] {
        sources(&root.join(folder), &mut code);
    }
    let threats = fs::read_to_string(root.join("docs/threats.md")).unwrap();
    let rows = threats.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 3);
    let mut seen = 0;
    for row in rows.filter(|row| !row.starts_with("| id ")) {
        let test = row.trim_end_matches(" |").rsplit("| ").next().unwrap().trim_matches('`');
        assert!(code.contains(&format!("fn {test}(")), "{row}");
        seen += 1;
    }
    assert!(seen > 60, "only {seen} rows were read");
}

/// Every file that is in the repository, or would be.
fn files(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    const NOT_OURS: [&str; 7] = ["target", "node_modules", ".git", "var", "keys", "secrets", "backup"];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match path.is_dir() {
            true if NOT_OURS.contains(&name.as_str()) => {}
            true => files(&path, into),
            false => into.push(path),
        }
    }
}

#[test]
fn no_secret_is_shipped() {
    let mut all = Vec::new();
    files(Path::new(env!("CARGO_MANIFEST_DIR")), &mut all);
    assert!(all.len() > 150);
    for path in all {
        let name = path.to_string_lossy();
        assert!(![".pem", ".key", ".p12", ".jwk", ".env"].iter().any(|end| name.ends_with(end)), "{name}");
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains(&["PRIVATE", "KEY-----"].join(" ")), "{name}");
    }
}
