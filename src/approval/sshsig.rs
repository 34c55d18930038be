//! SSH public keys, and the signatures that `ssh-keygen -Y sign` makes of a text (OpenSSH's PROTOCOL.sshsig). Takes foreign
//! bytes. A public key's comment is never looked at.

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, LineEnding, Mpint, PublicKey, SshSig};
use thiserror::Error;

/// What signatures are made for: one that was made for anything else is none here.
pub const NAMESPACE: &str = "forgetd";

/// The fewest bits of an RSA key.
const RSA_BITS_MIN: usize = 2048;

/// The most: what the verification takes.
const RSA_BITS_MAX: usize = 8192;

/// The width of the lines between a signature's first and last one.
const LINE_WIDTH: usize = 70;

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

/// An SSH public key of a kind that can be verified here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshKey(KeyData);

/// A signature as it was read. It says itself by which key it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSignature(SshSig);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// It is none, or is damaged.
    #[error("the value is no SSH public key; write the line of the .pub file, for example `ssh-ed25519 AAAA...`")]
    NoKey,
    /// It is one of another kind.
    #[error(
        "SSH keys of this type are not verified here; use one of ssh-ed25519, ecdsa-sha2-nistp256 or ssh-rsa, for \
         example from `ssh-keygen -t ed25519`"
    )]
    Type,
    /// It is too short or too long to be trusted.
    #[error("an RSA key has {RSA_BITS_MIN} to {RSA_BITS_MAX} bits; make another with `ssh-keygen -t ed25519`")]
    Bits,
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// It is none, or is damaged.
    #[error("it is no SSH signature; make one with `ssh-keygen -Y sign -n {NAMESPACE} -f KEY FILE`")]
    Unreadable,
    /// It was made for something else.
    #[error("it was not made for {NAMESPACE}; make one with `ssh-keygen -Y sign -n {NAMESPACE} -f KEY FILE`")]
    Namespace,
    /// Key or algorithm are of a kind that is not verified here.
    #[error("it is of a type that is not verified here; sign with an Ed25519, ECDSA P-256 or RSA key (SHA-2)")]
    Type,
    /// It is not one of this text.
    #[error("it is no signature of this text; sign the file as it was printed, and change nothing in it")]
    Wrong,
    /// It is by somebody else.
    #[error("it is by key {key}, which no approver of the policy has ({names})")]
    Stranger {
        /// The fingerprint.
        key: String,
        /// The approvers' names.
        names: String,
    },
}

// === impl SshKey ===

impl SshKey {
    /// Reads a line as in a .pub file.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.lines().count() != 1 {
            return Err(KeyError::NoKey);
        }
        let key = PublicKey::from_openssh(text).map_err(|_| KeyError::NoKey)?;
        let data = key.key_data().clone();
        match &data {
            KeyData::Ed25519(_) => {}
            KeyData::Ecdsa(key) if key.curve() == EcdsaCurve::NistP256 => {}
            KeyData::Rsa(key) => {
                let bits = positive(&key.n).map_or(0, bits);
                if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
                    return Err(KeyError::Bits);
                }
            }
            _ => return Err(KeyError::Type),
        }
        Ok(Self(data))
    }

    /// As `ssh-keygen -l` prints it: `SHA256:..`.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }
}

// === impl SshSignature ===

impl SshSignature {
    /// Reads the file that `ssh-keygen -Y sign` writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        let text = std::str::from_utf8(bytes).map_err(|_| SignatureError::Unreadable)?;
        let signature = SshSig::from_pem(text.trim()).map_err(|_| SignatureError::Unreadable)?;
        // Neither is part of what was signed, so there is one value each.
        if signature.version() != SshSig::VERSION || !signature.reserved().is_empty() {
            return Err(SignatureError::Unreadable);
        }
        let signature = Self(signature);
        // Lengths that do not fit are read all the same; there is one way to write it.
        if signature.base64() != body(text) {
            return Err(SignatureError::Unreadable);
        }
        Ok(signature)
    }

    /// Reads what [`Self::base64`] gave.
    pub fn from_base64(text: &str) -> Result<Self, SignatureError> {
        Self::parse(armoured(text)?.as_bytes())
    }

    /// The signature in one line: what stands between the first and the last line of the file.
    pub fn base64(&self) -> String {
        body(&self.0.to_pem(LineEnding::LF).unwrap_or_default())
    }

    /// The key that it says it was made by.
    pub fn key(&self) -> SshKey {
        SshKey(self.0.public_key().clone())
    }

    /// Whether it is that key's signature of this text, made for [`NAMESPACE`].
    pub fn verify(&self, text: &[u8]) -> Result<(), SignatureError> {
        if self.0.namespace() != NAMESPACE {
            return Err(SignatureError::Namespace);
        }
        let signed = SshSig::signed_data(NAMESPACE, self.0.hash_alg(), text).map_err(|_| SignatureError::Unreadable)?;
        let signature = self.0.signature_bytes();
        let verified = match (self.0.public_key(), self.0.algorithm()) {
            (KeyData::Ed25519(key), Algorithm::Ed25519) => {
                UnparsedPublicKey::new(&ED25519, key.0).verify(&signed, signature)
            }
            (KeyData::Ecdsa(key), Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }) => {
                let fixed = fixed(signature).ok_or(SignatureError::Unreadable)?;
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.as_sec1_bytes()).verify(&signed, &fixed)
            }
            (KeyData::Rsa(key), Algorithm::Rsa { hash: Some(hash) }) => {
                let (Some(n), Some(e)) = (positive(&key.n), positive(&key.e)) else {
                    return Err(SignatureError::Unreadable);
                };
                let parameters = match hash {
                    HashAlg::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
                    HashAlg::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
                    _ => return Err(SignatureError::Type),
                };
                RsaPublicKeyComponents { n, e }.verify(parameters, &signed, signature)
            }
            _ => return Err(SignatureError::Type),
        };
        verified.map_err(|_| SignatureError::Wrong)
    }
}

/// What stands between the first and the last line, in one.
fn body(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.starts_with('-')).collect()
}

/// The lines of a file around a signature that stands in one line.
fn armoured(base64: &str) -> Result<String, SignatureError> {
    if !base64.is_ascii() {
        return Err(SignatureError::Unreadable);
    }
    let mut text = format!("{BEGIN}\n");
    for at in (0..base64.len()).step_by(LINE_WIDTH) {
        let end = base64.len().min(at + LINE_WIDTH);
        text.push_str(&base64[at..end]);
        text.push('\n');
    }
    text.push_str(END);
    Ok(text)
}

fn positive(number: &Mpint) -> Option<&[u8]> {
    number.as_positive_bytes()
}

/// Bits of a positive number, the most significant byte first and none of them zero.
fn bits(bytes: &[u8]) -> usize {
    let first = bytes.first().map_or(0, |byte| byte.leading_zeros() as usize);
    (bytes.len() * 8).saturating_sub(first)
}

/// An ECDSA signature as two numbers of 32 bytes each: SSH writes them with their lengths.
fn fixed(bytes: &[u8]) -> Option<[u8; 64]> {
    let (r, rest) = number(bytes)?;
    let (s, rest) = number(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let mut out = [0; 64];
    for (number, half) in [r, s].into_iter().zip(out.chunks_mut(32)) {
        let at = half.len().checked_sub(number.len())?;
        half[at..].copy_from_slice(number);
    }
    Some(out)
}

/// The number at the begin, without the zero that says it is positive, and what follows it.
fn number(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (number, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((number.strip_prefix(&[0]).unwrap_or(number), rest))
}

#[cfg(test)]
mod tests;
