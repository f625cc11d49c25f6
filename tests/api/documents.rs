//! The documents say what is so: a threat without its test is a promise.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of all tests in a folder.
fn tests_in(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "node_modules" {
            tests_in(&path, into);
        } else if name.ends_with(".rs") {
            into.extend(rust_tests(&fs::read_to_string(&path).unwrap()));
        } else if name.ends_with(".test.js") {
            into.extend(javascript_tests(&fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Functions that the test runner runs: with the attribute of a test, and not ignored.
fn rust_tests(code: &str) -> Vec<String> {
    let (mut names, mut is_test, mut is_ignored) = (Vec::new(), false, false);
    for line in code.lines().map(str::trim) {
        let attribute = ["#[test]", "#[tokio::test", "#[actix_web::test"];
        match line {
            _ if line.starts_with("#[") => {
                is_test |= attribute.iter().any(|beginning| line.starts_with(beginning));
                is_ignored |= line.starts_with("#[ignore");
            }
            _ if line.is_empty() || line.starts_with("//") => {}
            _ => {
                let after_fn = line.split_once("fn ").map(|(_, rest)| rest);
                let name = after_fn.and_then(|rest| rest.split_once('(')).map(|(name, _)| name.to_owned());
                names.extend(name.filter(|_| is_test && !is_ignored));
                (is_test, is_ignored) = (false, false);
            }
        }
    }
    names
}

fn javascript_tests(code: &str) -> Vec<String> {
    let calls = code.lines().filter_map(|line| line.trim_start().strip_prefix("test("));
    let name = |call: &str| {
        let quote = call.chars().next().filter(|c| "'\"`".contains(*c))?;
        call[1..].split_once(quote).map(|(name, _)| name.to_owned())
    };
    calls.filter_map(name).collect()
}

#[test]
fn only_what_the_test_runner_runs_is_a_test() {
    let code = "#[test]\n// A word.\n#[allow(x)]\nfn one() {\n}\n#[tokio::test(flavor = \"multi_thread\")]\nasync fn two() {\n\
                fn helper() {}\nfn other(\n) {}\n// #[test]\nfn disabled() {\n}\n#[test]\n#[ignore = \"slow\"]\nfn ignored() {}\n\
                fn last() {}";
    assert_eq!(rust_tests(code), ["one", "two"]);
    let code = "test('a page opens', async () => {\n  test.skip('not this', () => {})\n// test('nor this'\nfunction test2() {}";
    assert_eq!(javascript_tests(code), ["a page opens"]);
}

#[test]
fn every_listed_threat_has_the_test_that_it_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for folder in ["src", "tests", "crates", "examples"] {
        tests_in(&root.join(folder), &mut tests);
    }
    assert!(tests.len() > 300, "only {} tests were read", tests.len());
    let threats = fs::read_to_string(root.join("docs/threats.md")).unwrap();
    let rows = threats.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 3);
    let mut seen = 0;
    for row in rows.filter(|row| !row.starts_with("| id ")) {
        let test = row.trim_end_matches(" |").rsplit("| ").next().unwrap().trim_matches('`');
        assert!(tests.contains(test), "{row}");
        seen += 1;
    }
    assert!(seen > 60, "only {seen} rows were read");
}

/// Every file that is in the repository, or would be.
fn files(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    const NOT_OURS: [&str; 9] =
        ["target", "node_modules", ".git", "var", "keys", "secrets", "backup", "found", "artifacts"];
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

#[test]
fn no_new_kind_of_thing_falls_into_an_arm_that_was_written_for_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for module in ["assurance", "authorize", "token", "interaction", "account"] {
        let source = fs::read_to_string(root.join("src").join(module).join("mod.rs")).unwrap();
        let lint = |line: &&str| *line == "#![deny(clippy::wildcard_enum_match_arm)]";
        assert!(source.lines().any(|line| lint(&line)), "{module}");
        let mut all = Vec::new();
        files(&root.join("src").join(module), &mut all);
        for path in all {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("allow(clippy::wildcard_enum_match_arm"), "{}", path.display());
        }
    }
}
