//! A database remembers which migrations it was given by their numbers alone: one that is changed after that never reaches it.

use sha2::Digest;
use sha2::Sha256;
use std::fs;
use std::path::Path;

/// Each migration, and how the SHA-256 of its `up.sql` begins.
const KEPT: &[(&str, &str)] = &[
    ("00000000000001_start", "0859497a19602734"),
    ("00000000000002_tokens", "d755ebaf3e905b27"),
    ("00000000000003_throttles", "24ff9ab8195ccf64"),
    ("00000000000004_consent_and_audit", "00b36f4f547f1eb9"),
    ("00000000000005_mails", "61bf23bbf01da28b"),
    ("00000000000006_passkeys", "d354a52e2093ac4d"),
    ("00000000000007_recoveries", "342cb8ee577d0a40"),
    ("00000000000008_one_index_of_grants", "6e8588de2e19e6d5"),
    ("00000000000009_open_interactions", "f9c1b8c7e51174db"),
    ("00000000000010_no_index_is_read_whole", "64a687c82bffbaff"),
    ("00000000000011_one_index_of_the_audit", "ea4b77f31c506884"),
    ("00000000000012_notices_of_replacements", "16503b283beb5363"),
    ("00000000000013_bounds", "78c39699fd7b3f9b"),
    ("00000000000014_passwords", "a2c1a9bfc169e8a4"),
    ("00000000000016_whose_interactions", "8cc9da389db0b1f3"),
    ("00000000000017_paces", "8f9f728bb1b41a4d"),
    ("00000000000018_hashed_at", "d759fbba77aae47f"),
];

#[test]
fn a_migration_is_never_changed_and_a_new_one_comes_last() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut names =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    names.sort();
    let found = names.iter().map(|name| {
        let hash = Sha256::digest(fs::read(folder.join(name).join("up.sql")).unwrap());
        let hash = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>();
        (name.to_string_lossy().into_owned(), hash)
    });
    let kept = KEPT.iter().map(|(name, hash)| ((*name).to_owned(), (*hash).to_owned()));
    assert_eq!(
        found.collect::<Vec<_>>(),
        kept.collect::<Vec<_>>(),
        "write another migration instead, and its line at the end of KEPT"
    );
}
