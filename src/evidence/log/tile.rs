//! C2SP tiles: where the hashes and entries of a tree lie. <https://c2sp.org/tlog-tiles>

use std::fmt;

use thiserror::Error;

use super::checkpoint::decimal;
use super::merkle::{Frontier, Hash, Node};

/// How many hashes a full tile holds.
pub const WIDTH: u64 = 256;

/// How many levels of the tree one tile spans.
pub const HEIGHT: u32 = 8;

/// The most bytes an entry bundle can have: 256 entries with 16 bits of length each.
pub const BUNDLE_BYTES_MAX: usize = 256 * (2 + 0xffff);

/// The highest tile level that is read; the specification allows 63, and 2^64 leaves need 7.
const LEVEL_MAX: u64 = 63;

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Entries.
    Entries,
    /// Hashes of subtrees with 256^level leaves.
    Hashes(u8),
}

/// A tile's place and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    /// What it holds.
    pub kind: Kind,
    /// Its place among the tiles of its kind.
    pub index: u64,
    /// How many hashes or entries it holds: 256, or fewer at the right edge.
    pub width: u16,
}

/// Why something is no tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TileError {
    /// Not the one path of any tile.
    #[error("it is not the path of a tile")]
    Path,
    /// Its length does not fit.
    #[error("its length does not fit the entries or hashes that it should hold")]
    Length,
}

/// Reads the path of a tile or entry bundle. Accepts the one form that each has.
pub fn parse_path(text: &str) -> Result<TilePath, TileError> {
    let rest = text.strip_prefix("tile/").ok_or(TileError::Path)?;
    let (kind, rest) = rest.split_once('/').ok_or(TileError::Path)?;
    let kind = match kind {
        "entries" => Kind::Entries,
        level => match decimal(level).filter(|level| *level <= LEVEL_MAX).map(u8::try_from) {
            Some(Ok(level)) => Kind::Hashes(level),
            _ => return Err(TileError::Path),
        },
    };
    let (index, width) = match rest.split_once(".p/") {
        None => (rest, 256),
        Some((index, width)) => {
            let width = decimal(width).filter(|width| (1..WIDTH).contains(width)).ok_or(TileError::Path)?;
            (index, u16::try_from(width).map_err(|_| TileError::Path)?)
        }
    };
    let path = TilePath { kind, index: parse_index(index)?, width };
    // One tile, one path: what does not print alike was written differently.
    if path.to_string() == text { Ok(path) } else { Err(TileError::Path) }
}

fn parse_index(text: &str) -> Result<u64, TileError> {
    let mut index = 0_u64;
    for part in text.split('/') {
        let digits = part.strip_prefix('x').unwrap_or(part);
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(TileError::Path);
        }
        let digits: u64 = digits.parse().map_err(|_| TileError::Path)?;
        index = index.checked_mul(1000).and_then(|index| index.checked_add(digits)).ok_or(TileError::Path)?;
    }
    Ok(index)
}

/// The entries of a bundle, each with 16 bits of length in front, big-endian.
pub fn parse_bundle(bytes: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(TileError::Length)?;
        let (entry, after) = after.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(TileError::Length)?;
        if entries.len() as u64 == WIDTH {
            return Err(TileError::Length);
        }
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

/// Appends one entry to the bytes of a bundle.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), TileError> {
    let length = u16::try_from(entry.len()).map_err(|_| TileError::Length)?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The hashes of a tile.
pub fn parse_hashes(bytes: &[u8]) -> Result<&[Hash], TileError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if hashes.is_empty() || hashes.len() as u64 > WIDTH || !rest.is_empty() {
        return Err(TileError::Length);
    }
    Ok(hashes)
}

/// The hash of the subtree that a full tile, or a power-of-two part of one, spans.
pub fn subtree(hashes: &[Hash]) -> Hash {
    super::merkle::root(hashes.iter().copied())
}

/// Every tile and bundle of a tree, from the lowest level up, from the left: exactly the files its folder must hold.
pub fn paths(size: u64) -> impl Iterator<Item = TilePath> {
    let levels = (0..8_u8).map(Kind::Hashes).take_while(move |kind| width_below(size, *kind) > 0);
    std::iter::once(Kind::Entries).chain(levels).flat_map(move |kind| {
        let n = width_below(size, kind);
        (0..n.div_ceil(WIDTH)).map(move |index| TilePath::within(kind, index, n))
    })
}

/// How many hashes (or entries) a tree of `size` has at the level of `kind`.
pub fn width_below(size: u64, kind: Kind) -> u64 {
    match kind {
        Kind::Entries => size,
        Kind::Hashes(level) => size.checked_shr(HEIGHT * u32::from(level)).unwrap_or(0),
    }
}

/// Where the hash of `node` comes from: a tile of a tree with `size` leaves, and the span of its hashes that `node`
/// covers.
pub fn locate(node: Node, size: u64) -> (TilePath, std::ops::Range<usize>) {
    let (level, inner) = (node.level / HEIGHT, node.level % HEIGHT);
    let kind = Kind::Hashes(u8::try_from(level).unwrap_or(u8::MAX));
    let first = node.index << inner;
    let path = TilePath::within(kind, first / WIDTH, width_below(size, kind));
    let start = usize::try_from(first % WIDTH).unwrap_or_default();
    (path, start..start + (1 << inner))
}

