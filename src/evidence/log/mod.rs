//! The transparency log as mathematics and formats: RFC 6962 trees, C2SP tiles, signed notes, checkpoints and proofs.
//!
//! Pure: bytes in, bytes out. Knows nothing about: files, databases, the network, time, receipts, what entries say.
//! Everything that parses here takes foreign bytes, allocates no more than they are long, and never panics.

pub mod merkle;
