//! C2SP signed notes: a text, a blank line, and signature lines `— name base64(key id || signature)`.
//! <https://c2sp.org/signed-note>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature as Ed25519Signature, VerifyingKey};
use thiserror::Error;

use crate::keys::{EvidenceKey, key_id};

/// The most bytes a note may have. Ours have about 300; witnesses add some.
pub const BYTES_MAX: usize = 64 * 1024;

/// The most signatures that are read. The specification asks for at least 16.
pub const SIGNATURES_MAX: usize = 64;

/// What every signature line begins with: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// The signature type of plain Ed25519.
const ED25519: u8 = 0x01;

/// A note as it was read; nothing about it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The signed text, with its last newline.
    pub text: String,
    /// Its signatures, in order.
    pub signatures: Vec<Signature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key.
    pub name: String,
    /// The key id.
    pub id: [u8; 4],
    /// The bytes after the key id.
    pub bytes: Vec<u8>,
}

/// A public key that is trusted, in the form `name+key id+base64(0x01 || key)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    /// The name; for a log its origin.
    pub name: String,
    key: VerifyingKey,
}

/// Why bytes are no note, or no note to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Longer than [`BYTES_MAX`], or not UTF-8, or with control characters.
    #[error("it is not a text of at most {BYTES_MAX} bytes without control characters")]
    Text,
    /// No blank line, or none followed by signatures.
    #[error("it does not end with a blank line and signature lines")]
    Form,
    /// A signature line has another form.
    #[error("a signature line does not have the form `— name base64`")]
    SignatureLine,
    /// More than [`SIGNATURES_MAX`].
    #[error("it has more than {SIGNATURES_MAX} signatures")]
    TooMany,
    /// No signature is by a key that is trusted.
    #[error("no signature is by the log's key")]
    UnknownKey,
    /// A signature by a trusted key is wrong.
    #[error("the signature does not belong to the text")]
    Signature,
    /// A verifier key has another form.
    #[error("a verifier key must have the form `name+key id+base64`, with a key id that belongs to the key")]
    VerifierKey,
}

/// Reads a note.
pub fn parse(bytes: &[u8]) -> Result<Note, NoteError> {
    if bytes.len() > BYTES_MAX {
        return Err(NoteError::Text);
    }
    let all = std::str::from_utf8(bytes).map_err(|_| NoteError::Text)?;
    if all.contains(|c: char| c < ' ' && c != '\n') {
        return Err(NoteError::Text);
    }
    let split = all.rfind("\n\n").ok_or(NoteError::Form)?;
    let (text, lines) = (&all[..=split], &all[split + 2..]);
    let lines = lines.strip_suffix('\n').ok_or(NoteError::Form)?;
    let signatures = lines.split('\n').map(signature_line).collect::<Result<Vec<_>, _>>()?;
    if signatures.len() > SIGNATURES_MAX {
        return Err(NoteError::TooMany);
    }
    Ok(Note { text: text.into(), signatures })
}

/// The note that says `text`, signed under `name`. The same bytes every time.
pub fn sign(text: &str, name: &str, key: &EvidenceKey) -> String {
    debug_assert!(text.ends_with('\n'), "a note's text ends with a newline");
    let mut signature = key_id(name, &key.public()).to_vec();
    signature.extend_from_slice(&key.sign(text.as_bytes()));
    format!("{text}\n{DASH}{name} {}\n", STANDARD.encode(signature))
}

fn signature_line(line: &str) -> Result<Signature, NoteError> {
    let (name, data) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or(NoteError::SignatureLine)?;
    let data = STANDARD.decode(data).map_err(|_| NoteError::SignatureLine)?;
    let (id, bytes) = data.split_first_chunk::<4>().ok_or(NoteError::SignatureLine)?;
    if !is_name(name) || bytes.is_empty() {
        return Err(NoteError::SignatureLine);
    }
    Ok(Signature { name: name.into(), id: *id, bytes: bytes.into() })
}

/// Whether `name` may name a key.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

// === impl Note ===

impl Note {
    /// Checks that `key` signed it. Signatures by other keys are passed over; a wrong one by `key` is an error.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let mut seen = false;
        for signature in self.signatures.iter().filter(|s| s.name == key.name && s.id == key.id()) {
            let bytes = Ed25519Signature::from_slice(&signature.bytes).map_err(|_| NoteError::Signature)?;
            key.key.verify_strict(self.text.as_bytes(), &bytes).map_err(|_| NoteError::Signature)?;
            seen = true;
        }
        if seen { Ok(()) } else { Err(NoteError::UnknownKey) }
    }
}

