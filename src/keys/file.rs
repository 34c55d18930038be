//! The text of a pseudonym key's file: one line that names its kind and version.
//!
//! ```text
//! forgetd-pseudonym-key v1 plain <base64 of token key and check key> <checksum>
//! forgetd-pseudonym-key v1 wrapped <KEK's fingerprint> <base64 of nonce and sealed token key> <base64 of check key> <checksum>
//! forgetd-pseudonym-key v1 destroyed <fingerprint> <base64 of check key> <time> <checksum>
//! ```
//!
//! The token key makes tokens, the check key tells them from other text; they are independent random bytes, so that a
//! destroyed key's tokens stay recognised and nobody can make one. A checksum, 4 bytes in hex, tells a damaged line
//! from another key.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::kek::{self, Kek, WRAPPED};
use super::{Epoch, PseudonymKey};

/// What the file begins with.
const PREFIX: &str = "forgetd-pseudonym-key";

/// The version of its form.
const VERSION: &str = "v1";

/// No text of a key is longer than this.
pub(super) const TEXT_MAX: usize = 4096;

/// Stands in front of a line whose checksum is made.
const CHECKSUM: &[u8] = b"forgetd pseudonym key checksum v1\n";

/// Stands in front of what a wrapped key is bound to.
const BOUND: &[u8] = b"forgetd-pseudonym-key v1 wrapped\n";

/// Tells a key from others and says nothing of it: 8 bytes in hex. A pseudonym key keeps its own when it is destroyed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(String);

/// A token key and its check key. Wiped from memory when dropped; `Debug` shows nothing of them.
#[derive(Clone)]
pub struct KeyPair {
    /// Makes tokens.
    pub(super) token: Zeroizing<[u8; 32]>,
    /// Recognises them.
    pub(super) check: Zeroizing<[u8; 32]>,
}

/// What a key file holds.
#[derive(Clone, Debug)]
pub enum KeyFile {
    /// The key itself. Whoever has a copy of the file has the key, so it can never be called destroyed.
    Plain(KeyPair),
    /// The key under another one.
    Wrapped(WrappedKey),
    /// What is left of a destroyed key.
    Destroyed(Tombstone),
}

/// A token key under another key, and its check key.
#[derive(Clone)]
pub struct WrappedKey {
    kek: Fingerprint,
    sealed: [u8; WRAPPED],
    check: Zeroizing<[u8; 32]>,
}

/// What is left of a destroyed key: its tokens are recognised, and none can be made.
#[derive(Clone)]
pub struct Tombstone {
    /// When it was destroyed.
    pub at: Timestamp,
    pub(super) check: Zeroizing<[u8; 32]>,
}

/// Why a file gives no key. Nothing of its text is repeated, except fingerprints.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FileError {
    /// It is something else.
    #[error(
        "this is no pseudonym key: the file must be one line that begins with {PREFIX}; make one with `forgetd keys new pseudonym`"
    )]
    NoKey,
    /// It is a wrapping key.
    #[error("this is a key that wraps others, not a pseudonym key; name it as `kek: {{ file: FILE }}`")]
    IsKek,
    /// It should be a wrapping key, and is not.
    #[error(
        "this is no key that wraps others: the file must be one line that begins with forgetd-kek; make one with `forgetd keys new kek`"
    )]
    NoKek,
    /// It is of a kind or version that is not known here.
    #[error("the kind or the version of the key file is not known to this forgetd; use the version that made it")]
    Version,
    /// Its parts do not belong together.
    #[error("the key file is damaged; restore it from its backup")]
    Damaged,
    /// It is wrapped, and no key unwraps it.
    #[error("the key is wrapped by the KEK {0}, and none is given; name it as `kek: {{ file: FILE }}`")]
    KekMissing(Fingerprint),
    /// It is wrapped by another key.
    #[error("the key is wrapped by the KEK {wanted}, and the one given is {given}; give the one that wraps it")]
    KekOther {
        /// The one that wraps it.
        wanted: Fingerprint,
        /// The one that was given.
        given: Fingerprint,
    },
    /// The system gave no randomness.
    #[error("the system gave no random bytes; try again")]
    Random,
}

// === impl Fingerprint ===

impl Fingerprint {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Of these bytes, of which 8 are kept.
    pub(super) fn of(digest: &[u8; 32]) -> Self {
        Self(hex::encode(&digest[..8]))
    }

