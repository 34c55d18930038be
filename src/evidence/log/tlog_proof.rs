//! C2SP transparency log proofs: index, inclusion proof and checkpoint in one text that is checked offline.
//! <https://c2sp.org/tlog-proof>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use super::checkpoint::{self, Checkpoint, CheckpointError, decimal};
use super::merkle::Hash;
use super::note::VerifierKey;
use super::proof;

const HEADER: &str = "c2sp.org/tlog-proof@v1\n";

/// A tree of 2^64 leaves has proofs of 64 hashes.
const HASHES_MAX: usize = 64;

/// Proof that an entry is in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// The entry's index.
    pub index: u64,
    /// The inclusion proof, from the leaf up.
    pub hashes: Vec<Hash>,
    /// The checkpoint note, as it was signed.
    pub checkpoint: String,
}

/// Why a text is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlogProofError {
    /// It has another form.
    #[error("it is not a transparency log proof")]
    Form,
    /// Its checkpoint is none, or not to be believed.
    #[error("its checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Its hashes do not lead from the entry to the root.
    #[error("it does not lead from the entry to the checkpoint's root")]
    Unproven,
}

/// Reads a proof. Extra data is not authenticated and is passed over.
pub fn parse(text: &str) -> Result<TlogProof, TlogProofError> {
    let rest = text.strip_prefix(HEADER).ok_or(TlogProofError::Form)?;
    let (head, checkpoint) = rest.split_once("\n\n").ok_or(TlogProofError::Form)?;
    let mut lines = head.split('\n').peekable();
    lines.next_if(|line| line.starts_with("extra "));
    let index = lines.next().and_then(|line| decimal(line.strip_prefix("index ")?)).ok_or(TlogProofError::Form)?;
    let mut hashes = Vec::new();
    for line in lines {
        let hash = STANDARD.decode(line).ok().and_then(|bytes| Hash::try_from(bytes).ok());
        hashes.push(hash.filter(|_| hashes.len() < HASHES_MAX).ok_or(TlogProofError::Form)?);
    }
    Ok(TlogProof { index, hashes, checkpoint: checkpoint.into() })
}

// === impl TlogProof ===

impl TlogProof {
    /// Checks that the entry with this leaf hash is in the log whose key is `key`.
    pub fn verify(&self, leaf: &Hash, key: &VerifierKey) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = checkpoint::open(self.checkpoint.as_bytes(), key)?;
        proof::verify_inclusion(self.index, checkpoint.size, leaf, &self.hashes, &checkpoint.root)
            .map_err(|_| TlogProofError::Unproven)?;
        Ok(checkpoint)
    }
}

impl std::fmt::Display for TlogProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{HEADER}index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(f, "{}", STANDARD.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::log::merkle::{leaf_hash, node_hash};
    use crate::keys::EvidenceKey;

    #[test]
    fn a_proof_reads_back_and_proves_one_entry() {
        let key = EvidenceKey::from_seed(&[7; 32]);
        let (left, right) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let checkpoint = Checkpoint { origin: "log".into(), size: 2, root: node_hash(&left, &right) };
        let proof = TlogProof { index: 1, hashes: vec![left], checkpoint: checkpoint.sign(&key) };
        let text = proof.to_string();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex 1\n"));
        let read = parse(&text).unwrap();
        assert_eq!(read, proof);
        let vkey = VerifierKey::of(&key, "log").unwrap();
        assert_eq!(read.verify(&right, &vkey), Ok(checkpoint));
        assert_eq!(read.verify(&left, &vkey), Err(TlogProofError::Unproven));
        assert_eq!(parse(&text.replacen("index", "extra AAAA\nindex", 1)).unwrap(), proof);
        assert_eq!(parse(&text.replacen("index 1", "index 01", 1)), Err(TlogProofError::Form));
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(text in "(c2sp.org/tlog-proof@v1\n)?[index 0-9a=\n]{0,80}") {
            let _parsed = parse(&text);
        }
    }
}