// === impl VerifierKey ===

impl VerifierKey {
    /// The public half of `key` under `name`.
    pub fn of(key: &EvidenceKey, name: &str) -> Result<Self, NoteError> {
        Self::new(name, &key.public())
    }

    /// Reads `name+key id+base64`.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim_ascii().splitn(3, '+');
        let (Some(name), Some(id), Some(data)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey);
        };
        let data = STANDARD.decode(data).map_err(|_| NoteError::VerifierKey)?;
        let [ED25519, public @ ..] = data.as_slice() else { return Err(NoteError::VerifierKey) };
        let public: &[u8; 32] = public.try_into().map_err(|_| NoteError::VerifierKey)?;
        let key = Self::new(name, public)?;
        if id == hex::encode(key.id()) { Ok(key) } else { Err(NoteError::VerifierKey) }
    }

    /// The raw public key.
    pub fn public(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    fn new(name: &str, public: &[u8; 32]) -> Result<Self, NoteError> {
        if !is_name(name) {
            return Err(NoteError::VerifierKey);
        }
        let key = VerifyingKey::from_bytes(public).map_err(|_| NoteError::VerifierKey)?;
        Ok(Self { name: name.into(), key })
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, &self.key.to_bytes())
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut data = vec![ED25519];
        data.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id()), STANDARD.encode(data))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The key pair and note that the documentation of Go's `note` package shows.
    const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const NOTE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const SKEY: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    #[test]
    fn the_note_that_go_documents_is_verified_and_signed_alike() {
        let key = VerifierKey::parse(VKEY).unwrap();
        let note = parse(NOTE.as_bytes()).unwrap();
        note.verify(&key).unwrap();
        assert_eq!(key.to_string(), VKEY);
        let private = EvidenceKey::from_file_text(SKEY).unwrap();
        assert_eq!(VerifierKey::of(&private, "PeterNeumann").unwrap(), key);
        assert_eq!(sign(&note.text, "PeterNeumann", &private), NOTE);
    }

    #[test]
    fn foreign_signatures_are_passed_over_and_wrong_ones_are_not() {
        let key = EvidenceKey::from_seed(&[7; 32]);
        let vkey = VerifierKey::of(&key, "log").unwrap();
        let ours = sign("text\n", "log", &key);
        let theirs = sign("text\n", "witness", &EvidenceKey::from_seed(&[8; 32]));
        let line = theirs.lines().last().unwrap();
        let both = parse(format!("{ours}{line}\n").as_bytes()).unwrap();
        assert_eq!(both.signatures.len(), 2);
        both.verify(&vkey).unwrap();
        assert_eq!(parse(theirs.as_bytes()).unwrap().verify(&vkey), Err(NoteError::UnknownKey));
        let forged = parse(ours.replacen("text", "tent", 1).as_bytes()).unwrap();
        assert_eq!(forged.verify(&vkey), Err(NoteError::Signature));
    }

    #[test]
    fn malformed_notes_are_named() {
        let good = sign("text\n", "log", &EvidenceKey::from_seed(&[7; 32]));
        for (bytes, error) in [
            (vec![0xff], NoteError::Text),
            (good.replace("text", "te\rxt").into_bytes(), NoteError::Text),
            (vec![b'a'; BYTES_MAX + 1], NoteError::Text),
            (b"text\n".to_vec(), NoteError::Form),
            (b"text\n\n".to_vec(), NoteError::Form),
            (good.trim_end().as_bytes().to_vec(), NoteError::Form),
            (good.replace('\u{2014}', "-").into_bytes(), NoteError::SignatureLine),
            (good.replace("log ", "l+g ").into_bytes(), NoteError::SignatureLine),
            (format!("{good}\u{2014} x AAAA\n").into_bytes(), NoteError::SignatureLine),
            (format!("{good}{}", "\u{2014} x AAAAAAA=\n".repeat(64)).into_bytes(), NoteError::TooMany),
        ] {
            assert_eq!(parse(&bytes), Err(error), "{}", String::from_utf8_lossy(&bytes));
        }
        for text in ["", "a+b", "log+00000000+AQ==", &VKEY.replace("c7", "c8"), &VKEY.replace('P', "Q")] {
            assert_eq!(VerifierKey::parse(text), Err(NoteError::VerifierKey), "{text}");
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _parsed = parse(&bytes);
        }

        #[test]
        fn note_shaped_text_never_panics(text in "[a\n\u{2014} +=A]{0,80}") {
            let _parsed = parse(text.as_bytes());
            let _parsed = VerifierKey::parse(&text);
        }
    }
}