    fn of_pair(check: &[u8; 32]) -> Self {
        Self::of(&PseudonymKey::fingerprint_of(check))
    }

    fn read(text: &str) -> Option<Self> {
        let hex = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
        (text.len() == 16 && text.bytes().all(hex)).then(|| Self(text.into()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl KeyPair ===

impl KeyPair {
    /// New random keys.
    pub fn generate() -> Result<Self, FileError> {
        let (mut token, mut check) = (Zeroizing::new([0_u8; 32]), Zeroizing::new([0_u8; 32]));
        getrandom::fill(&mut *token).and_then(|()| getrandom::fill(&mut *check)).map_err(|_| FileError::Random)?;
        Ok(Self { token, check })
    }

    /// Its fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_pair(&self.check)
    }

    /// Under another key.
    pub fn wrap(&self, kek: &Kek) -> Result<WrappedKey, FileError> {
        let by = kek.fingerprint();
        let sealed = kek.wrap(&self.token, &bound(&by, &self.check))?;
        let sealed = <[u8; WRAPPED]>::try_from(sealed.as_slice()).map_err(|_| FileError::Damaged)?;
        Ok(WrappedKey { kek: by, sealed, check: self.check.clone() })
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPair(..)")
    }
}

// === impl WrappedKey ===

impl WrappedKey {
    /// The fingerprint of the key inside.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_pair(&self.check)
    }

    /// The fingerprint of the key that wraps it.
    pub const fn kek(&self) -> &Fingerprint {
        &self.kek
    }

    /// The key inside.
    pub fn unwrap(&self, kek: &Kek) -> Result<KeyPair, FileError> {
        let given = kek.fingerprint();
        if given != self.kek {
            return Err(FileError::KekOther { wanted: self.kek.clone(), given });
        }
        let token = kek.unwrap(&self.sealed, &bound(&self.kek, &self.check))?;
        Ok(KeyPair { token, check: self.check.clone() })
    }

    /// What is left of it when it is destroyed at this time.
    pub fn tombstone(&self, at: Timestamp) -> Tombstone {
        Tombstone { at, check: self.check.clone() }
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({})", self.fingerprint())
    }
}

// === impl Tombstone ===

impl Tombstone {
    /// The fingerprint of the key that was destroyed.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_pair(&self.check)
    }
}

impl fmt::Debug for Tombstone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tombstone({})", self.fingerprint())
    }
}

// === impl KeyFile ===

impl KeyFile {
    /// Reads the text of a key file.
    pub fn from_text(text: &str) -> Result<Self, FileError> {
        let line = text.trim_ascii();
        let words: Vec<&str> = line.split(' ').collect();
        match words.first() {
            Some(&PREFIX) => {}
            Some(&kek::PREFIX) => return Err(FileError::IsKek),
            _ => return Err(FileError::NoKey),
        }
        if words.get(1) != Some(&VERSION) {
            return Err(FileError::Version);
        }
        let (rest, sum) = line.rsplit_once(' ').ok_or(FileError::Damaged)?;
        let file = match words[2..] {
            ["plain", keys, _] => decoded::<64>(keys).and_then(|keys| {
                let (token, check) = keys.split_at(32);
                let array = |part: &[u8]| <[u8; 32]>::try_from(part).ok().map(Zeroizing::new);
                Some(Self::Plain(KeyPair { token: array(token)?, check: array(check)? }))
            }),
            ["wrapped", kek, sealed, check, _] => wrapped(kek, sealed, check),
            ["destroyed", fingerprint, check, at, _] => destroyed(fingerprint, check, at),
            ["plain" | "wrapped" | "destroyed", ..] => None,
            _ => return Err(FileError::Version),
        };
        file.filter(|_| sum == checksum(rest)).ok_or(FileError::Damaged)
    }

