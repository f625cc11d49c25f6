//! The folder of keys: `master.key` (32 bytes, mode 0600) and one JWK file per signing key. Files appear whole or not
//! at all, and none is ever overwritten, so of several programs that start together one makes each key.

use super::key::SigningKey;
use crate::base::entropy::Entropy;
use crate::base::entropy::random;
use crate::base::secret::base64url;
use crate::base::time::Time;
use crate::credential::seal::MasterKey;
use crate::protocol::metadata::SigningAlg;
use std::fs::DirBuilder;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use thiserror::Error;

/// What the folder holds.
pub struct Keys {
    pub master: MasterKey,
    pub signing: Vec<SigningKey>,
}

/// Names of the keys that a database has been used with.
pub struct Known<'a> {
    pub master: &'a str,
    pub signing: &'a [String],
}

/// Names the file, and what to do about it.
#[derive(Debug, Error)]
#[error("{file}: {problem}")]
pub struct KeyError {
    file: String,
    problem: String,
}

const MASTER: &str = "master.key";

/// Makes the keys that the folder lacks: for a database that was never used with any.
pub fn create(folder: &Path, now: Time, entropy: &dyn Entropy) -> Result<Keys, KeyError> {
    let refused = |why: std::io::Error| fault(folder, &format!("can't be made ({why}); make it writable"));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(refused)?;
    let master = folder.join(MASTER);
    if !master.exists() {
        place(&master, MasterKey::generate(entropy).as_bytes(), entropy)?;
    }
    complete(folder, now, entropy)?;
    load(folder)
}

/// Makes a key for each algorithm that has none that signs; it signs at once, since there is nothing else to sign with.
pub fn complete(folder: &Path, now: Time, entropy: &dyn Entropy) -> Result<(), KeyError> {
    let listing = listing(folder)?;
    for alg in SigningAlg::ALL {
        let usable = |key: &SigningKey| key.alg == alg && key.withdrawn_at.is_none();
        if !listing.keys().any(usable) {
            let key = SigningKey::generate(alg, now, now).map_err(|why| fault(folder, &why))?;
            add(&listing, &key, entropy)?;
        }
    }
    Ok(())
}

/// The keys of a database that was used with `known`: all of them, and no other that has signed anything.
pub fn open(folder: &Path, known: &Known, now: Time) -> Result<Keys, KeyError> {
    const RESTORE: &str = "the database has been used with it; restore it from the backup";
    let keys = load(folder)?;
    if keys.master.fingerprint() != known.master {
        return Err(fault(&folder.join(MASTER), "is another key than the one this database was used with"));
    }
    for kid in known.signing {
        if !keys.signing.iter().any(|key| key.kid == *kid) {
            return Err(fault(folder, &format!("lacks the signing key {kid}; {RESTORE}")));
        }
    }
    // A key that does not sign yet, or the first of its algorithm, was made a moment ago by a program that had no time to
    // record it.
    let is_known = |key: &SigningKey| known.signing.contains(&key.kid);
    let is_foreign = |key: &&SigningKey| {
        let recorded = keys.signing.iter().any(|other| other.alg == key.alg && is_known(other));
        !is_known(key) && recorded && key.signs_from <= now
    };
    match keys.signing.iter().find(is_foreign) {
        Some(key) => Err(fault(
            folder,
            &format!("holds the signing key {}, which this database does not know; move it away", key.kid),
        )),
        None => Ok(keys),
    }
}

/// What lay in the folder at one moment: a decision that was taken on it is carried out by exclusive names.
pub struct Listing {
    folder: PathBuf,
    files: Vec<(PathBuf, SigningKey)>,
}

impl Listing {
    pub fn keys(&self) -> impl Iterator<Item = &SigningKey> {
        self.files.iter().map(|(_, key)| key)
    }

    pub fn into_keys(self) -> Vec<SigningKey> {
        self.files.into_iter().map(|(_, key)| key).collect()
    }

    /// `ALG-N.json`, one higher than what is there.
    fn next(&self, alg: SigningAlg) -> PathBuf {
        let prefix = format!("{}-", alg.as_str());
        let numbers = self
            .files
            .iter()
            .filter_map(|(path, _)| path.file_stem()?.to_str()?.strip_prefix(&prefix)?.parse::<u64>().ok());
        self.folder.join(format!("{prefix}{}.json", numbers.max().unwrap_or(0) + 1))
    }
}

/// The signing keys, the oldest first.
pub fn listing(folder: &Path) -> Result<Listing, KeyError> {
    let mut files = Vec::new();
    for path in key_files(folder)? {
        let key = signing_key(&path)?;
        files.push((path, key));
    }
    files.sort_by(|(_, a), (_, b)| {
        (a.created_at, a.alg.as_str(), &a.kid).cmp(&(b.created_at, b.alg.as_str(), &b.kid))
    });
    Ok(Listing { folder: folder.to_owned(), files })
}

/// Places `key` as the next of its algorithm; `false` if another program was first.
pub fn add(listing: &Listing, key: &SigningKey, entropy: &dyn Entropy) -> Result<bool, KeyError> {
    let path = listing.next(key.alg);
    let text = key.to_file().map_err(|why| fault(&path, &why))?;
    place(&path, text.as_bytes(), entropy)
}

/// Notes in the file of `kid` that it is withdrawn; `false` if there is no such key.
pub fn withdraw(listing: Listing, kid: &str, now: Time, entropy: &dyn Entropy) -> Result<bool, KeyError> {
    let Some((path, mut key)) = listing.files.into_iter().find(|(_, key)| key.kid == kid) else {
        return Ok(false);
    };
    key.withdrawn_at = Some(now);
    let text = key.to_file().map_err(|why| fault(&path, &why))?;
    let draft = draft(&path, text.as_bytes(), entropy)?;
    std::fs::rename(&draft, &path).map_err(|why| fault(&path, &format!("can't be replaced ({why})")))?;
    Ok(true)
}

