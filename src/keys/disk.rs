//! Key files on disk: made once, read whole, replaced only by what is left of a destroyed key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::file::{KeyFile, Tombstone};
use crate::config::Problem;

/// No key file is longer than this; a longer one is the wrong file.
const BYTES_MAX: u64 = 4096;

/// The mode of a new file: its owner reads and writes it.
const MODE: u32 = 0o600;

/// Whose permissions are others than the owner's.
const OTHERS: u32 = 0o077;

/// What replacing a key file by its tombstone found.
#[derive(Debug)]
pub enum Entombed {
    /// The key is gone.
    Now(Tombstone),
    /// It was gone before.
    Before(Tombstone),
}

/// Makes a key file that its owner alone may read. One that exists is never written over.
pub fn create(path: &Path, text: &str) -> Result<(), Problem> {
    let made = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
    made.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| sync_folder(path))
        .map_err(|error| problem(path, &format!("cannot be made: {}", error.kind()), "a key is never written over"))
}

/// Reads a pseudonym key's file. One whose key was written over, with its tombstone still beside it, is destroyed.
pub fn read(path: &Path) -> Result<KeyFile, Problem> {
    read_alone(path).or_else(|problem| {
        let Ok(real) = path.canonicalize() else { return Err(problem) };
        match read_alone(&beside(&real)) {
            Ok(KeyFile::Destroyed(tombstone)) => Ok(KeyFile::Destroyed(tombstone)),
            _ => Err(problem),
        }
    })
}

fn read_alone(path: &Path) -> Result<KeyFile, Problem> {
    KeyFile::from_text(&read_text(path)?).map_err(|error| refused(path, &error.to_string()))
}

/// Reads the text of a key file.
pub fn read_text(path: &Path) -> Result<Zeroizing<String>, Problem> {
    let unreadable = |error: io::Error| {
        let fix = "check that the file exists and that this user may read it";
        problem(path, &format!("the key cannot be read: {}", error.kind()), fix)
    };
    // As large as it may become: no half of it stays behind in memory that was given back.
    let mut text = Zeroizing::new(String::with_capacity(BYTES_MAX as usize + 1));
    let file = File::open(path).map_err(unreadable)?;
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(problem(path, "is too large for a key", "name the file that holds the key alone"));
    }
    Ok(text)
}

/// Whether others than its owner may read or write a file; false where it cannot be looked at.
pub fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & OTHERS != 0)
}

/// Replaces a wrapped key by its tombstone; nothing of the sealed key stays in the file. Done again it finds what it did, also
/// where it was killed in between: the tombstone is durable beside the file before the first byte of the key goes.
pub fn entomb(path: &Path, at: Timestamp) -> Result<Entombed, Problem> {
    // Mounted secrets are links: the file behind is the one that holds the key.
    let path = &path.canonicalize().map_err(|error| {
        problem(path, &format!("the key cannot be read: {}", error.kind()), "check that the file exists")
    })?;
    let beside = beside(path);
    let found = match (read_alone(path), read_alone(&beside)) {
        (Ok(KeyFile::Wrapped(wrapped)), _) => wrapped.tombstone(at),
        (Ok(KeyFile::Destroyed(tombstone)), _) => {
            drop(fs::remove_file(&beside));
            return Ok(Entombed::Before(tombstone));
        }
        (Ok(KeyFile::Plain(_)), _) => {
            let message =
                "is a plain key: whoever has a copy of the file has the key, so nobody can say that it is destroyed";
            let fix = "delete the file and its copies yourself; no evidence will claim it";
            return Err(problem(path, message, fix));
        }
        (Err(_), Ok(KeyFile::Destroyed(tombstone))) => tombstone,
        (Err(problem), _) => return Err(problem),
    };
    let done = replace(path, &beside, &KeyFile::Destroyed(found.clone()).to_text());
    done.map_err(|error| {
        let fix = "check that this user may write the file and its folder, then destroy the key again";
        problem(path, &format!("the key cannot be destroyed: {}", error.kind()), fix)
    })?;
    Ok(Entombed::Now(found))
}

/// Writes `text` beside the file, then over its bytes, then puts the one beside in its place.
fn replace(path: &Path, beside: &Path, text: &str) -> io::Result<()> {
    let mut old = OpenOptions::new().write(true).open(path)?;
    let metadata = old.metadata()?;
    let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(beside)?;
    new.write_all(text.as_bytes())?;
    // Whoever could read the key must be able to read what is left of it. Only root may give a file away; a daemon that runs
    // as its owner needs no more.
    drop(fchown(&new, Some(metadata.uid()), Some(metadata.gid())));
    new.set_permissions(metadata.permissions())?;
    new.sync_all()?;
    sync_folder(path)?;
    let length = usize::try_from(metadata.len()).unwrap_or_default().max(text.len());
    old.rewind()?;
    old.write_all(format!("{text:\n<length$}").as_bytes())?;
    old.sync_all()?;
    fs::rename(beside, path)?;
    sync_folder(path)
}

