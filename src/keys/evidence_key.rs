//! The key of an instance's evidence: it signs checkpoints, and the keys of receipts and commitments derive from it.
//!
//! In a file it is one line in the private key form of signed notes, `PRIVATE+KEY+<name>+<key id>+<base64 of 0x01 and
//! the seed>`, which Go's `note.NewSigner` reads as well. The seed does not depend on the name: the log signs under its
//! origin, whatever name the file has.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use forgetd_connector::{Key, ReceiptKey, TableRef};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{CommitmentKey, Commitments};

/// The name in a key file whose maker did not know the origin yet.
pub const FILE_NAME: &str = "forgetd-evidence";

/// The signature type of plain Ed25519 in signed notes.
const ED25519: u8 = 0x01;

/// The signing key of the evidence log. Wiped from memory when dropped; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct EvidenceKey {
    signing: SigningKey,
    // Keyed once: every receipt needs it.
    receipts: Hmac<Sha256>,
}

/// Why a key cannot be had. Nothing of a file's text is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The text has another form.
    #[error(
        "not a key file: it must be one line, PRIVATE+KEY+<name>+<key id>+<base64>; make one with `forgetd keys new evidence`"
    )]
    Form,
    /// The key id does not belong to the key.
    #[error("the key file is damaged: its key id does not belong to its key; restore it from its backup")]
    KeyId,
    /// The name may not stand in a note.
    #[error("the name of a key must not be empty and must not contain spaces or `+`")]
    Name,
    /// The system gave no randomness.
    #[error("the system gave no random bytes")]
    Random,
}

// === impl EvidenceKey ===

impl EvidenceKey {
    /// A new random key.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0_u8; 32]);
        getrandom::fill(&mut *seed).map_err(|_| KeyError::Random)?;
        Ok(Self::from_seed(&seed))
    }

    /// The key with this seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mac_key = derive(seed, b"forgetd receipt mac v1");
        Self { signing: SigningKey::from_bytes(seed), receipts: keyed(&mac_key) }
    }

    /// Reads the text of a key file.
    pub fn from_file_text(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.trim_ascii().splitn(5, '+');
        let (Some("PRIVATE"), Some("KEY"), Some(name), Some(id), Some(data)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(KeyError::Form);
        };
        check_name(name)?;
        let data = Zeroizing::new(STANDARD.decode(data).map_err(|_| KeyError::Form)?);
        let [ED25519, seed @ ..] = data.as_slice() else { return Err(KeyError::Form) };
        let seed = Zeroizing::new(<[u8; 32]>::try_from(seed).map_err(|_| KeyError::Form)?);
        let key = Self::from_seed(&seed);
        if id != hex::encode(key.id(name)) {
            return Err(KeyError::KeyId);
        }
        Ok(key)
    }

    /// The text for a key file, under `name`: the origin, or [`FILE_NAME`].
    pub fn to_file_text(&self, name: &str) -> Result<Zeroizing<String>, KeyError> {
        check_name(name)?;
        let mut data = Zeroizing::new(vec![ED25519]);
        data.extend_from_slice(self.signing.as_bytes());
        let encoded = Zeroizing::new(STANDARD.encode(data.as_slice()));
        Ok(Zeroizing::new(format!("PRIVATE+KEY+{name}+{}+{}\n", hex::encode(self.id(name)), *encoded)))
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.signing.verifying_key().to_bytes()
    }

    /// The Ed25519 signature of `message`; the same bytes every time.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }

    /// The MAC that a receipt is stored with.
    pub fn mac(&self, key: &ReceiptKey, body: &[u8]) -> [u8; 32] {
        self.receipt_mac(key, body).finalize().into_bytes().into()
    }

    /// Whether `mac` belongs to the receipt, in constant time.
    pub fn verify_mac(&self, key: &ReceiptKey, body: &[u8], mac: &[u8; 32]) -> bool {
        self.receipt_mac(key, body).verify_slice(mac).is_ok()
    }

    /// The key of row commitments made in `quarter` (`2026Q4`). Derived, so it lives as long as the signing key: it
    /// can never be called destroyed.
    pub fn commitment_key(&self, quarter: &str) -> CommitmentKey {
        let label = [b"forgetd commitments v1 ".as_slice(), quarter.as_bytes()].concat();
        CommitmentKey::new(&derive(self.signing.as_bytes(), &label))
    }

    /// Commitments to the keys of changed rows. `at` must be the `at` of their entry: its quarter is how a proof finds
    /// the commitment key again.
    pub fn commitments(&self, at: Timestamp, database: &str, table: &TableRef, keys: &[Key]) -> Commitments {
        self.commitments_at(at).commit(database, table, keys)
    }

    /// The key of commitments whose entry was made at this time.
    pub fn commitments_at(&self, at: Timestamp) -> CommitmentKey {
        self.commitment_key(&quarter(at))
    }

    fn receipt_mac(&self, key: &ReceiptKey, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.receipts.clone();
        // Every part has its length in front, so that no two receipts encode to the same bytes.
        for part in [key.generation.0.as_bytes(), key.rule.as_bytes(), key.lane.as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.update(&key.sequence.to_be_bytes());
        mac.update(&(body.len() as u64).to_be_bytes());
        mac.update(body);
        mac
    }

    /// The key id of signed notes under `name`.
    fn id(&self, name: &str) -> [u8; 4] {
        key_id(name, &self.public())
    }
}

