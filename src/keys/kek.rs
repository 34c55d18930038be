//! Keys that wrap others, so that a wrapped key can be destroyed: who has a copy of its file from before has nothing
//! without this one.

use std::fmt;

use aes_gcm_siv::Aes256GcmSiv;
use aes_gcm_siv::aead::{Aead as _, KeyInit as _, Payload};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::evidence_key::keyed;
use super::file::{FileError, Fingerprint, decoded, room};

/// What the file of a wrapping key begins with.
pub(super) const PREFIX: &str = "forgetd-kek";

/// The version of its form.
const VERSION: &str = "v1";

/// Stands in front of what its fingerprint is made of.
const LABEL: &[u8] = b"forgetd kek fingerprint v1\n";

/// Bytes of the nonce in front of what was wrapped.
const NONCE: usize = 12;

/// Bytes of a wrapped key: nonce, key and tag.
pub(super) const WRAPPED: usize = NONCE + 32 + 16;

/// A key that wraps keys. Wiped from memory when dropped; `Debug` shows nothing of it.
pub struct Kek(Zeroizing<[u8; 32]>);

// === impl Kek ===

impl Kek {
    /// A new random one.
    pub fn generate() -> Result<Self, FileError> {
        let mut key = Zeroizing::new([0_u8; 32]);
        getrandom::fill(&mut *key).map_err(|_| FileError::Random)?;
        Ok(Self(key))
    }

    /// Reads the text of its file.
    pub fn from_text(text: &str) -> Result<Self, FileError> {
        let mut words = text.trim_ascii().split(' ');
        if words.next() != Some(PREFIX) {
            return Err(FileError::NoKek);
        }
        let (Some(VERSION), Some(key), None) = (words.next(), words.next(), words.next()) else {
            return Err(FileError::Version);
        };
        decoded(key).map(Self).ok_or(FileError::Damaged)
    }

    /// The text for its file.
    pub fn to_text(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(STANDARD.encode(self.0.as_slice()));
        let mut text = room();
        for part in [PREFIX, " ", VERSION, " ", &key, "\n"] {
            text.push_str(part);
        }
        text
    }

    /// Tells it from others and says nothing of it.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut mac = keyed(&self.0);
        mac.update(LABEL);
        let digest = Sha256::new().chain_update(LABEL).chain_update(mac.finalize().into_bytes()).finalize();
        Fingerprint::of(&digest.into())
    }

    /// Wraps a key; `bound` must be given again to unwrap it.
    pub(super) fn wrap(&self, key: &[u8; 32], bound: &[u8]) -> Result<Vec<u8>, FileError> {
        let mut wrapped = vec![0_u8; NONCE];
        getrandom::fill(&mut wrapped).map_err(|_| FileError::Random)?;
        let nonce = <[u8; NONCE]>::try_from(wrapped.as_slice()).map_err(|_| FileError::Random)?;
        let sealed = self.cipher()?.encrypt(&nonce.into(), Payload { msg: key, aad: bound });
        wrapped.extend(sealed.map_err(|_| FileError::Damaged)?);
        Ok(wrapped)
    }

    /// The key that was wrapped together with `bound`.
    pub(super) fn unwrap(&self, wrapped: &[u8; WRAPPED], bound: &[u8]) -> Result<Zeroizing<[u8; 32]>, FileError> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE>().ok_or(FileError::Damaged)?;
        let key = self.cipher()?.decrypt(&(*nonce).into(), Payload { msg: sealed, aad: bound });
        let key = Zeroizing::new(key.map_err(|_| FileError::Damaged)?);
        <[u8; 32]>::try_from(key.as_slice()).map(Zeroizing::new).map_err(|_| FileError::Damaged)
    }

    fn cipher(&self) -> Result<Aes256GcmSiv, FileError> {
        Aes256GcmSiv::new_from_slice(self.0.as_slice()).map_err(|_| FileError::Damaged)
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kek(..)")
    }
}
