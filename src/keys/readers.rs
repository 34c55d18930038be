//! Who may read a file that gives a key away, beside its owner.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Whose permissions are others than the owner's.
const OTHERS: u32 = 0o077;

/// What is mounted where, as this process sees it; only Linux has it.
const MOUNTS: &str = "/proc/self/mountinfo";

/// Whether others than its owner may read or write a file; false where it cannot be looked at, and for a secret that was
/// handed over ([`is_handed_over`]), whose permissions count for nobody outside.
pub(super) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & OTHERS != 0) && !is_mounted_for_us(path)
}

fn is_mounted_for_us(path: &Path) -> bool {
    // Mounted secrets are links, and folders above them can be, too.
    let real = path.canonicalize();
    real.is_ok_and(|real| fs::read_to_string(MOUNTS).is_ok_and(|mounts| is_handed_over(&real, &mounts)))
}

/// Whether a file lies in a read-only mount of memory that is not the root: that is how Kubernetes, Docker and systemd hand a
/// secret to one container or service. It is not the owner of what it gets, so all in there may read that. `mounts` is the text
/// of [`MOUNTS`].
fn is_handed_over(real: &Path, mounts: &str) -> bool {
    let above = mounts.lines().filter_map(Mount::read).filter(|mount| real.starts_with(mount.point));
    // Of the same length the later one lies over the earlier.
    let innermost = above.max_by_key(|mount| mount.point.components().count());
    innermost.is_some_and(|mount| {
        mount.read_only && ["tmpfs", "ramfs"].contains(&mount.kind) && mount.point != Path::new("/")
    })
}

/// What a line of [`MOUNTS`] says. A point with a space in its name is written otherwise there, and so nothing is below it.
struct Mount<'a> {
    point: &'a Path,
    read_only: bool,
    kind: &'a str,
}

// === impl Mount ===

impl<'a> Mount<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(4);
        let point = Path::new(mount.next()?);
        // Of the mount: the file system behind it is written to by whoever hands over.
        let read_only = mount.next()?.split(',').any(|option| option == "ro");
        Some(Self { point, read_only, kind: system.split(' ').next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a pod: the root of its image, a secret of Kubernetes, a volume, and what containers have anyway.
    const POD: &str = "\
751 663 0:75 / / ro,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
754 751 0:79 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
756 751 0:80 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
801 751 0:60 / /run/secrets/forgetd ro,relatime - tmpfs tmpfs rw,size=25165824k,noswap
802 751 0:61 / /run/credentials/forgetd.service ro,nosuid shared:9 master:3 - ramfs none rw,mode=700
803 751 8:1 /pods/1/etc /etc/forgetd ro,relatime - ext4 /dev/sda1 rw
804 751 0:62 / /run/keys rw,relatime - tmpfs tmpfs rw
805 751 0:63 / /run/turned ro,relatime - tmpfs tmpfs rw
806 751 0:64 / /run/turned rw,relatime - tmpfs tmpfs rw
807 801 8:1 /open /run/secrets/forgetd/open ro,relatime - ext4 /dev/sda1 rw";

    #[test]
    fn a_secret_that_was_handed_over_is_told_from_a_file() {
        for (file, handed_over) in [
            ("/run/secrets/forgetd/..2026_11_27/people.key", true),
            ("/run/credentials/forgetd.service/people.key", true),
            // Another mount lies over it.
            ("/run/secrets/forgetd/open/people.key", false),
            // Memory that others write to, or a disk.
            ("/run/keys/people.key", false),
            ("/run/turned/people.key", false),
            ("/etc/forgetd/people.key", false),
            // Nothing is mounted there.
            ("/run/secrets/forgetd-2/people.key", false),
            ("/people.key", false),
        ] {
            assert_eq!(is_handed_over(Path::new(file), POD), handed_over, "{file}");
        }
        let live = "1 0 0:1 / / ro,relatime - tmpfs tmpfs rw";
        assert!(!is_handed_over(Path::new("/etc/people.key"), live), "a machine that runs from memory has many users");
        assert!(!is_handed_over(Path::new("/run/secrets/k"), "no such line"));
    }

    #[test]
    fn permissions_of_others_count_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k1");
        fs::write(&path, "key").unwrap();
        for (mode, open) in [(0o600, false), (0o400, false), (0o640, true), (0o444, true), (0o602, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_others(&path), open, "{mode:o}");
        }
        assert!(!is_open_to_others(&folder.path().join("none")));
    }
}
