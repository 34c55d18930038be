//! The log in a folder, served as it is by any web server. The head row and the leaf rows stay in the home database:
//! the row is the anchor, so a folder that was lost or put back is noticed, and two writers cannot both win.
//!
//! Crash order of one step, and what a crash after each leaves:
//!
//! 1. stage: the step's objects lie in `.staging`, unsigned. The head is the old one; the next step discards them.
//! 2. commit: the head row names the new tree. The folder is behind; [`Store::settle`] finds the staged objects.
//! 3. place: tiles and bundles are where they belong, create-only. The old checkpoint still stands and is valid.
//! 4. the caller signs and stores the checkpoint, then acknowledges receipts (`relay.rs`).
//!
//! Knows nothing about: what entries say, keys, receipts.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use forgetd_connector::{Append, Cause, Control, Fault, FaultClass, Head, HeadState, LeafKey, LeafRow, Published};

use super::staging::Staged;
use super::{Files, Store, durable};
use crate::evidence::EvidenceFault;

/// How deep a log's folders are searched for files; paths of 10^18 entries have seven levels.
const DEPTH_MAX: u32 = 12;

/// Where steps are staged, inside the folder.
const STAGING: &str = ".staging";

/// A folder with a log. Reading needs nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

/// A folder that this process may write, together with the home database's head row.
pub struct FolderStore<'a> {
    folder: Folder,
    home: &'a dyn Control,
    origin: String,
}

// === impl Folder ===

impl Folder {
    /// Names a folder; nothing is read or made.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder if need be and takes its lock; held until the file is dropped, or the process ends.
    pub(crate) async fn lock(&self) -> Result<File, EvidenceFault> {
        let path = self.path.join(".lock");
        let opened = self
            .work("lock", move |folder| {
                durable::folders(folder)?;
                File::options().create(true).truncate(false).write(true).open(path)
            })
            .await?;
        match opened.try_lock() {
            Ok(()) => Ok(opened),
            Err(TryLockError::WouldBlock) => {
                let found = "another process holds the lock of the evidence folder";
                Err(EvidenceFault::new(Cause::Fenced, self.place(), found))
            }
            Err(TryLockError::Error(error)) => Err(self.fault("lock", &error)),
        }
    }

    /// Writes a file that is never written again.
    pub(crate) async fn create(&self, path: &str, bytes: Vec<u8>) -> Result<(), EvidenceFault> {
        let file = self.file(path)?;
        self.work(path, move |_| durable::create(&file, &bytes)).await
    }

    /// Writes or replaces a file.
    pub(crate) async fn replace(&self, path: &str, bytes: Vec<u8>) -> Result<(), EvidenceFault> {
        let file = self.file(path)?;
        self.work(path, move |_| durable::replace(&file, &bytes)).await
    }

    /// Appends to a file, unless it ends with these bytes already.
    pub(crate) async fn append_once(&self, path: &str, bytes: Vec<u8>) -> Result<(), EvidenceFault> {
        let file = self.file(path)?;
        self.work(path, move |_| durable::append_once(&file, &bytes)).await
    }

    /// Removes a file, if it is there.
    async fn remove(&self, path: &str) -> Result<(), EvidenceFault> {
        let file = self.file(path)?;
        self.work(path, move |_| durable::remove(&file)).await
    }

    /// Removes the files in a folder inside it.
    async fn clear(&self, path: &str) -> Result<(), EvidenceFault> {
        let inside = self.file(path)?;
        self.work(path, move |_| durable::clear(&inside)).await
    }

    /// Every file of the log below it. Names that begin with a dot are private and not among them.
    pub(crate) async fn paths(&self) -> Result<Vec<String>, EvidenceFault> {
        self.work("list", |folder| {
            let mut found = Vec::new();
            list(folder, "", 0, &mut found)?;
            found.sort_unstable();
            Ok(found)
        })
        .await
    }

    /// Paths come from the tile formatter or from callers' constants, so this only guards against a mistake of ours.
    fn file(&self, path: &str) -> Result<PathBuf, EvidenceFault> {
        if path.starts_with('/') || path.split('/').any(|part| part.is_empty() || part == "..") {
            return Err(EvidenceFault::new(Cause::Internal, self.place(), format!("{path} is no path inside a log")));
        }
        Ok(self.path.join(path))
    }

