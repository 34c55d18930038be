//! The transparency log as mathematics and formats: RFC 6962 trees, C2SP tiles, signed notes, checkpoints and proofs.
//!
//! Pure: bytes in, bytes out. Knows nothing about: files, databases, the network, time, receipts, what entries say.
//! Everything that parses here takes foreign bytes, allocates no more than they are long, and never panics.

pub mod checkpoint;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod tail;
pub mod tile;
pub mod tlog_proof;

pub use checkpoint::Checkpoint;
pub use merkle::Hash;
pub use note::{Note, VerifierKey};
pub use tail::Tail;
pub use tile::TilePath;
