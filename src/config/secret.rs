//! Secrets: named in the configuration, read when they are used, never printed.

use std::{fmt, io::Read as _, path::PathBuf};

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::Problem;

/// No secret is longer than this; a larger file is the wrong file.
const BYTES_MAX: u64 = 64 * 1024;

/// Where a secret is. Only a URL without a password may stand in the configuration itself.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// In a file.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
    /// A URL that holds no password.
    Literal(String),
}

// === impl Secret ===

impl Secret {
    /// Reads it. Line ends after it are trimmed; a missing, empty, oversized or non-text secret is a problem that names
    /// the place and never the content.
    pub fn read(&self) -> Result<SecretString, Problem> {
        let (text, place) = match self {
            Self::File(path) => (read_file(path)?, path.display().to_string()),
            Self::Env(name) => (read_env(name)?, format!("env {name}")),
            Self::Literal(text) => (Zeroizing::new(text.clone()), "configuration".into()),
        };
        let trimmed = text.trim_end_matches(['\r', '\n']);
        if trimmed.is_empty() {
            return Err(Problem::new(place, "holds no secret: it is empty", "write the secret into it"));
        }
        Ok(SecretString::from(trimmed))
    }
}

/// Its text, wiped when it is dropped.
fn read_file(path: &std::path::Path) -> Result<Zeroizing<String>, Problem> {
    let place = path.display().to_string();
    let problem = |error: &std::io::Error| {
        Problem::new(
            place.clone(),
            format!("the secret cannot be read: {}", error.kind()),
            "check that the file exists and that this user may read it",
        )
    };
    let file = std::fs::File::open(path).map_err(|error| problem(&error))?;
    // As large as it may become: no half of it stays behind in memory that was given back.
    let mut text = Zeroizing::new(String::with_capacity(BYTES_MAX as usize + 1));
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| problem(&error))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(Problem::new(place, "is too large for a secret", "name the file that holds the secret alone"));
    }
    Ok(text)
}

fn read_env(name: &str) -> Result<Zeroizing<String>, Problem> {
    std::env::var(name).map(Zeroizing::new).map_err(|error| {
        let (what, fix) = match error {
            std::env::VarError::NotPresent => ("is not set", "set it, or name another variable"),
            std::env::VarError::NotUnicode(_) => ("is not text", "set it to text in UTF-8"),
        };
        Problem::new(format!("env {name}"), what, fix)
    })
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "env {name}"),
            Self::Literal(_) => f.write_str("literal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::{BYTES_MAX, Secret, read_file};

    #[test]
    fn line_ends_are_trimmed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        std::fs::write(&path, " a secret \r\n\n").unwrap();
        // It never grew, and so left no copy behind.
        assert_eq!(read_file(&path).unwrap().capacity() as u64, BYTES_MAX + 1);
        assert_eq!(Secret::File(path).read().unwrap().expose_secret(), " a secret ");
    }

    #[test]
    fn what_cannot_be_read_is_named_without_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "\n").unwrap();
        let shown = Secret::File(path.clone()).read().unwrap_err().to_string();
        assert!(shown.contains("key: holds no secret: it is empty; write the secret into it"), "{shown}");
        std::fs::write(&path, vec![b'x'; 70_000]).unwrap();
        let shown = Secret::File(path.clone()).read().unwrap_err().to_string();
        assert!(shown.contains("too large") && !shown.contains("xxx"), "{shown}");
        std::fs::remove_file(&path).unwrap();
        assert!(Secret::File(path).read().unwrap_err().to_string().contains("cannot be read"));
        let shown = Secret::Env("FORGETD_NO_SUCH_VARIABLE".into()).read().unwrap_err().to_string();
        assert_eq!(shown, "env FORGETD_NO_SUCH_VARIABLE: is not set; set it, or name another variable");
        assert_eq!(format!("{:?}", Secret::Literal("postgres://marker".into())), "literal");
    }
}
