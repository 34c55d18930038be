//! Who a file is, what was last seen of it, and what else of this process is open to it.
//!
//! In a write-ahead log a connection believes in the pages that it read before as long as the log says nothing new: a
//! file that is copied over under it goes unnoticed, and the next commit mixes pages of both. Nobody may look into the
//! file beside SQLite (closing it would let go of the locks of the whole process), so what the file system says must do.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Who a file is on its file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

/// What a file looked like. It is written to by whoever moves the log into it, and by whoever copies another one over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileState {
    pub(super) id: FileId,
    bytes: u64,
    written: (i64, i64),
}

/// A connection that is open to a file with a log. SQLite keeps one view of the log for all connections of a process: as
/// long as one of them is open to an old log no other may be to a new one.
pub(super) struct Logged {
    path: PathBuf,
    file: FileId,
    log: FileId,
}

/// Every [`Logged`] that there is: the file and its log.
static LOGGED: Mutex<Vec<(FileId, FileId)>> = Mutex::new(Vec::new());

// === impl FileId ===

impl FileId {
    /// Nothing where there is no file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        FileState::of(path).map(|state| state.id)
    }
}

// === impl FileState ===

impl FileState {
    /// Nothing where there is no file.
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let meta = std::fs::metadata(path).ok()?;
        let id = FileId { device: meta.dev(), inode: meta.ino() };
        Some(Self { id, bytes: meta.len(), written: (meta.mtime(), meta.mtime_nsec()) })
    }

    #[cfg(not(unix))]
    pub(super) fn of(_path: &Path) -> Option<Self> {
        None
    }
}

// === impl Logged ===

impl Logged {
    /// Of a connection that was just opened; nothing where there is no log.
    pub(super) fn open(path: &Path, file: FileId) -> Option<Self> {
        let log = FileId::of(&log_of(path))?;
        LOGGED.lock().unwrap_or_else(PoisonError::into_inner).push((file, log));
        Some(Self { path: path.into(), file, log })
    }

    /// Whether a connection of this process is open to another log of the file than the one that lies beside it now.
    pub(super) fn others(path: &Path, file: FileId) -> bool {
        let log = FileId::of(&log_of(path));
        let logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        logged.iter().any(|(known, other)| *known == file && Some(*other) != log)
    }

    /// Whether the log beside the file is still that one. SQLite takes none away while a connection is open to it.
    pub(super) fn is_there(&self) -> bool {
        FileId::of(&log_of(&self.path)) == Some(self.log)
    }

    /// Whether file and log are still those: if not, what lies there is nobody's of ours, and nothing of ours is to be moved
    /// into it or taken away with it.
    pub(super) fn is_ours(&self) -> bool {
        FileId::of(&self.path) == Some(self.file) && self.is_there()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = logged.iter().position(|known| *known == (self.file, self.log)) {
            logged.swap_remove(at);
        }
    }
}

/// Where the log of a file lies.
fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    PathBuf::from(log)
}

impl std::fmt::Display for FileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "file {:x}:{:x}", self.device, self.inode)
    }
}
