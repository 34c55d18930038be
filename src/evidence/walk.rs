//! Walks a whole log from its entries up: every bundle, every tile, the root. Start-up and `verify` do the same walk.

use super::EvidenceFault;
use super::log::merkle::{Frontier, Hash, leaf_hash};
use super::log::tile::{self, Kind, TilePath, WIDTH};
use super::store::Files;

/// How many problems are listed; a log with more is not better known by more of them.
pub(super) const PROBLEMS_MAX: usize = 50;

/// Something that is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Of what kind.
    pub kind: ProblemKind,
    /// The file, or the index of the entry.
    pub place: String,
    /// What is wrong, in words without values.
    pub found: String,
}

/// Kinds of problems, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// Bytes are not those that were signed.
    Tampered,
    /// It is an earlier state of a log that had gone further.
    RolledBack,
    /// Something that must be there is not.
    Missing,
}

/// What a walk found.
#[derive(Clone, Debug, Default)]
pub(super) struct Walked {
    /// The root over all entries; absent where entries are missing.
    pub(super) root: Option<Hash>,
    /// The root that the log had at each of the sizes asked for.
    pub(super) marks: Vec<(u64, Hash)>,
    /// What is wrong, at most [`PROBLEMS_MAX`].
    pub(super) problems: Vec<Problem>,
}

struct Walk<'a> {
    files: &'a dyn Files,
    size: u64,
    frontier: Frontier,
    /// The hashes of the rightmost tile of each level, so far.
    levels: Vec<Vec<Hash>>,
    done: Walked,
}

/// Walks a log of `size` entries, shows each to `visit`, and notes the root at each of `marks`. An error means that the
/// files could not be read at all.
pub(super) async fn walk(
    files: &dyn Files,
    size: u64,
    marks: &[u64],
    visit: &mut (dyn FnMut(u64, &[u8]) + Send),
) -> Result<Walked, EvidenceFault> {
    let mut walk = Walk { files, size, frontier: Frontier::default(), levels: Vec::new(), done: Walked::default() };
    walk.mark(marks);
    for index in 0..size.div_ceil(WIDTH) {
        if walk.done.problems.len() >= PROBLEMS_MAX {
            return Ok(walk.done);
        }
        let path = TilePath::within(Kind::Entries, index, size);
        let Some((bytes, exact)) = walk.file(path).await? else {
            // Without these entries nothing after them can be checked against the root.
            walk.problem(ProblemKind::Missing, path.to_string(), "entries are missing");
            return Ok(walk.done);
        };
        let width = usize::from(path.width);
        let fits = |n: usize| if exact { n == width } else { n >= width };
        let Some(entries) = tile::parse_bundle(&bytes).ok().filter(|entries| fits(entries.len())) else {
            walk.problem(ProblemKind::Tampered, path.to_string(), "it does not hold the entries that it must hold");
            return Ok(walk.done);
        };
        for (entry, at) in entries.into_iter().take(width).zip(index * WIDTH..) {
            visit(at, entry);
            let leaf = leaf_hash(entry);
            walk.frontier.push(leaf);
            walk.rise(leaf).await?;
            walk.mark(marks);
        }
    }
    for (level, hashes) in std::mem::take(&mut walk.levels).into_iter().enumerate() {
        if !hashes.is_empty() {
            walk.compare(level, &hashes).await?;
        }
    }
    walk.done.root = Some(walk.frontier.root());
    Ok(walk.done)
}

// === impl ProblemKind ===

impl ProblemKind {
    /// The id used in JSON.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Tampered => "tampered",
            Self::RolledBack => "rolled_back",
            Self::Missing => "missing",
        }
    }
}

// === impl Walk ===

impl Walk<'_> {
    /// A tile, and whether it is this very one; where only its full form is there any more, that one.
    async fn file(&self, path: TilePath) -> Result<Option<(Vec<u8>, bool)>, EvidenceFault> {
        match self.files.read(&path.to_string()).await? {
            Some(bytes) => Ok(Some((bytes, true))),
            None if u64::from(path.width) == WIDTH => Ok(None),
            None => Ok(self.files.read(&path.full().to_string()).await?.map(|bytes| (bytes, false))),
        }
    }

    async fn rise(&mut self, leaf: Hash) -> Result<(), EvidenceFault> {
        let mut hash = leaf;
        for level in 0..8 {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(hash);
            if (self.levels[level].len() as u64) < WIDTH {
                return Ok(());
            }
            let hashes = std::mem::take(&mut self.levels[level]);
            self.compare(level, &hashes).await?;
            hash = tile::subtree(&hashes);
        }
        Ok(())
    }

    /// Compares the stored tile with the hashes that the entries lead to.
    async fn compare(&mut self, level: usize, hashes: &[Hash]) -> Result<(), EvidenceFault> {
        let kind = Kind::Hashes(u8::try_from(level).unwrap_or(u8::MAX));
        // Full tiles are compared as soon as they are complete, so the walk's own size tells which one this is.
        let index = (tile::width_below(self.frontier.size(), kind) - 1) / WIDTH;
        let path = TilePath::within(kind, index, tile::width_below(self.size, kind));
        let Some((bytes, exact)) = self.file(path).await? else {
            self.problem(ProblemKind::Missing, path.to_string(), "a tile is missing");
            return Ok(());
        };
        let stored = tile::parse_hashes(&bytes).unwrap_or_default();
        if stored.get(..hashes.len()) != Some(hashes) || (exact && stored.len() != hashes.len()) {
            self.problem(ProblemKind::Tampered, path.to_string(), "its hashes are not those of the entries");
        }
        Ok(())
    }

    fn mark(&mut self, marks: &[u64]) {
        let size = self.frontier.size();
        if marks.contains(&size) {
            self.done.marks.push((size, self.frontier.root()));
        }
    }

    fn problem(&mut self, kind: ProblemKind, place: String, found: &str) {
        self.done.problems.push(Problem { kind, place, found: found.into() });
    }
}
