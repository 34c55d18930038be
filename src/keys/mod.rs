//! Keys: where they are read, what is derived from them, and that they are never shown.

mod commitment;
pub mod disk;
mod evidence_key;
mod file;
mod kek;
mod pseudonym;
mod readers;
mod ring;

pub use commitment::{CommitmentKey, Commitments, LABEL, Opening, RowIds};
pub use disk::Entombed;
pub(crate) use evidence_key::key_id;
pub use evidence_key::{EvidenceKey, FILE_NAME, KeyError};
pub use file::{FileError, Fingerprint, KeyFile, KeyPair, Tombstone, WrappedKey};
pub use kek::Kek;
pub use pseudonym::{DomainKeys, Epoch, Keyring, PseudonymKey};
pub use ring::{Held, KeyState, look, newest, ring, state};
