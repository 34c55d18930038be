//! C2SP checkpoints: a signed note that says origin, size and root. <https://c2sp.org/tlog-checkpoint>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forgetd_connector::Head;
use thiserror::Error;

use super::merkle::Hash;
use super::note::{self, Note, NoteError, VerifierKey};
use crate::keys::EvidenceKey;

/// The signed tree head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's origin.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// RFC 6962 root hash.
    pub root: Hash,
}

/// Why bytes are no checkpoint, or none to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// It is no note, or its signature is wrong.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Its text is not origin, size and root.
    #[error("its text is not an origin, a size and a root, one on each line")]
    Form,
    /// It is of another log.
    #[error("it is of another log")]
    Origin,
}

/// Reads a checkpoint without believing it: its signatures are in the note. Extension lines are allowed and ignored.
pub fn parse(bytes: &[u8]) -> Result<(Checkpoint, Note), CheckpointError> {
    let note = note::parse(bytes)?;
    let mut lines = note.text.strip_suffix('\n').ok_or(CheckpointError::Form)?.split('\n');
    let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
        return Err(CheckpointError::Form);
    };
    if origin.is_empty() || lines.any(str::is_empty) {
        return Err(CheckpointError::Form);
    }
    let root = STANDARD.decode(root).map_err(|_| CheckpointError::Form)?;
    let checkpoint = Checkpoint {
        origin: origin.into(),
        size: decimal(size).ok_or(CheckpointError::Form)?,
        root: root.try_into().map_err(|_| CheckpointError::Form)?,
    };
    Ok((checkpoint, note))
}

/// Reads a checkpoint and believes it only if `key`, whose name is the origin, signed it.
pub fn open(bytes: &[u8], key: &VerifierKey) -> Result<Checkpoint, CheckpointError> {
    let (checkpoint, note) = parse(bytes)?;
    if checkpoint.origin != key.name {
        return Err(CheckpointError::Origin);
    }
    note.verify(key)?;
    Ok(checkpoint)
}

/// An ASCII decimal without leading zeros.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    if canonical { text.parse().ok() } else { None }
}

// === impl Checkpoint ===

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// The checkpoint as a note signed under its origin. The same bytes every time, so signing again after a crash
    /// makes no second checkpoint of one size.
    pub fn sign(&self, key: &EvidenceKey) -> String {
        note::sign(&self.text(), &self.origin, key)
    }
}

impl From<Head> for Checkpoint {
    fn from(head: Head) -> Self {
        Self { origin: head.origin, size: head.size, root: head.root }
    }
}

impl From<Checkpoint> for Head {
    fn from(checkpoint: Checkpoint) -> Self {
        Self { origin: checkpoint.origin, size: checkpoint.size, root: checkpoint.root }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> (EvidenceKey, Checkpoint) {
        let key = EvidenceKey::from_seed(&[7; 32]);
        (key, Checkpoint { origin: "example.com/log".into(), size: 42, root: [9; 32] })
    }

    #[test]
    fn a_checkpoint_survives_and_every_flipped_byte_is_noticed() {
        let (key, checkpoint) = sample();
        let signed = checkpoint.sign(&key);
        let vkey = VerifierKey::of(&key, &checkpoint.origin).unwrap();
        assert_eq!(open(signed.as_bytes(), &vkey), Ok(checkpoint.clone()));
        assert_eq!(checkpoint.sign(&key), signed);
        for at in 0..signed.len() {
            for bit in 0..8 {
                let mut bytes = signed.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                assert!(open(&bytes, &vkey).is_err(), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn forms_that_two_readers_might_read_differently_are_refused() {
        let (key, checkpoint) = sample();
        let text = checkpoint.text();
        for (from, to) in [("42", "042"), ("42", "+42"), ("42", "99999999999999999999"), ("CQk=", "CQ=="), ("\n42", "")]
        {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            let signed = note::sign(&changed, &checkpoint.origin, &key);
            assert_eq!(parse(signed.as_bytes()).map(|_| ()), Err(CheckpointError::Form), "{changed}");
        }
        let extended = note::sign(&format!("{text}extension\n"), &checkpoint.origin, &key);
        assert_eq!(parse(extended.as_bytes()).unwrap().0, checkpoint);
    }

    #[test]
    fn another_log_with_the_same_key_is_another_log() {
        let (key, checkpoint) = sample();
        let vkey = VerifierKey::of(&key, "example.com/other").unwrap();
        assert_eq!(open(checkpoint.sign(&key).as_bytes(), &vkey), Err(CheckpointError::Origin));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _parsed = parse(&bytes);
        }

        #[test]
        fn checkpoint_shaped_text_never_panics(head in "[a0-9\n=+/A]{0,60}") {
            let _parsed = parse(note::sign(&format!("{head}\n"), "log", &EvidenceKey::from_seed(&[7; 32])).as_bytes());
        }
    }
}