    /// Whether this begins as the text of a key does that is known here, whole or not.
    pub(super) fn begins(text: &str) -> bool {
        text.trim_ascii_start().strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with(&format!(" {VERSION} ")))
    }

    /// The text for a key file.
    pub fn to_text(&self) -> Zeroizing<String> {
        let encoded = |bytes: &[u8]| Zeroizing::new(STANDARD.encode(bytes));
        let mut text = room();
        let written = match self {
            Self::Plain(pair) => {
                let mut both = Zeroizing::new([0_u8; 64]);
                both[..32].copy_from_slice(pair.token.as_slice());
                both[32..].copy_from_slice(pair.check.as_slice());
                write!(text, "{PREFIX} {VERSION} plain {}", *encoded(both.as_slice()))
            }
            Self::Wrapped(WrappedKey { kek, sealed, check }) => {
                let (sealed, check) = (encoded(sealed), encoded(check.as_slice()));
                write!(text, "{PREFIX} {VERSION} wrapped {kek} {} {}", *sealed, *check)
            }
            Self::Destroyed(tombstone) => {
                let (fingerprint, check) = (tombstone.fingerprint(), encoded(tombstone.check.as_slice()));
                write!(text, "{PREFIX} {VERSION} destroyed {fingerprint} {} {}", *check, tombstone.at)
            }
        };
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
        let sum = checksum(&text);
        text.push(' ');
        text.push_str(&sum);
        text.push('\n');
        text
    }

    /// The fingerprint of the key that wraps it, if one does.
    pub const fn kek(&self) -> Option<&Fingerprint> {
        match self {
            Self::Wrapped(wrapped) => Some(wrapped.kek()),
            Self::Plain(_) | Self::Destroyed(_) => None,
        }
    }

    /// The fingerprint of the key that it holds, or held.
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Plain(pair) => pair.fingerprint(),
            Self::Wrapped(wrapped) => wrapped.fingerprint(),
            Self::Destroyed(tombstone) => tombstone.fingerprint(),
        }
    }

    /// What the tokens of its key carry, where it is called `id`.
    pub fn epoch(&self, id: &str) -> Epoch {
        Epoch::of(id, &PseudonymKey::fingerprint_of(self.check()))
    }

    /// The key that recognises its tokens.
    pub(super) fn check(&self) -> &[u8; 32] {
        match self {
            Self::Plain(pair) => &pair.check,
            Self::Wrapped(wrapped) => &wrapped.check,
            Self::Destroyed(tombstone) => &tombstone.check,
        }
    }

    /// Its kind in one word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Plain(_) => "plain",
            Self::Wrapped(_) => "wrapped",
            Self::Destroyed(_) => "destroyed",
        }
    }
}

fn wrapped(kek: &str, sealed: &str, check: &str) -> Option<KeyFile> {
    let (kek, sealed, check) = (Fingerprint::read(kek)?, *decoded::<WRAPPED>(sealed)?, decoded(check)?);
    Some(KeyFile::Wrapped(WrappedKey { kek, sealed, check }))
}

fn destroyed(fingerprint: &str, check: &str, at: &str) -> Option<KeyFile> {
    let tombstone = Tombstone { at: at.parse().ok()?, check: decoded(check)? };
    (Fingerprint::read(fingerprint)? == tombstone.fingerprint()).then_some(KeyFile::Destroyed(tombstone))
}

/// What a wrapped key is bound to.
fn bound(kek: &Fingerprint, check: &[u8; 32]) -> Vec<u8> {
    [BOUND, kek.0.as_bytes(), b"\n", check].concat()
}

/// Base64 of exactly so many bytes.
pub(super) fn decoded<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let length = STANDARD.decode_slice(text, &mut bytes).ok()?;
    <[u8; N]>::try_from(&bytes[..length]).ok().map(Zeroizing::new)
}

/// Room for the text of a key, as much as it may become: a text that grows leaves its smaller copies in memory.
pub(super) fn room() -> Zeroizing<String> {
    Zeroizing::new(String::with_capacity(TEXT_MAX))
}

