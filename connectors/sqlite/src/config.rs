//! Where the file is.

use std::fmt;
use std::path::PathBuf;

/// One SQLite file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file. It must exist: a mistyped path never becomes a new database.
    pub path: PathBuf,
}

/// Why a URL names no SQLite file. The URL itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// It does not begin with `sqlite:`.
    Scheme,
    /// It names a host: `sqlite://name` instead of `sqlite:///name` or `sqlite:name`.
    Host,
    /// It names no file.
    Empty,
    /// It has parameters.
    Parameters,
    /// A `%` is not followed by two hexadecimal digits, or they make no text.
    Escape,
}

// === impl Config ===

impl Config {
    /// Reads `sqlite:///absolute/path` or `sqlite:relative/path`. `%XX` stands for a byte.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let (scheme, rest) = url.split_once(':').ok_or(ConfigError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("sqlite") {
            return Err(ConfigError::Scheme);
        }
        let path = match rest.strip_prefix("//") {
            Some(path) if path.starts_with('/') => path,
            Some("") => return Err(ConfigError::Empty),
            Some(_) => return Err(ConfigError::Host),
            None => rest,
        };
        if path.contains(['?', '#']) {
            return Err(ConfigError::Parameters);
        }
        if path.trim_matches('/').is_empty() || path.contains(":memory:") {
            return Err(ConfigError::Empty);
        }
        Ok(Self { path: unescape(path)?.into() })
    }
}

fn unescape(text: &str) -> Result<String, ConfigError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2).ok_or(ConfigError::Escape)?;
        bytes.extend(hex::decode(digits).map_err(|_| ConfigError::Escape)?);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| ConfigError::Escape)
}

// === impl ConfigError ===

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "does not begin with sqlite:",
            Self::Host => "names a host; write sqlite:///absolute/path or sqlite:relative/path",
            Self::Empty => "names no file",
            Self::Parameters => "has parameters, and SQLite files take none; write ? as %3F and # as %23",
            Self::Escape => "holds a % without two hexadecimal digits; write % as %25",
        })
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::{Config, ConfigError};

    #[test]
    fn urls_name_files_or_say_why_not() {
        for (url, path) in [
            ("sqlite:///var/lib/app.db", "/var/lib/app.db"),
            ("SQLITE:app.db", "app.db"),
            ("sqlite:./data/app.db", "./data/app.db"),
            ("sqlite:/abs.db", "/abs.db"),
            ("sqlite:///with%20space%3F.db", "/with space?.db"),
        ] {
            assert_eq!(Config::from_url(url).unwrap().path.to_str(), Some(path), "{url}");
        }
        for (url, error) in [
            ("postgres://x", ConfigError::Scheme),
            ("app.db", ConfigError::Scheme),
            ("sqlite://app.db", ConfigError::Host),
            ("sqlite:", ConfigError::Empty),
            ("sqlite://", ConfigError::Empty),
            ("sqlite::memory:", ConfigError::Empty),
            ("sqlite:a.db?mode=rw", ConfigError::Parameters),
            ("sqlite:a%2", ConfigError::Escape),
            ("sqlite:a%ff", ConfigError::Escape),
        ] {
            assert_eq!(Config::from_url(url), Err(error), "{url}");
        }
    }
}