    /// File work blocks, and a sick disk blocks for long: it happens off the thread that renews the lease.
    async fn work<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, EvidenceFault> {
        let path = self.path.clone();
        match tokio::task::spawn_blocking(move || work(&path)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(self.fault(what, &error)),
            Err(_) => {
                Err(EvidenceFault::new(Cause::Internal, self.place(), format!("{what}: the file work ended early")))
            }
        }
    }

    fn fault(&self, what: &str, error: &io::Error) -> EvidenceFault {
        let found = match error.kind() {
            io::ErrorKind::AlreadyExists => format!("{what} exists with other bytes"),
            kind => format!("{what}: {kind}"),
        };
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let cause = if full { Cause::EvidenceNoSpace } else { Cause::Evidence };
        EvidenceFault::new(cause, self.place(), found)
    }
}

#[async_trait]
impl Files for Folder {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, EvidenceFault> {
        let file = self.file(path)?;
        self.work(path, move |_| durable::read(&file)).await
    }
}

fn list(folder: &Path, prefix: &str, depth: u32, found: &mut Vec<String>) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') || name.ends_with(".new") {
            continue;
        }
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if !entry.file_type()?.is_dir() {
            found.push(path);
        } else if depth < DEPTH_MAX {
            list(&entry.path(), &path, depth + 1, found)?;
        }
    }
    Ok(())
}

// === impl FolderStore ===

impl<'a> FolderStore<'a> {
    /// The log called `origin` in `folder`, whose lock the caller holds, anchored in the control tables of the home.
    pub fn new(folder: &Folder, home: &'a dyn Control, origin: &str) -> Self {
        Self { folder: folder.clone(), home, origin: origin.into() }
    }
}

/// Where the step that leads to `head` is staged. The root is in the name, so a step that never got its head cannot
/// be taken for another of the same size.
fn staged_path(head: &Head) -> String {
    format!("{STAGING}/{}-{}", head.size, hex::encode(head.root))
}

#[async_trait]
impl Files for FolderStore<'_> {
    fn place(&self) -> String {
        self.folder.place()
    }

    async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, EvidenceFault> {
        self.folder.read(path).await
    }
}

#[async_trait]
impl Store for FolderStore<'_> {
    async fn head(&self) -> Result<Option<HeadState>, EvidenceFault> {
        Ok(self.home.head(&self.origin).await?)
    }

    async fn publish(&self, append: &Append, term: u64) -> Published {
        let staged = Staged { objects: append.objects.clone(), superseded: append.superseded.clone() };
        let path = staged_path(&append.next);
        if let Err(fault) = self.folder.replace(&path, staged.encode()).await {
            let class = FaultClass::Blocked(fault.cause);
            return Published::Failed(Fault::new(class, "stage evidence", fault.place).with_detail(fault.found));
        }
        let anchor = Append { objects: Vec::new(), superseded: Vec::new(), ..append.clone() };
        let published = self.home.publish(&anchor, term).await;
        if !matches!(published, Published::Done | Published::Unknown(_))
            && let Err(fault) = self.folder.remove(&path).await
        {
            // Unsigned and named after a tree that never was: harmless, and the next start looks past it.
            tracing::warn!(%fault, "a staged step could not be removed");
        }
        published
    }

    async fn settle(&self, head: &Head) -> Result<(), EvidenceFault> {
        let path = staged_path(head);
        let Some(bytes) = self.folder.read(&path).await? else { return self.folder.clear(STAGING).await };
        let staged = Staged::decode(&bytes).ok_or_else(|| {
            EvidenceFault::evidence(self.place(), format!("{path} is torn though its head is committed"))
        })?;
        for (path, bytes) in staged.objects {
            self.folder.create(&path, bytes).await?;
        }
        for path in &staged.superseded {
            self.folder.remove(path).await?;
        }
        // Steps that never got their head are superfluous now as well.
        self.folder.clear(STAGING).await
    }

    async fn put(&self, path: &str, bytes: &[u8]) -> Result<(), EvidenceFault> {
        self.folder.replace(path, bytes.to_vec()).await
    }

    async fn paths(&self) -> Result<Vec<String>, EvidenceFault> {
        self.folder.paths().await
    }

    async fn leaves(&self, keys: &[LeafKey]) -> Result<Vec<LeafRow>, EvidenceFault> {
        Ok(self.home.leaves(keys).await?)
    }

    async fn newest_leaves(&self) -> Result<Vec<LeafKey>, EvidenceFault> {
        Ok(self.home.newest_leaves().await?)
    }
}