/// Where the tombstone lies before it is in its place.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".destroyed");
    name.into()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn problem(path: &Path, message: &str, fix: &str) -> Problem {
    Problem::new(path.display().to_string(), message, fix)
}

/// An error that says what is wrong and what to do, at this file.
pub(super) fn refused(path: &Path, error: &str) -> Problem {
    let (message, fix) = error.split_once("; ").unwrap_or((error, "use another key"));
    problem(path, message, fix)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    use super::*;
    use crate::keys::{Kek, KeyPair};

    /// A wrapped key in a folder of its own.
    fn wrapped() -> (tempfile::TempDir, PathBuf, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k1");
        let key = KeyPair::generate().unwrap().wrap(&Kek::generate().unwrap()).unwrap();
        let text = KeyFile::Wrapped(key).to_text().to_string();
        create(&path, &text).unwrap();
        (folder, path, text)
    }

    fn at() -> Timestamp {
        "2026-11-25T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_key_is_made_for_its_owner_alone_and_never_written_over() {
        let (_folder, path, text) = wrapped();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!is_open_to_others(&path));
        let shown = create(&path, "other").unwrap_err().to_string();
        assert!(shown.contains("k1: cannot be made: entity already exists; a key is never written over"), "{shown}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(is_open_to_others(&path));
    }

    #[test]
    fn what_is_no_key_is_named_without_its_content() {
        let (folder, path, text) = wrapped();
        for (bytes, expected) in [
            ("secret".as_bytes().to_vec(), "this is no pseudonym key"),
            (text[..40].into(), "the key file is damaged"),
            (vec![b'x'; 5000], "is too large for a key"),
            (vec![0xff, 0xfe], "cannot be read: invalid data"),
        ] {
            fs::write(&path, &bytes).unwrap();
            let shown = read(&path).unwrap_err().to_string();
            assert!(shown.contains(expected) && shown.contains("k1") && !shown.contains("secret"), "{shown}");
        }
        let shown = read(&folder.path().join("other")).unwrap_err().to_string();
        assert!(shown.contains("other: the key cannot be read: entity not found; check"), "{shown}");
    }

    #[test]
    fn a_destroyed_key_leaves_its_tombstone_and_nothing_else() {
        let (folder, path, text) = wrapped();
        let linked = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &linked).unwrap();
        let hard = folder.path().join("hard");
        fs::hard_link(&path, &hard).unwrap();
        let mode = fs::Permissions::from_mode(0o640);
        fs::set_permissions(&path, mode).unwrap();
        let before = read(&path).unwrap().fingerprint();
        let Entombed::Now(tombstone) = entomb(&linked, at()).unwrap() else { panic!("it was there") };
        assert_eq!((tombstone.fingerprint(), tombstone.at), (before, at()));
        assert!(fs::symlink_metadata(&linked).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        // Another name of the same bytes holds the tombstone as well.
        let sealed = text.split(' ').nth(4).unwrap();
        for name in [&path, &linked, &hard] {
            assert_eq!(read(name).unwrap().kind(), "destroyed");
            assert!(!fs::read_to_string(name).unwrap().contains(sealed));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        let Entombed::Before(again) = entomb(&path, "2027-01-01T00:00:00Z".parse().unwrap()).unwrap() else {
            panic!("it was gone")
        };
        assert_eq!(again.at, at());
    }

    #[test]
    fn a_kill_in_between_is_gone_on_from() {
        let (_folder, path, text) = wrapped();
        let Ok(KeyFile::Wrapped(key)) = KeyFile::from_text(&text) else { panic!("wrapped") };
        let left = KeyFile::Destroyed(key.tombstone(at())).to_text();
        // Killed after the tombstone was written beside, and after half of the key was written over.
        fs::write(beside(&path), left.as_bytes()).unwrap();
        fs::write(&path, &text[30..]).unwrap();
        assert_eq!(read(&path).unwrap().kind(), "destroyed");
        let Entombed::Now(tombstone) = entomb(&path, Timestamp::UNIX_EPOCH).unwrap() else { panic!("half done") };
        assert_eq!(tombstone.at, at());
        assert_eq!(fs::read_to_string(&path).unwrap(), *left);
        assert!(!beside(&path).exists());
    }

    #[test]
    fn a_plain_key_is_never_called_destroyed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k1");
        let text = KeyFile::Plain(KeyPair::generate().unwrap()).to_text();
        create(&path, &text).unwrap();
        let shown = entomb(&path, at()).unwrap_err().to_string();
        assert!(shown.contains("is a plain key") && shown.contains("no evidence will claim it"), "{shown}");
        assert_eq!(fs::read_to_string(&path).unwrap(), *text);
    }
}
