//! Commitments to the keys of changed rows.
//!
//! A row's id `R` is the canonical JSON of `[database, table, [key values as text]]`. Its nonce is
//! `HMAC-SHA256(quarter key, label || R)` and its commitment `SHA-256(label || nonce || R)`. Whoever is shown `R` and
//! the nonce can recompute the commitment with any SHA-256 tool; the commitment alone says nothing, and one row's nonce
//! says nothing about another row's. Until the key is gone its holder can test guesses, so the lists stay private.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use forgetd_connector::{Key, TableRef, Value};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use super::evidence_key::keyed;
use crate::evidence::canonical;
use crate::evidence::log::merkle::{self, Hash};

/// Stands in front of everything that is hashed here, so that no other hash can be mistaken for a commitment.
pub const LABEL: &[u8] = b"forgetd row v1\n";

/// The most threads that commit to the keys of one batch.
const THREADS_MAX: usize = 4;

/// Fewer keys than this are not worth a thread.
const KEYS_PER_THREAD_MIN: usize = 1_000;

/// The key of one quarter's commitments.
#[derive(Clone)]
pub struct CommitmentKey(Hmac<Sha256>);

/// The commitments of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitments {
    /// 32 bytes each, in ascending order, which hides the order of the rows.
    pub sorted: Vec<u8>,
    /// How many.
    pub n: u64,
    /// RFC 6962 root over them, each taken as an entry.
    pub root: Hash,
}

/// What is shown to prove one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The row's nonce.
    pub nonce: [u8; 32],
    /// The commitment.
    pub commitment: [u8; 32],
}

/// Writes the ids of a table's rows: canonical JSON of `[database, table, [key values as text]]`.
pub struct RowIds {
    /// Everything before the values.
    head: Vec<u8>,
}

// === impl RowIds ===

impl RowIds {
    /// For the rows of this table.
    pub fn new(database: &str, table: &TableRef) -> Self {
        let mut head = vec![b'['];
        canonical::string(database, &mut head);
        head.push(b',');
        canonical::string(&table.to_string(), &mut head);
        head.extend_from_slice(b",[");
        Self { head }
    }

    /// The id of the row with this key, in place of what `id` held.
    pub fn write<T: AsRef<str>>(&self, key: impl IntoIterator<Item = T>, id: &mut Vec<u8>) {
        id.clear();
        id.extend_from_slice(&self.head);
        for (n, text) in key.into_iter().enumerate() {
            if n > 0 {
                id.push(b',');
            }
            canonical::string(text.as_ref(), id);
        }
        id.extend_from_slice(b"]]");
    }
}

// === impl CommitmentKey ===

impl CommitmentKey {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(keyed(key))
    }

    /// Nonce and commitment of the row with this id.
    pub fn open(&self, row_id: &[u8]) -> Opening {
        let mut mac = self.0.clone();
        mac.update(LABEL);
        mac.update(row_id);
        let nonce: [u8; 32] = mac.finalize().into_bytes().into();
        let commitment = Sha256::new().chain_update(LABEL).chain_update(nonce).chain_update(row_id).finalize().into();
        Opening { nonce, commitment }
    }

    /// Commits to each of `keys`, on as many cores as there are: the database waits for it.
    pub fn commit(&self, database: &str, table: &TableRef, keys: &[Key]) -> Commitments {
        let ids = RowIds::new(database, table);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let part = keys.len().div_ceil(threads).max(KEYS_PER_THREAD_MIN);
        let mut list = vec![[0; 32]; keys.len()];
        let parts = Mutex::new(list.chunks_mut(part).zip(keys.chunks(part)));
        let work = || {
            let mut id = Vec::new();
            while let Some((list, keys)) = { parts.lock().unwrap_or_else(PoisonError::into_inner).next() } {
                for (key, commitment) in keys.iter().zip(list) {
                    ids.write(key.0.iter().map(Value::canonical_text), &mut id);
                    *commitment = self.open(&id).commitment;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..keys.len().div_ceil(part) {
                // A thread that is not to be had leaves its part to the others.
                drop(std::thread::Builder::new().spawn_scoped(scope, work));
            }
            work();
        });
        list.sort_unstable();
        Commitments {
            n: list.len() as u64,
            root: merkle::root(list.iter().map(|commitment| merkle::leaf_hash(commitment))),
            sorted: list.into_flattened(),
        }
    }
}

impl fmt::Debug for CommitmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CommitmentKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Key, TableRef, Value};
    use sha2::{Digest as _, Sha256};

    use super::{LABEL, RowIds};
    use crate::evidence::log::merkle;
    use crate::keys::EvidenceKey;

    #[test]
    fn a_row_can_be_opened_by_sha256_alone_and_its_list_rebuilds_the_root() {
        let table = TableRef::parse("public.lead");
        let keys: Vec<Key> = (0..5).map(|i| Key(vec![Value::Int(i), Value::Text("a\"b".into())])).collect();
        let evidence = EvidenceKey::from_seed(&[7; 32]);
        let at = "2026-11-23T10:00:00Z".parse().unwrap();
        let commitments = evidence.commitments(at, "crm", &table, &keys);
        assert_eq!((commitments.n, commitments.sorted.len()), (5, 160));

        let mut id = vec![];
        RowIds::new("crm", &table).write(["3", "a\"b"], &mut id);
        assert_eq!(id, br#"["crm","public.lead",["3","a\"b"]]"#);
        let opening = evidence.commitment_key("2026Q4").open(&id);
        let recomputed = Sha256::digest([LABEL, &opening.nonce, &id].concat());
        assert_eq!(recomputed.as_slice(), opening.commitment);

        let listed: Vec<&[u8]> = commitments.sorted.chunks(32).collect();
        assert!(listed.is_sorted());
        assert!(listed.contains(&opening.commitment.as_slice()));
        assert_eq!(merkle::root(listed.iter().map(|c| merkle::leaf_hash(c))), commitments.root);
    }

    #[test]
    fn threads_change_nothing() {
        let table = TableRef::parse("public.lead");
        let keys: Vec<Key> = (0..4_001).map(|i| Key(vec![Value::Int(i)])).collect();
        let evidence = EvidenceKey::from_seed(&[7; 32]);
        let at = "2026-11-23T10:00:00Z".parse().unwrap();
        let together = evidence.commitments(at, "crm", &table, &keys);
        let mut alone: Vec<Vec<u8>> = keys
            .chunks(500)
            .flat_map(|keys| {
                let part = evidence.commitments(at, "crm", &table, keys).sorted;
                part.chunks(32).map(<[u8]>::to_vec).collect::<Vec<_>>()
            })
            .collect();
        alone.sort();
        assert_eq!(together.sorted, alone.concat());
    }

    #[test]
    fn another_quarter_table_or_key_is_another_commitment() {
        let evidence = EvidenceKey::from_seed(&[7; 32]);
        let at = "2026-11-23T10:00:00Z".parse().unwrap();
        let keys = [Key(vec![Value::Int(1)])];
        let base = evidence.commitments(at, "crm", &TableRef::parse("lead"), &keys);
        let later = "2027-01-01T00:00:00Z".parse().unwrap();
        assert_ne!(base, evidence.commitments(later, "crm", &TableRef::parse("lead"), &keys));
        assert_ne!(base, evidence.commitments(at, "crm", &TableRef::parse("call"), &keys));
        assert_ne!(base, EvidenceKey::from_seed(&[8; 32]).commitments(at, "crm", &TableRef::parse("lead"), &keys));
    }
}