impl fmt::Debug for EvidenceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EvidenceKey(..)")
    }
}

/// The quarter of `at` in UTC, as `2026Q4`.
pub(super) fn quarter(at: Timestamp) -> String {
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    format!("{}Q{}", date.year(), (date.month() - 1) / 3 + 1)
}

/// A MAC state with its key already worked in.
pub(super) fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC takes keys of every length, so the error cannot happen; an all-zero digest key would never verify anything.
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()))
}

/// A key for one purpose out of another key.
pub(super) fn derive(seed: &[u8; 32], label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0_u8; 32]);
    // 32 bytes are far below what HKDF can give, so the error cannot happen.
    let expanded = Hkdf::<Sha256>::new(None, seed).expand(label, &mut *key);
    debug_assert!(expanded.is_ok(), "HKDF gives 32 bytes");
    key
}

/// C2SP signed-note: the first four bytes of `SHA-256(name || "\n" || 0x01 || public key)`.
pub(crate) fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(public).finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

fn check_name(name: &str) -> Result<(), KeyError> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
        return Err(KeyError::Name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use forgetd_connector::Generation;

    use super::*;

    fn receipt_key(rule: &str, lane: &str, sequence: u64) -> ReceiptKey {
        ReceiptKey { generation: Generation("g1".into()), rule: rule.into(), lane: lane.into(), sequence }
    }

    #[test]
    fn a_key_file_reads_back_under_any_name() {
        let key = EvidenceKey::generate().unwrap();
        for name in [FILE_NAME, "example.com/forgetd/shop"] {
            let text = key.to_file_text(name).unwrap();
            assert_eq!(EvidenceKey::from_file_text(&text).unwrap().public(), key.public());
        }
        assert!(matches!(key.to_file_text("a b"), Err(KeyError::Name)));
        assert!(matches!(key.to_file_text("a+b"), Err(KeyError::Name)));
    }

    #[test]
    fn a_damaged_key_file_is_refused_without_repeating_it() {
        let text = EvidenceKey::from_seed(&[7; 32]).to_file_text(FILE_NAME).unwrap();
        for (from, to) in [("PRIVATE", "PUBLIC"), (FILE_NAME, "other"), ("+AQcH", "+AQcG"), ("+AQcH", "+!")] {
            let error = EvidenceKey::from_file_text(&text.replacen(from, to, 1)).unwrap_err();
            assert!(!error.to_string().contains("BwcH"), "{from}: {error}");
        }
        assert_eq!(EvidenceKey::from_file_text("").unwrap_err(), KeyError::Form);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", EvidenceKey::from_seed(&[7; 32])), "EvidenceKey(..)");
    }

    #[test]
    fn a_mac_binds_every_part_of_key_and_body() {
        let key = EvidenceKey::from_seed(&[7; 32]);
        let receipt = receipt_key("ab", "c", 1);
        let mac = key.mac(&receipt, b"body");
        assert!(key.verify_mac(&receipt, b"body", &mac));
        assert!(!key.verify_mac(&receipt, b"bodz", &mac));
        assert!(!key.verify_mac(&receipt_key("a", "bc", 1), b"body", &mac));
        assert!(!key.verify_mac(&receipt_key("ab", "c", 2), b"body", &mac));
        assert!(!EvidenceKey::from_seed(&[8; 32]).verify_mac(&receipt, b"body", &mac));
    }

    #[test]
    fn quarters_are_those_of_utc() {
        for (at, expected) in [
            ("2026-01-01T00:00:00Z", "2026Q1"),
            ("2026-03-31T23:59:59Z", "2026Q1"),
            ("2026-04-01T00:00:00Z", "2026Q2"),
            ("2026-12-31T23:59:59Z", "2026Q4"),
        ] {
            assert_eq!(quarter(at.parse().unwrap()), expected);
        }
    }
}
