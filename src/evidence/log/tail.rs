//! The right edge of a log: what has to be known to append to it, and what appending writes.

use super::merkle::{Frontier, Hash, leaf_hash};
use super::tile::{self, Kind, TileError, TilePath, WIDTH};

/// The right edge of a tree: the partial tile of each level, the partial bundle, and the frontier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    frontier: Frontier,
    /// For each tile level the hashes of its rightmost tile, fewer than 256.
    levels: Vec<Vec<Hash>>,
    bundle: Vec<u8>,
}

/// The files one step writes and makes superfluous.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Tiles and bundles with their bytes.
    pub objects: Vec<(TilePath, Vec<u8>)>,
    /// Partial ones whose full tile is among the objects.
    pub superseded: Vec<TilePath>,
    /// The hash of each new leaf.
    pub leaves: Vec<Hash>,
}

// === impl Tail ===

impl Tail {
    /// The files that hold the right edge of a tree: its partial bundle and partial tiles.
    pub fn paths(size: u64) -> Vec<TilePath> {
        tile::paths(size).filter(|path| u64::from(path.width) < WIDTH).collect()
    }

    /// The right edge from those files. Nothing is believed: the caller compares [`Tail::root`] with the head.
    pub fn load(size: u64, files: &[(TilePath, Vec<u8>)]) -> Result<Self, TileError> {
        let mut tail = Self::default();
        let levels = (0..8).take_while(|level| tile::width_below(size, Kind::Hashes(*level)) > 0).count();
        tail.levels.resize(levels, Vec::new());
        for (path, bytes) in files {
            match path.kind {
                Kind::Entries => tail.bundle.clone_from(bytes),
                Kind::Hashes(level) => {
                    let hashes = tile::parse_hashes(bytes)?;
                    if hashes.len() != usize::from(path.width) {
                        return Err(TileError::Length);
                    }
                    *tail.levels.get_mut(usize::from(level)).ok_or(TileError::Length)? = hashes.to_vec();
                }
            }
        }
        let entries: Vec<Hash> = tile::parse_bundle(&tail.bundle)?.into_iter().map(leaf_hash).collect();
        // The bundle is what the next one copies, so it must be the one that the leaves were made from.
        if entries != *tail.levels.first().unwrap_or(&Vec::new()) {
            return Err(TileError::Length);
        }
        // Perfect subtrees of every size lie in the partial tiles of the right edge.
        tail.frontier = tile::frontier(size, &tail.levels).ok_or(TileError::Length)?;
        Ok(tail)
    }

    /// The number of entries.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Appends entries, none longer than 65,535 bytes, and says what has to be written for it.
    pub fn append<'a>(&mut self, entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Growth, TileError> {
        let old = self.size();
        let mut growth = Growth::default();
        for entry in entries {
            tile::push_entry(&mut self.bundle, entry)?;
            let leaf = leaf_hash(entry);
            growth.leaves.push(leaf);
            self.frontier.push(leaf);
            self.rise(leaf, &mut growth);
        }
        if self.size() > old {
            self.partials(&mut growth);
        }
        for (path, _) in growth.objects.iter().filter(|(path, _)| u64::from(path.width) == WIDTH) {
            let before = TilePath::within(path.kind, path.index, tile::width_below(old, path.kind)).width;
            growth.superseded.extend((1..=before).map(|width| TilePath { width, ..*path }));
        }
        Ok(growth)
    }

    /// Adds a leaf to the lowest level; full tiles are written, and their hash rises.
    fn rise(&mut self, leaf: Hash, growth: &mut Growth) {
        let mut hash = leaf;
        for level in 0..8_u8 {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            self.levels[at].push(hash);
            if (self.levels[at].len() as u64) < WIDTH {
                return;
            }
            let hashes = std::mem::take(&mut self.levels[at]);
            let index = tile::width_below(self.size(), Kind::Hashes(level)) / WIDTH - 1;
            if level == 0 {
                growth.objects.push((full(Kind::Entries, index), std::mem::take(&mut self.bundle)));
            }
            hash = tile::subtree(&hashes);
            growth.objects.push((full(Kind::Hashes(level), index), hashes.into_flattened()));
        }
    }

    /// The partial bundle and tiles of the tree as it is now. Those that did not change are among them: writing the
    /// same bytes again is allowed, and simpler than knowing.
    fn partials(&self, growth: &mut Growth) {
        let size = self.size();
        for path in Self::paths(size) {
            let bytes = match path.kind {
                Kind::Entries => self.bundle.clone(),
                Kind::Hashes(level) => self.levels[usize::from(level)].concat(),
            };
            growth.objects.push((path, bytes));
        }
    }
}

fn full(kind: Kind, index: u64) -> TilePath {
    TilePath { kind, index, width: 256 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::evidence::log::merkle;

    fn entries(n: u64) -> Vec<Vec<u8>> {
        (0..n).map(|i| format!("entry {i}").into_bytes()).collect()
    }

    fn grow(files: &mut BTreeMap<String, Vec<u8>>, tail: &mut Tail, entries: &[Vec<u8>]) {
        let growth = tail.append(entries.iter().map(Vec::as_slice)).unwrap();
        for (path, bytes) in growth.objects {
            if let Some(before) = files.insert(path.to_string(), bytes.clone()) {
                assert_eq!(before, bytes, "{path} changed");
            }
        }
        for path in growth.superseded {
            files.remove(&path.to_string());
        }
    }

    #[test]
    fn steps_of_every_size_leave_the_files_of_one_step() {
        let all = entries(1500);
        let mut files = BTreeMap::new();
        let mut tail = Tail::default();
        let mut at = 0;
        for step in [1, 1, 3, 250, 1, 0, 255, 257, 513, 219] {
            grow(&mut files, &mut tail, &all[at..at + step]);
            at += step;
            assert_eq!(tail.root(), merkle::root(all[..at].iter().map(|e| leaf_hash(e))));
            for path in tile::paths(tail.size()) {
                assert!(files.contains_key(&path.to_string()), "{path} of {at}");
            }
        }
        let mut once = BTreeMap::new();
        grow(&mut once, &mut Tail::default(), &all);
        // Partial tiles of the last, unfinished tile stay: a checkpoint may need them.
        files.retain(|path, _| once.contains_key(path));
        assert_eq!(files, once);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn a_tail_loads_from_the_files_it_wrote(n in prop_oneof![0_u64..2000, 65_400_u64..65_900], more in 1_u64..400) {
            let mut tail = Tail::default();
            let growth = tail.append(entries(n).iter().map(Vec::as_slice)).unwrap();
            let files: BTreeMap<TilePath, Vec<u8>> = growth.objects.into_iter().collect();
            let edge: Vec<_> = Tail::paths(n).into_iter().map(|path| (path, files[&path].clone())).collect();
            let mut loaded = Tail::load(n, &edge).unwrap();
            prop_assert_eq!(loaded.root(), tail.root());
            let next = entries(more);
            let growth = tail.append(next.iter().map(Vec::as_slice)).unwrap();
            prop_assert_eq!(loaded.append(next.iter().map(Vec::as_slice)).unwrap(), growth);
        }
    }

    #[test]
    fn a_bundle_that_is_not_its_tile_is_refused() {
        let mut tail = Tail::default();
        let growth = tail.append(entries(3).iter().map(Vec::as_slice)).unwrap();
        let mut files = growth.objects;
        let bundle = files.iter_mut().find(|(path, _)| path.kind == Kind::Entries).unwrap();
        bundle.1[5] ^= 1;
        assert_eq!(Tail::load(3, &files), Err(TileError::Length));
    }
}