/// Names, sizes and times of what is there: another text means that something has changed.
pub fn fingerprint(folder: &Path) -> Result<String, KeyError> {
    let mut seen = Vec::new();
    for path in key_files(folder)? {
        let about = std::fs::metadata(&path).map_err(|why| fault(&path, &why.to_string()))?;
        seen.push(format!("{} {} {:?}", path.display(), about.len(), about.modified().ok()));
    }
    seen.sort();
    Ok(seen.join("\n"))
}

/// Everything that the folder holds.
pub fn load(folder: &Path) -> Result<Keys, KeyError> {
    let path = folder.join(MASTER);
    let bytes = read(&path)?;
    let master = MasterKey::from_bytes(&bytes)
        .ok_or_else(|| fault(&path, "does not hold 32 bytes; restore it from the backup"))?;
    Ok(Keys { master, signing: listing(folder)?.into_keys() })
}

fn key_files(folder: &Path) -> Result<Vec<PathBuf>, KeyError> {
    let unreadable = |why: std::io::Error| fault(folder, &format!("can't be read ({why}); make it readable"));
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn signing_key(path: &Path) -> Result<SigningKey, KeyError> {
    let text = String::from_utf8(read(path)?).map_err(|_| fault(path, "is not text"))?;
    SigningKey::from_file(&text)
        .map_err(|why| fault(path, &format!("is not a signing key ({why}); restore it from the backup")))
}

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let told = |why: std::io::Error| match why.kind() {
        ErrorKind::NotFound => fault(path, "is missing; restore it from the backup"),
        _ => fault(path, &format!("can't be read ({why}); make it readable for this program")),
    };
    let mode = std::fs::metadata(path).map_err(told)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(fault(
            path,
            &format!("is open to others (mode {:o}); run chmod 600 on it", mode & 0o777),
        ));
    }
    std::fs::read(path).map_err(told)
}

/// Writes a file beside its place and links it there; `false` if another program was first, whose file then stands.
fn place(path: &Path, bytes: &[u8], entropy: &dyn Entropy) -> Result<bool, KeyError> {
    let draft = draft(path, bytes, entropy)?;
    let placed = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft).map_err(|why| unwritable(path, &why))?;
    match placed {
        Ok(()) => Ok(true),
        Err(why) if why.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(why) => Err(unwritable(path, &why)),
    }
}

/// A file beside `path`, whole and on the disk, that nothing takes for a key.
fn draft(path: &Path, bytes: &[u8], entropy: &dyn Entropy) -> Result<PathBuf, KeyError> {
    let draft = path.with_added_extension(base64url(&random::<9>(entropy)));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    let written = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|why| unwritable(path, &why))?;
    Ok(draft)
}

fn unwritable(path: &Path, why: &std::io::Error) -> KeyError {
    fault(path, &format!("can't be written ({why}); make its folder writable"))
}

fn fault(path: &Path, problem: &str) -> KeyError {
    KeyError { file: path.display().to_string(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SystemEntropy;
    use crate::base::time::Seconds;
    use std::fs::Permissions;
    use tempfile::TempDir;

    const NOW: Time = Time::from_unix_seconds(1_800_000_000);

    fn opened(folder: &Path, master: &str, signing: &[String]) -> Result<Keys, String> {
        open(folder, &Known { master, signing }, NOW).map_err(|e| e.to_string())
    }

    #[test]
    fn keys_are_made_once_and_a_missing_or_foreign_one_is_named() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("keys");
        let made = create(&path, NOW, &SystemEntropy).unwrap();
        let kids = made.signing.iter().map(|key| key.kid.clone()).collect::<Vec<_>>();
        let again = create(&path, NOW, &SystemEntropy).unwrap();
        assert_eq!(again.signing.iter().map(|key| key.kid.clone()).collect::<Vec<_>>(), kids);
        let master = made.master.fingerprint();
        assert_eq!(again.master.fingerprint(), master);
        assert_eq!(std::fs::metadata(path.join(MASTER)).unwrap().permissions().mode() & 0o777, 0o600);

        assert!(opened(&path, &master, &kids).is_ok());
        let said = |master: &str, kids: &[String]| opened(&path, master, kids).err().unwrap();
        assert!(said("other", &kids).contains("master.key: is another key"));
        // The first key of an algorithm, and one that waits, may not have been recorded yet; any other is foreign.
        assert!(opened(&path, &master, &kids[..1]).is_ok());
        let added = |signs_from| {
            let key = SigningKey::generate(SigningAlg::ES256, NOW, signs_from).unwrap();
            assert!(add(&listing(&path).unwrap(), &key, &SystemEntropy).unwrap());
            key.kid
        };
        added(NOW.plus(Seconds(1)));
        assert!(opened(&path, &master, &kids).is_ok());
        let foreign = added(NOW);
        assert!(said(&master, &kids).contains(&format!("holds the signing key {foreign}")));
        std::fs::remove_file(path.join("ES256-3.json")).unwrap();
        assert!(
            said(&master, &[kids.as_slice(), &["gone".into()]].concat())
                .contains("lacks the signing key gone")
        );
        std::fs::set_permissions(path.join(MASTER), Permissions::from_mode(0o644)).unwrap();
        assert!(said(&master, &kids).contains("chmod 600"));
        std::fs::remove_file(path.join(MASTER)).unwrap();
        assert!(said(&master, &kids).contains("master.key: is missing; restore it"));
        std::fs::write(path.join("ES256-1.json"), "{}").unwrap();
        assert!(said(&master, &kids).contains("master.key") || said(&master, &kids).contains("ES256-1.json"));
    }
}
