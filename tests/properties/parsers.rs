//! What must hold of every input to a parser holds of the seeds that the fuzz targets begin with.

use crate::checks;
use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

/// The names in a folder of `fuzz/`, without endings.
fn names(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn whatever_a_parser_is_given_is_read_as_it_stands_or_refused() {
    let own = checks::ALL.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!((&names("targets"), &names("corpus")), (&own, &own));
    let mut broken = Vec::new();
    for (name, check) in checks::ALL {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let seeds = fs::read_dir(seeds).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        assert!(seeds.len() >= 10, "{name}");
        for seed in seeds {
            let input = fs::read(&seed).unwrap();
            if catch_unwind(|| check(&input)).is_err() {
                broken.push(seed);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
