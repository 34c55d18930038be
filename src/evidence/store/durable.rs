//! Files that are there after a power cut: written to a temporary file in the same folder, synced, renamed, and the
//! folder synced. After an error nothing is assumed about what is on disk.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

/// Writes a file that is never written again. One that exists with the same bytes is left alone; with other bytes it
/// is corruption, reported as [`io::ErrorKind::AlreadyExists`].
pub(super) fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::read(path) {
        Ok(existing) if existing == bytes => Ok(()),
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => replace(path, bytes),
        Err(error) => Err(error),
    }
}

/// Writes or replaces a file: at every instant the old or the new one is there, never a part.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    folders(folder)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_os_string();
    name.push(".new");
    let temporary = folder.join(name);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_folder(folder)
}

/// Appends to a file and makes it durable, unless it ends with these bytes already.
pub(super) fn append_once(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = !path.try_exists()?;
    let mut file = File::options().read(true).append(true).create(true).open(path)?;
    if let Some(at) = file.metadata()?.len().checked_sub(bytes.len() as u64) {
        file.seek(io::SeekFrom::Start(at))?;
        let mut end = vec![0; bytes.len()];
        file.read_exact(&mut end)?;
        if end == bytes {
            return Ok(());
        }
    }
    file.write_all(bytes)?;
    file.sync_all()?;
    if new { sync_folder(path.parent().unwrap_or(Path::new("."))) } else { Ok(()) }
}

/// Removes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes the files of a folder that may not be there.
pub(super) fn clear(folder: &Path) -> io::Result<()> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        files => files?.try_for_each(|file| remove(&file?.path())),
    }
}

/// The bytes of a file, if it is there.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a folder and those above it, each entered durably in the one above.
pub(super) fn folders(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.try_exists()? {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(Path::new("."));
    folders(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_folder(if above.as_os_str().is_empty() { Path::new(".") } else { above })
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()
}
