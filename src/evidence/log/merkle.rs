//! RFC 6962 / RFC 9162 tree hashing with SHA-256.
//!
//! A root says nothing about the size of its tree, so size and root always travel together.

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash: of a leaf, a node, or a whole tree.
pub type Hash = [u8; 32];

/// A perfect subtree: `index`-th of those with 2^`level` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Its height; a leaf has 0.
    pub level: u32,
    /// Its place among the perfect subtrees of that height, from the left.
    pub index: u64,
}

/// The hash of an entry: `SHA-256(0x00 || entry)`.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0x00]).chain_update(entry).finalize().into()
}

/// The hash of two neighbours: `SHA-256(0x01 || left || right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([0x01]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the tree without entries.
pub fn empty_root() -> Hash {
    Sha256::digest(b"").into()
}

/// The root over leaf hashes.
pub fn root(leaves: impl IntoIterator<Item = Hash>) -> Hash {
    let mut frontier = Frontier::default();
    for leaf in leaves {
        frontier.push(leaf);
    }
    frontier.root()
}

/// The right edge of a growing tree: one hash for each perfect subtree, largest first. At most 64 of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

/// The perfect subtrees that `lo..hi` consists of, from the left. `lo` must be a multiple of the largest power of two
/// not above `hi - lo`, as it is for every range that RFC 9162 names.
pub fn perfect_subtrees(lo: u64, hi: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = lo;
    while at < hi {
        let level = (hi - at).ilog2();
        nodes.push(Node { level, index: at >> level });
        at += 1 << level;
    }
    nodes
}

/// The hash of a range from the hashes of its [`perfect_subtrees`]; the empty root for none.
pub fn join(peaks: &[Hash]) -> Hash {
    let mut peaks = peaks.iter().rev();
    let Some(last) = peaks.next() else { return empty_root() };
    peaks.fold(*last, |right, left| node_hash(left, &right))
}

// === impl Frontier ===

impl Frontier {
    /// The frontier of a tree of `size` whose perfect subtrees have these hashes, largest first.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// Appends one leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // As many subtrees merge as the old size has trailing ones.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree so far.
    pub fn root(&self) -> Hash {
        join(&self.peaks)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 9162 section 2.1.1, word by word: slow, and obviously right.
    pub(crate) fn reference(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => empty_root(),
            1 => leaves[0],
            n => {
                let k = 1 << (n - 1).ilog2();
                node_hash(&reference(&leaves[..k]), &reference(&leaves[k..]))
            }
        }
    }

    pub(crate) fn leaves(n: u64) -> Vec<Hash> {
        (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    /// The eight entries that the test suites of Certificate Transparency implementations share.
    pub(crate) const SHARED: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

    #[test]
    fn the_roots_of_the_shared_vectors() {
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        assert_eq!(hex::encode(frontier.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (entry, expected) in SHARED.iter().zip(roots) {
            frontier.push(leaf_hash(&hex::decode(entry).unwrap()));
            assert_eq!(hex::encode(frontier.root()), expected);
        }
    }

    proptest! {
        #[test]
        fn the_frontier_agrees_with_the_definition(n in 0_u64..600) {
            let leaves = leaves(n);
            prop_assert_eq!(root(leaves.iter().copied()), reference(&leaves));
        }

        #[test]
        fn a_frontier_can_be_rebuilt_from_its_subtrees(n in 0_u64..600, more in 0_u64..40) {
            let all = leaves(n + more);
            let peaks = perfect_subtrees(0, n)
                .into_iter()
                .map(|node| {
                    let lo = usize::try_from(node.index << node.level).unwrap();
                    reference(&all[lo..lo + (1 << node.level)])
                })
                .collect();
            let mut frontier = Frontier::from_peaks(n, peaks).unwrap();
            for leaf in &all[usize::try_from(n).unwrap()..] {
                frontier.push(*leaf);
            }
            prop_assert_eq!(frontier.root(), reference(&all));
        }
    }
}
