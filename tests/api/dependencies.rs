//! What the server is built from: whose code, under which licence, and that it is the code that was looked at.

use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Licences that ask for no more than a notice, or for the source of their own files.
const LICENCES: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "OpenSSL",
    "PostgreSQL",
    "Unicode-3.0",
    "Zlib",
];

fn metadata() -> Value {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host]);
    cargo.arg("--manifest-path");
    let output = cargo.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_else(|| panic!("no {name} in {of}"))
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().unwrap()
}

/// The packages that end up in the server or help to build it, not those that only tests use; `without` one of them and what
/// only that one needs.
fn of_the_server<'a>(metadata: &'a Value, without: &str) -> Vec<&'a Value> {
    let packages = list(metadata, "packages").iter().map(|p| (text(p, "id"), p)).collect::<BTreeMap<_, _>>();
    let nodes =
        list(&metadata["resolve"], "nodes").iter().map(|n| (text(n, "id"), n)).collect::<BTreeMap<_, _>>();
    let mut waiting = vec![text(&metadata["resolve"], "root")];
    let mut seen = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if text(packages[id], "name") == without || !seen.insert(id) {
            continue;
        }
        for dependency in list(nodes[id], "deps") {
            if list(dependency, "dep_kinds").iter().any(|kind| kind["kind"] != "dev") {
                waiting.push(text(dependency, "pkg"));
            }
        }
    }
    seen.into_iter().map(|id| packages[id]).collect()
}

/// Whether one may choose so among the licences of `expression` (SPDX) that all of them are on the list.
fn may_be_used(expression: &str) -> bool {
    let expression = expression.trim();
    if let Some((before, rest)) = expression.split_once('(') {
        let (inside, after) = rest.split_once(')').unwrap();
        let inside = if may_be_used(inside) { "MIT" } else { "none" };
        return may_be_used(&format!("{before}{inside}{after}"));
    }
    let every = |all: &str| all.split(" AND ").all(|licence| LICENCES.contains(&licence.trim()));
    expression.replace('/', " OR ").split(" OR ").any(every)
}

#[test]
fn every_licence_may_be_used_and_none_wants_the_whole_to_be_under_it() {
    for (expression, may) in [
        ("MIT OR Apache-2.0", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only", false),
        ("MIT AND GPL-2.0", false),
        ("MIT OR LGPL-2.1-or-later", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(AGPL-3.0 OR SSPL-1.0) AND MIT", false),
        ("AGPL-3.0", false),
    ] {
        assert_eq!(may_be_used(expression), may, "{expression}");
    }
    let metadata = metadata();
    let all = of_the_server(&metadata, "");
    assert!(all.len() > 200, "only {} packages were read", all.len());
    for package in all {
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("no licence: {}", package["id"]));
        assert!(may_be_used(licence), "{}: {licence}", package["id"]);
    }
}

#[test]
fn no_key_of_ours_is_in_the_hands_of_a_library_that_tells_of_it_by_its_time() {
    // The crate rsa does, when it signs or decrypts (Marvin, RUSTSEC-2023-0071). webauthn-rs verifies passkeys with it, under
    // keys that are public; what signs is OpenSSL.
    let metadata = metadata();
    let without_passkeys = of_the_server(&metadata, "webauthn-rs");
    let names = without_passkeys.iter().map(|package| text(package, "name")).collect::<BTreeSet<_>>();
    assert!(names.contains("josekit") && names.contains("openssl"), "{names:?}");
    assert!(!names.contains("webauthn-rs-core") && !names.contains("rsa"), "{names:?}");
}

#[test]
fn every_dependency_is_of_the_public_registry_and_has_its_checksum() {
    let lock = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let lock: toml::Value = toml::from_str(&lock).unwrap();
    let mut own = Vec::new();
    for package in lock["package"].as_array().unwrap() {
        let part = |name: &str| package.get(name).and_then(toml::Value::as_str);
        let name = part("name").unwrap();
        match part("source") {
            None => own.push(name),
            Some(source) => {
                assert_eq!(source, REGISTRY, "{name}");
                let checksum = part("checksum").unwrap_or_default();
                assert!(checksum.len() == 64 && checksum.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
            }
        }
    }
    assert_eq!(own, ["stepgate", "stepgate-resource"]);
}