fn checksum(line: &str) -> String {
    let digest = Sha256::new().chain_update(CHECKSUM).chain_update(line).finalize();
    hex::encode(&digest[..4])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(seed: u8) -> KeyPair {
        KeyPair { token: Zeroizing::new([seed; 32]), check: Zeroizing::new([seed + 1; 32]) }
    }

    fn kek(seed: u8) -> Kek {
        let key = STANDARD.encode([seed; 32]);
        Kek::from_text(&format!("forgetd-kek v1 {key}\n")).unwrap()
    }

    fn files() -> [KeyFile; 3] {
        let wrapped = pair(7).wrap(&kek(9)).unwrap();
        let tombstone = wrapped.tombstone("2026-11-25T10:00:00Z".parse().unwrap());
        [KeyFile::Plain(pair(7)), KeyFile::Wrapped(wrapped), KeyFile::Destroyed(tombstone)]
    }

    #[test]
    fn every_kind_reads_back_under_one_fingerprint() {
        for file in files() {
            let text = file.to_text();
            let again = KeyFile::from_text(&text).unwrap();
            assert_eq!((again.kind(), again.to_text()), (file.kind(), text));
            assert_eq!(again.fingerprint(), pair(7).fingerprint(), "{}", file.kind());
        }
        assert_ne!(pair(7).fingerprint(), pair(8).fingerprint());
    }

    #[test]
    fn no_text_of_a_key_grows_and_leaves_a_copy_behind() {
        let texts = files().map(|file| file.to_text()).into_iter().chain([kek(9).to_text()]);
        for text in texts {
            assert_eq!(text.capacity(), TEXT_MAX, "{}", &text[..20]);
        }
    }

    #[test]
    fn two_new_keys_have_nothing_in_common() {
        let (a, b) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        assert!(*a.token != *b.token && *a.check != *b.check && *a.token != *a.check);
        assert_ne!(Kek::generate().unwrap().to_text(), Kek::generate().unwrap().to_text());
    }

    #[test]
    fn a_wrapped_key_is_had_by_its_own_kek_alone() {
        let wrapped = pair(7).wrap(&kek(9)).unwrap();
        let again = wrapped.unwrap(&kek(9)).unwrap();
        assert!(*again.token == [7; 32] && *again.check == [8; 32]);
        let refused = wrapped.unwrap(&kek(10)).unwrap_err();
        let (wanted, given) = (kek(9).fingerprint(), kek(10).fingerprint());
        assert_eq!(refused, FileError::KekOther { wanted: wanted.clone(), given });
        assert!(refused.to_string().contains(wanted.as_str()), "{refused}");
        // The same key is wrapped anew each time.
        assert_ne!(wrapped.sealed, pair(7).wrap(&kek(9)).unwrap().sealed);
    }

    #[test]
    fn what_a_key_is_wrapped_with_cannot_be_exchanged() {
        let wrapped = pair(7).wrap(&kek(9)).unwrap();
        let other_check = WrappedKey { check: Zeroizing::new([1; 32]), ..wrapped.clone() };
        let other_kek = WrappedKey { kek: kek(1).fingerprint(), ..wrapped.clone() };
        assert!(matches!(other_kek.unwrap(&kek(9)).unwrap_err(), FileError::KekOther { .. }));
        let mut damaged = wrapped;
        damaged.sealed[20] ^= 1;
        for changed in [other_check, damaged] {
            assert_eq!(changed.unwrap(&kek(9)).unwrap_err(), FileError::Damaged);
        }
    }

    #[test]
    fn every_damaged_byte_is_noticed_and_nothing_is_repeated() {
        for file in files() {
            let text = file.to_text();
            let secret = STANDARD.encode([7_u8; 30]);
            for at in 0..text.trim_end().len() {
                let mut damaged = text.as_bytes().to_vec();
                damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
                let damaged = String::from_utf8(damaged).unwrap();
                let error = KeyFile::from_text(&damaged).unwrap_err().to_string();
                assert!(!error.contains(&secret), "{error}");
            }
            for end in 0..text.trim_end().len() {
                KeyFile::from_text(&text[..end]).unwrap_err();
            }
        }
    }

    #[test]
    fn foreign_files_are_named() {
        let kek = kek(9).to_text();
        for (text, expected) in [
            ("", FileError::NoKey),
            ("PRIVATE+KEY+x+00000000+AQ", FileError::NoKey),
            (kek.as_str(), FileError::IsKek),
            ("forgetd-pseudonym-key v2 plain x y", FileError::Version),
            ("forgetd-pseudonym-key v1 other x y", FileError::Version),
            ("forgetd-pseudonym-key v1 plain", FileError::Damaged),
            ("forgetd-pseudonym-key v1", FileError::Version),
        ] {
            assert_eq!(KeyFile::from_text(text).unwrap_err(), expected, "{text}");
        }
        for (text, expected) in [
            (files()[0].to_text().as_str(), FileError::NoKek),
            ("forgetd-kek v2 x", FileError::Version),
            ("forgetd-kek v1 x", FileError::Damaged),
        ] {
            assert_eq!(Kek::from_text(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let shown = format!("{:?} {:?} {:?}", files(), kek(9), pair(7));
        for seed in [7_u8, 8, 9] {
            assert!(
                !shown.contains(&STANDARD.encode([seed; 30])) && !shown.contains(&hex::encode([seed; 4])),
                "{shown}"
            );
            assert!(!shown.contains(&format!("{seed}, {seed}")), "{shown}");
        }
    }
}
