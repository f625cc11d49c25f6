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
    let present = signing_keys(folder)?;
    for alg in SigningAlg::ALL {
        if !present.iter().any(|key| key.alg == alg) {
            let path = folder.join(format!("{}-1.json", alg.as_str()));
            let key = SigningKey::generate(alg, now, now).and_then(|key| key.to_file());
            place(&path, key.map_err(|why| fault(&path, &why))?.as_bytes(), entropy)?;
        }
    }
    load(folder)
}

/// The keys of a database that was used with `known`: all of them, and no other.
pub fn open(folder: &Path, known: &Known) -> Result<Keys, KeyError> {
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
    match keys.signing.iter().find(|key| !known.signing.contains(&key.kid)) {
        Some(key) => Err(fault(
            folder,
            &format!("holds the signing key {}, which this database does not know; move it away", key.kid),
        )),
        None => Ok(keys),
    }
}

fn load(folder: &Path) -> Result<Keys, KeyError> {
    let path = folder.join(MASTER);
    let bytes = read(&path)?;
    let master = MasterKey::from_bytes(&bytes)
        .ok_or_else(|| fault(&path, "does not hold 32 bytes; restore it from the backup"))?;
    Ok(Keys { master, signing: signing_keys(folder)? })
}

fn signing_keys(folder: &Path) -> Result<Vec<SigningKey>, KeyError> {
    let unreadable = |why: std::io::Error| fault(folder, &format!("can't be read ({why}); make it readable"));
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let mut paths = Vec::<PathBuf>::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    let mut keys = paths.iter().map(|path| signing_key(path)).collect::<Result<Vec<_>, _>>()?;
    keys.sort_by(|a, b| (a.created_at, a.alg.as_str(), &a.kid).cmp(&(b.created_at, b.alg.as_str(), &b.kid)));
    Ok(keys)
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

/// Writes a file beside its place and links it there, which fails if another program was first; its file then stands.
fn place(path: &Path, bytes: &[u8], entropy: &dyn Entropy) -> Result<(), KeyError> {
    let refused =
        |why: std::io::Error| fault(path, &format!("can't be written ({why}); make its folder writable"));
    let draft = path.with_added_extension(base64url(&random::<9>(entropy)));
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(refused)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| std::fs::hard_link(&draft, path));
    std::fs::remove_file(&draft).map_err(refused)?;
    match placed {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => Err(refused(why)),
        _ => Ok(()),
    }
}

fn fault(path: &Path, problem: &str) -> KeyError {
    KeyError { file: path.display().to_string(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::SystemEntropy;
    use std::fs::Permissions;
    use tempfile::TempDir;

    const NOW: Time = Time::from_unix_seconds(1_800_000_000);

    fn opened(folder: &Path, master: &str, signing: &[String]) -> Result<Keys, String> {
        open(folder, &Known { master, signing }).map_err(|e| e.to_string())
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
        assert!(said(&master, &kids[..1]).contains(&format!("holds the signing key {}", kids[1])));
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
