//! Inclusion and consistency proofs of RFC 9162 section 2.1, from hashes that come from anywhere.
//!
//! Making a proof takes two steps, because the hashes may lie behind I/O: [`inclusion`] or [`consistency`] names the
//! ranges of leaves whose hashes make up the proof, [`nodes`] names the perfect subtrees to fetch for them, and [`hashes`]
//! joins what was fetched.

use thiserror::Error;

use super::merkle::{Hash, Node, join, node_hash, perfect_subtrees};

/// A range of leaves, `lo..hi`.
pub type Span = (u64, u64);

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the proof does not lead to the root")]
pub struct Unproven;

/// The spans whose hashes prove the leaf at `index` in a tree of `size`, from the leaf up; none if it is not in it.
pub fn inclusion(index: u64, size: u64) -> Vec<Span> {
    let mut spans = Vec::new();
    let (mut lo, mut hi) = (0, size);
    while index < hi && hi - lo > 1 {
        let middle = lo + split(hi - lo);
        if index < middle {
            spans.push((middle, hi));
            hi = middle;
        } else {
            spans.push((lo, middle));
            lo = middle;
        }
    }
    spans.reverse();
    spans
}

/// The spans whose hashes prove that a tree of `old` leaves is the beginning of one of `size`.
pub fn consistency(old: u64, size: u64) -> Vec<Span> {
    let mut spans = Vec::new();
    if old == 0 || old >= size {
        return spans;
    }
    let (mut lo, mut hi) = (0, size);
    while old < hi {
        let middle = lo + split(hi - lo);
        if old <= middle {
            spans.push((middle, hi));
            hi = middle;
        } else {
            spans.push((lo, middle));
            lo = middle;
        }
    }
    // The old tree's own rightmost subtree; its verifier knows it when it is the whole old tree.
    if lo > 0 {
        spans.push((lo, hi));
    }
    spans.reverse();
    spans
}

/// The perfect subtrees that make up `spans`.
pub fn nodes(spans: &[Span]) -> Vec<Node> {
    spans.iter().flat_map(|(lo, hi)| perfect_subtrees(*lo, *hi)).collect()
}

/// The hash of each span; absent if `hash` lacks one.
pub fn hashes(spans: &[Span], hash: impl Fn(Node) -> Option<Hash>) -> Option<Vec<Hash>> {
    spans
        .iter()
        .map(|(lo, hi)| {
            let peaks: Option<Vec<Hash>> = perfect_subtrees(*lo, *hi).into_iter().map(&hash).collect();
            peaks.map(|peaks| join(&peaks))
        })
        .collect()
}

/// Checks that the leaf at `index` is in the tree. RFC 9162 section 2.1.3.2.
pub fn verify_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash], root: &Hash) -> Result<(), Unproven> {
    if index >= size {
        return Err(Unproven);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(Unproven);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            // A right edge that is alone at its level rises without a sibling.
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(Unproven) }
}

/// Checks that a tree of `old` leaves is the beginning of the tree of `size`. RFC 9162 section 2.1.4.2. The tree
/// without leaves is the beginning of every tree.
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> Result<(), Unproven> {
    let ((old_size, old_root), (size, root)) = (old, new);
    if old_size == size || old_size == 0 {
        let holds = proof.is_empty() && (old_size < size || old_root == root);
        return if holds { Ok(()) } else { Err(Unproven) };
    }
    if old_size > size {
        return Err(Unproven);
    }
    let mut proof = proof.iter();
    let first = if old_size.is_power_of_two() { old_root } else { proof.next().ok_or(Unproven)? };
    let (mut at, mut last) = (old_size - 1, size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut before, mut after) = (*first, *first);
    for sibling in proof {
        if last == 0 {
            return Err(Unproven);
        }
        if at & 1 == 1 || at == last {
            before = node_hash(sibling, &before);
            after = node_hash(sibling, &after);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            after = node_hash(&after, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 && before == *old_root && after == *root { Ok(()) } else { Err(Unproven) }
}

/// The largest power of two below `n`, for `n` of at least 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::merkle::tests::{SHARED, leaves, reference};
    use super::super::merkle::{leaf_hash, root};
    use super::*;

    /// The hashes of `spans` over known leaves.
    pub(crate) fn over(leaves: &[Hash], spans: &[Span]) -> Vec<Hash> {
        hashes(spans, |node| {
            let lo = usize::try_from(node.index << node.level).ok()?;
            leaves.get(lo..lo + (1 << node.level)).map(reference)
        })
        .unwrap()
    }

    #[test]
    fn proofs_of_the_shared_vectors() {
        let leaves: Vec<Hash> = SHARED.iter().map(|entry| leaf_hash(&hex::decode(entry).unwrap())).collect();
        let hex_of = |proof: Vec<Hash>| proof.iter().map(hex::encode).collect::<Vec<_>>();
        assert_eq!(
            hex_of(over(&leaves, &inclusion(5, 8))),
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
        assert_eq!(
            hex_of(over(&leaves[..3], &inclusion(2, 3))),
            ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",]
        );
        assert_eq!(
            hex_of(over(&leaves, &consistency(6, 8))),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
    }

    #[test]
    fn small_trees_prove_everything_and_nothing_else() {
        for size in 0..=40_u64 {
            let all = leaves(size);
            let top = root(all.iter().copied());
            for (index, leaf) in (0..).zip(&all) {
                let proof = over(&all, &inclusion(index, size));
                assert_eq!(verify_inclusion(index, size, leaf, &proof, &top), Ok(()));
                for other in (0..size + 3).filter(|other| *other != index) {
                    assert_eq!(verify_inclusion(other, size, leaf, &proof, &top), Err(Unproven));
                }
            }
            for old in 0..=size {
                let before = root(leaves(old));
                let proof = over(&all, &consistency(old, size));
                assert_eq!(verify_consistency((old, &before), (size, &top), &proof), Ok(()), "{old} in {size}");
                assert_eq!(
                    verify_consistency((old + 1, &before), (size, &top), &proof),
                    Err(Unproven),
                    "{old} in {size}"
                );
                if old > 0 {
                    assert_eq!(verify_consistency((old, &[1; 32]), (size, &top), &proof), Err(Unproven));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_changed_proof_proves_nothing(size in 2_u64..500, at: prop::sample::Index, cut: prop::sample::Index, bit in 0_u8..8) {
            let all = leaves(size);
            let top = root(all.iter().copied());
            let index = at.index(all.len());
            let mut proof = over(&all, &inclusion(index as u64, size));
            let place = cut.index(proof.len());
            proof[place][place % 32] ^= 1 << bit;
            prop_assert_eq!(verify_inclusion(index as u64, size, &all[index], &proof, &top), Err(Unproven));
            proof[place][place % 32] ^= 1 << bit;
            proof.remove(place);
            prop_assert_eq!(verify_inclusion(index as u64, size, &all[index], &proof, &top), Err(Unproven));
        }

        #[test]
        fn foreign_proofs_never_panic(index: u64, size: u64, old: u64, proof in proptest::collection::vec(any::<[u8; 32]>(), 0..70)) {
            let _proven = verify_inclusion(index, size, &[0; 32], &proof, &[0; 32]);
            let _proven = verify_consistency((old, &[0; 32]), (size, &[0; 32]), &proof);
        }
    }
}
