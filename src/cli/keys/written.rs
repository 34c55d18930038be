//! A new pseudonym key on its way into a file, and the entry of the policy that names it.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;

use crate::cli::print;
use crate::config::{self, Problem, Secret};
use crate::keys::{FileError, Kek, KeyFile, KeyPair, disk};

/// An entry of `pseudonym_keys:`, without its file.
pub(super) struct Entry<'a> {
    pub(super) id: &'a str,
    pub(super) domain: &'a str,
    pub(super) kek: Option<&'a Secret>,
    pub(super) active_from: Option<&'a str>,
}

// === impl Entry ===

impl Entry<'_> {
    /// As it stands in a policy.
    pub(super) fn text(&self, file: &Path) -> String {
        let Self { id, domain, .. } = self;
        let kek = match self.kek {
            Some(Secret::File(path)) => format!(", kek: {{ file: {} }}", yaml(&path.display().to_string())),
            Some(Secret::Env(name)) => format!(", kek: {{ env: {} }}", yaml(name)),
            Some(Secret::Literal(_)) | None => String::new(),
        };
        let from = self.active_from.map(|from| format!(", active_from: {from}")).unwrap_or_default();
        let (id, domain) = (yaml(id), yaml(domain));
        let file = yaml(&file.display().to_string());
        format!("pseudonym_keys:\n  - {{ id: {id}, domain: {domain}, file: {file}{kek}{from} }}")
    }
}

/// Text as YAML reads it back.
fn yaml(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-');
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    if begins && text.bytes().all(plain) && !words.contains(&&*text.to_ascii_lowercase()) {
        return text.into();
    }
    serde_json::Value::from(text).to_string()
}

/// What a relative path of the command line names, wherever the policy lies.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}

/// Reads the name of a key or a domain from the command line.
pub(super) fn name(text: &str) -> Result<String, &'static str> {
    if config::is_key_name(text) {
        return Ok(text.into());
    }
    Err("it begins with a letter or digit and holds lower case letters, digits, `-`, `_` and `.`")
}

/// Reads a date or a time from the command line; what was written is kept beside it.
pub(in crate::cli) fn moment(text: &str) -> Result<(jiff::Timestamp, String), &'static str> {
    let moment = config::moment(text).ok_or("write a date such as 2026-01-31, or a time of RFC 3339 with its zone")?;
    Ok((moment, text.into()))
}

/// A new key, wrapped where there is a key to wrap it with.
pub(super) fn generate(kek: Option<&Secret>) -> Result<KeyFile, Problem> {
    let failed = |error: FileError| {
        let text = error.to_string();
        let (message, fix) = text.split_once("; ").unwrap_or((&text, "try again"));
        Problem::new(kek.map_or_else(|| "new key".into(), |kek| format!("{kek:?}")), message, fix)
    };
    let pair = KeyPair::generate().map_err(failed)?;
    let Some(secret) = kek else { return Ok(KeyFile::Plain(pair)) };
    let text = secret.read()?;
    let kek = Kek::from_text(text.expose_secret()).map_err(failed)?;
    pair.wrap(&kek).map(KeyFile::Wrapped).map_err(failed)
}

/// Writes a new key into its file and says what it is.
pub(super) fn keep(path: &Path, file: &KeyFile) -> Result<(), Problem> {
    disk::create(path, &file.to_text())?;
    let what = match file {
        KeyFile::Wrapped(wrapped) => format!("wrapped by the KEK {}", wrapped.kek()),
        _ => "plain: it can never be called destroyed, as one made with --kek can".into(),
    };
    print(format_args!("pseudonym key {} written to {}, {what}", file.fingerprint(), path.display()));
    print("keep a copy offline: without the key the same value becomes another token");
    print("add to the policy:");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back() {
        let kek = Secret::Env("KEK".into());
        for file in ["/run/secrets/k1", "/tmp/a b/k'1\"", "C: #x", "null", "1e3"] {
            let entry = Entry { id: "1", domain: "crm-people", kek: Some(&kek), active_from: Some("2026-01-01") };
            let text = format!(
                "version: 1\ninstance: i\ndatabases: {{ d: {{ url: {{ env: U }} }} }}\n\
                 evidence: {{ origin: example.com/x, signing_key: {{ file: e }} }}\n\
                 rules: [{{ name: r, table: t, keep_for: 1d, since: at, action: delete }}]\n{}\n",
                entry.text(Path::new(file))
            );
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("forgetd.yaml");
            std::fs::write(&path, &text).unwrap();
            let config = config::load(&config::LoadOptions { file: Some(path), ..Default::default() });
            let config = config.unwrap_or_else(|problems| panic!("{text}\n{problems}"));
            let key = &config.pseudonym_keys[0];
            assert_eq!(key.file, folder.path().join(file));
            assert_eq!((&*key.id, &*key.domain, &key.kek), ("1", "crm-people", &Some(Secret::Env("KEK".into()))));
            assert_eq!(key.active_from, config::moment("2026-01-01"));
        }
    }
}