// === impl TilePath ===

impl TilePath {
    /// The tile of `kind` at `index` in a level that is `n` hashes wide.
    pub fn within(kind: Kind, index: u64, n: u64) -> Self {
        let width = n.saturating_sub(index * WIDTH).min(WIDTH);
        Self { kind, index, width: u16::try_from(width).unwrap_or_default() }
    }

    /// The same tile when it is full.
    pub fn full(self) -> Self {
        Self { width: 256, ..self }
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Entries => f.write_str("tile/entries/")?,
            Kind::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for group in groups.iter().skip(1).rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])?;
        if u64::from(self.width) < WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// A frontier from the hashes of the tiles at a tree's right edge, one list for each level from the lowest up.
pub fn frontier(size: u64, levels: &[Vec<Hash>]) -> Option<Frontier> {
    let mut peaks = Vec::new();
    for node in super::merkle::perfect_subtrees(0, size) {
        let (tile, span) = locate(node, size);
        let Kind::Hashes(level) = tile.kind else { return None };
        peaks.push(subtree(levels.get(usize::from(level))?.get(span)?));
    }
    Frontier::from_peaks(size, peaks)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(kind: Kind, index: u64, width: u16) -> TilePath {
        TilePath { kind, index, width }
    }

    #[test]
    fn paths_have_the_form_of_the_specification() {
        for (tile, text) in [
            (path(Kind::Hashes(0), 0, 256), "tile/0/000"),
            (path(Kind::Entries, 1_234_067, 256), "tile/entries/x001/x234/067"),
            (path(Kind::Hashes(1), 1000, 7), "tile/1/x001/000.p/7"),
            (path(Kind::Hashes(63), 999, 255), "tile/63/999.p/255"),
        ] {
            assert_eq!(tile.to_string(), text);
            assert_eq!(parse_path(text), Ok(tile));
        }
    }

    #[test]
    fn other_spellings_of_a_path_are_refused() {
        for text in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/0/x000/001",
            "tile/0/001/001",
            "tile/0/x001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p/1/",
            "tile/data/000",
            "/tile/0/000",
            "tile/0/+00",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/entries/../000",
        ] {
            assert_eq!(parse_path(text), Err(TileError::Path), "{text}");
        }
    }

    #[test]
    fn the_example_tree_of_the_specification_has_its_tiles() {
        let paths: Vec<TilePath> = paths(70_000).filter(|path| path.kind != Kind::Entries).collect();
        let full = |level| paths.iter().filter(|p| p.kind == Kind::Hashes(level) && p.width == 256).count();
        let partial: Vec<String> = paths.iter().filter(|p| p.width < 256).map(ToString::to_string).collect();
        assert_eq!((full(0), full(1), full(2)), (273, 1, 0));
        assert_eq!(partial, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
        assert_eq!(super::paths(0).count(), 0);
        let small: Vec<String> = super::paths(256).map(|p| p.to_string()).collect();
        assert_eq!(small, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
    }

    #[test]
    fn bundles_keep_entries_and_refuse_what_does_not_fit() {
        let mut bundle = Vec::new();
        for entry in [b"".as_slice(), b"a", &[7; 0xffff]] {
            push_entry(&mut bundle, entry).unwrap();
        }
        assert_eq!(parse_bundle(&bundle).unwrap(), [b"".as_slice(), b"a", &[7; 0xffff]]);
        assert_eq!(push_entry(&mut bundle, &[7; 0x1_0000]), Err(TileError::Length));
        assert_eq!(parse_bundle(&bundle[..bundle.len() - 1]), Err(TileError::Length));
        assert_eq!(parse_bundle(&[0]), Err(TileError::Length));
        assert_eq!(parse_bundle(&[0; 2 * 257]), Err(TileError::Length));
        assert_eq!(parse_hashes(&[0; 33]), Err(TileError::Length));
        assert_eq!(parse_hashes(&[]), Err(TileError::Length));
        assert_eq!(parse_hashes(&[0; 32 * 257]), Err(TileError::Length));
    }

    proptest! {
        #[test]
        fn every_path_reads_back(level in 0_u8..64, entries: bool, index: u64, width in 1_u16..=256) {
            let kind = if entries { Kind::Entries } else { Kind::Hashes(level) };
            let tile = path(kind, index, width);
            prop_assert_eq!(parse_path(&tile.to_string()), Ok(tile));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), text in "[tilenrsx0-9./p]{0,40}") {
            let _parsed = parse_bundle(&bytes);
            let _parsed = parse_hashes(&bytes);
            let _parsed = parse_path(&text);
        }

        #[test]
        fn bundles_read_back(entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..256)) {
            let mut bundle = Vec::new();
            for entry in &entries {
                push_entry(&mut bundle, entry).unwrap();
            }
            prop_assert_eq!(parse_bundle(&bundle).unwrap(), entries);
        }
    }
}
