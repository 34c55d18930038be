//! Key files on disk: made once, read whole, replaced only by what is left of a destroyed key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::file::{Fingerprint, KeyFile, TEXT_MAX, Tombstone};
use crate::config::Problem;

/// No key file is longer than this; a longer one is the wrong file.
const BYTES_MAX: u64 = TEXT_MAX as u64;

/// The mode of a new file: its owner reads and writes it.
const MODE: u32 = 0o600;

/// What replacing a key file by its tombstone found.
#[derive(Debug)]
pub enum Entombed {
    /// The key is gone.
    Now {
        /// What is left of it.
        left: Tombstone,
        /// The KEK that it was wrapped by.
        kek: Fingerprint,
    },
    /// An earlier call destroyed it, or began to; what is left is on the disk now.
    Before(Tombstone),
}

/// Why a file gives no key.
enum Unreadable {
    /// It was one of ours and is no longer whole.
    Damaged(Problem),
    /// It is something else, or cannot be read at all.
    Other(Problem),
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
    read_alone(path).or_else(|unreadable| {
        let problem = match unreadable {
            Unreadable::Damaged(problem) => problem,
            Unreadable::Other(problem) => return Err(problem),
        };
        let Ok(real) = path.canonicalize() else { return Err(problem) };
        match read_alone(&beside(&real)) {
            Ok(KeyFile::Destroyed(tombstone)) => Ok(KeyFile::Destroyed(tombstone)),
            _ => Err(problem),
        }
    })
}

fn read_alone(path: &Path) -> Result<KeyFile, Unreadable> {
    let text = read_text(path).map_err(Unreadable::Other)?;
    KeyFile::from_text(&text).map_err(|error| {
        let problem = refused(path, &error.to_string());
        if KeyFile::begins(&text) { Unreadable::Damaged(problem) } else { Unreadable::Other(problem) }
    })
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

/// Replaces a wrapped key by its tombstone; nothing of the sealed key stays in the file. Done again it finds what it did, also
/// where it was killed in between: the tombstone is durable beside the file before the first byte of the key goes.
pub fn entomb(path: &Path, at: Timestamp) -> Result<Entombed, Problem> {
    // Mounted secrets are links: the file behind is the one that holds the key.
    let path = &path.canonicalize().map_err(|error| {
        problem(path, &format!("the key cannot be read: {}", error.kind()), "check that the file exists")
    })?;
    let beside = beside(path);
    let text = |left: &Tombstone| KeyFile::Destroyed(left.clone()).to_text();
    let (done, entombed) = match (read_alone(path), read_alone(&beside)) {
        (Ok(KeyFile::Wrapped(wrapped)), _) => {
            let left = wrapped.tombstone(at);
            (replace(path, &beside, &text(&left)), Entombed::Now { left, kek: wrapped.kek().clone() })
        }
        (Ok(KeyFile::Destroyed(left)), _) => (settle(path, &beside, &text(&left)), Entombed::Before(left)),
        (Ok(KeyFile::Plain(_)), _) => {
            let message =
                "is a plain key: whoever has a copy of the file has the key, so nobody can say that it is destroyed";
            let fix = "delete the file and its copies yourself; no evidence will claim it";
            return Err(problem(path, message, fix));
        }
        (Err(Unreadable::Damaged(_)), Ok(KeyFile::Destroyed(left))) => {
            (replace(path, &beside, &text(&left)), Entombed::Before(left))
        }
        (Err(Unreadable::Damaged(problem) | Unreadable::Other(problem)), _) => return Err(problem),
    };
    done.map_err(|error| {
        let fix = "check that this user may write the file and its folder, then destroy the key again";
        problem(path, &format!("the key cannot be destroyed: {}", error.kind()), fix)
    })?;
    Ok(entombed)
}

/// Writes `text` beside the file, then over its bytes, then puts the one beside in its place.
fn replace(path: &Path, beside: &Path, text: &str) -> io::Result<()> {
    let old = OpenOptions::new().write(true).open(path)?;
    let metadata = old.metadata()?;
    let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(beside)?;
    new.write_all(text.as_bytes())?;
    // Whoever could read the key must be able to read what is left of it. Only root may give a file away; a daemon that runs
    // as its owner needs no more.
    drop(fchown(&new, Some(metadata.uid()), Some(metadata.gid())));
    new.set_permissions(metadata.permissions())?;
    new.sync_all()?;
    sync_folder(path)?;
    write_over(old, text)?;
    fs::rename(beside, path)?;
    sync_folder(path)
}

/// Brings to the disk what reads as a tombstone already: the call that wrote it may have been killed, or told of a sick disk,
/// before it was there. Only then the one beside goes.
fn settle(path: &Path, beside: &Path, text: &str) -> io::Result<()> {
    write_over(OpenOptions::new().write(true).open(path)?, text)?;
    sync_folder(path)?;
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    sync_folder(path)
}

/// Writes `text` over every byte that the file has.
fn write_over(mut file: File, text: &str) -> io::Result<()> {
    let length = usize::try_from(file.metadata()?.len()).unwrap_or_default().max(text.len());
    file.rewind()?;
    file.write_all(format!("{text:\n<length$}").as_bytes())?;
    file.sync_all()
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
        let shown = create(&path, "other").unwrap_err().to_string();
        assert!(shown.contains("k1: cannot be made: entity already exists; a key is never written over"), "{shown}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
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
        let Entombed::Now { left: tombstone, .. } = entomb(&linked, at()).unwrap() else { panic!("it was there") };
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
        // Killed after the tombstone was written beside, and after so many bytes of the key were written over.
        let over = format!("{:\n<1$}", *left, text.len());
        for bytes in 1..text.len() {
            fs::write(beside(&path), left.as_bytes()).unwrap();
            fs::write(&path, format!("{}{}", &over[..bytes], &text[bytes..])).unwrap();
            let before = read(&path).unwrap().kind();
            match entomb(&path, Timestamp::UNIX_EPOCH).unwrap() {
                Entombed::Before(tombstone) => assert_eq!((tombstone.at, before), (at(), "destroyed"), "{bytes}"),
                // Not a byte differs yet.
                Entombed::Now { .. } => assert_eq!(over[..bytes], text[..bytes]),
            }
            assert_eq!(read(&path).unwrap().kind(), "destroyed");
            assert!(!beside(&path).exists());
        }
    }

    #[test]
    fn what_reads_as_destroyed_is_written_again_before_it_is_called_so() {
        let (_folder, path, _) = wrapped();
        entomb(&path, at()).unwrap();
        let left = fs::read(&path).unwrap();
        fs::copy(&path, beside(&path)).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        let again = entomb(&path, Timestamp::UNIX_EPOCH).unwrap();
        assert!(matches!(&again, Entombed::Before(tombstone) if tombstone.at == at()), "{again:?}");
        assert_ne!(fs::metadata(&path).unwrap().modified().unwrap(), long_ago);
        assert_eq!(fs::read(&path).unwrap(), left);
        assert!(!beside(&path).exists());
        // What cannot be brought to the disk is not claimed: a folder stands where the one beside has to go.
        fs::create_dir(beside(&path)).unwrap();
        let shown = entomb(&path, at()).unwrap_err().to_string();
        assert!(shown.contains("the key cannot be destroyed: "), "{shown}");
    }

    #[test]
    fn only_a_damaged_key_gives_way_to_the_tombstone_beside_it() {
        let (_folder, path, text) = wrapped();
        let Ok(KeyFile::Wrapped(key)) = KeyFile::from_text(&text) else { panic!("wrapped") };
        fs::write(beside(&path), KeyFile::Destroyed(key.tombstone(at())).to_text().as_bytes()).unwrap();
        let kek = Kek::generate().unwrap().to_text();
        for (bytes, expected) in [
            (b"somebody's notes".to_vec(), "this is no pseudonym key"),
            (kek.as_bytes().to_vec(), "wraps others"),
            (b"forgetd-pseudonym-key v2 wrapped a b c".to_vec(), "not known to this forgetd"),
            (vec![b'x'; 5000], "is too large for a key"),
            (vec![0xff, 0xfe], "cannot be read: invalid data"),
        ] {
            fs::write(&path, &bytes).unwrap();
            let (read, entombed) = (read(&path).unwrap_err(), entomb(&path, at()).unwrap_err());
            assert!(
                read.to_string().contains(expected) && entombed.to_string().contains(expected),
                "{read} {entombed}"
            );
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("cannot be read"));
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
