//! The evidence log's files, by their C2SP names. <https://c2sp.org/tlog-tiles>

use async_trait::async_trait;

use crate::evidence::log::tile::{self, TilePath, WIDTH};

/// Where the evidence log can be read.
#[async_trait(?Send)]
pub trait Evidence {
    /// One file of the log by its C2SP path; nothing where there is none, or where it cannot be read now.
    ///
    /// Only paths that the log can have are asked for: `checkpoint`, `log.vkey`, `policy/<sha256>.yaml` and those of
    /// tiles and bundles of entries.
    async fn object(&self, path: &str) -> Option<Vec<u8>>;
}

/// A file that the log can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Checkpoint,
    VerifierKey,
    Policy(String),
    Tile(TilePath),
}

// === impl Object ===

impl Object {
    /// Reads a path without its leading slash; nothing if no file of a log is called that.
    pub(super) fn parse(path: &str) -> Option<Self> {
        match path {
            "checkpoint" => Some(Self::Checkpoint),
            "log.vkey" => Some(Self::VerifierKey),
            _ => match path.strip_prefix("policy/") {
                Some(name) => name.strip_suffix(".yaml").filter(|name| is_digest(name)).map(|n| Self::Policy(n.into())),
                None => tile::parse_path(path).ok().map(Self::Tile),
            },
        }
    }

    /// The one path it has, made from what was understood.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Checkpoint => "checkpoint".into(),
            Self::VerifierKey => "log.vkey".into(),
            Self::Policy(digest) => format!("policy/{digest}.yaml"),
            Self::Tile(tile) => tile.to_string(),
        }
    }

    pub(super) const fn content_type(&self) -> &'static str {
        match self {
            Self::Checkpoint | Self::VerifierKey => "text/plain; charset=utf-8",
            Self::Policy(_) => "application/yaml",
            Self::Tile(_) => "application/octet-stream",
        }
    }

    /// What is full, or named by its digest, never changes.
    pub(super) fn cache(&self) -> &'static str {
        match self {
            Self::Checkpoint | Self::VerifierKey => "no-cache",
            Self::Tile(tile) if u64::from(tile.width) < WIDTH => "public, max-age=60",
            Self::Policy(_) | Self::Tile(_) => "public, max-age=31536000, immutable",
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_log_are_understood_and_written_back() {
        let policy = format!("policy/{}.yaml", "0a".repeat(32));
        for (path, content, cache) in [
            ("checkpoint", "text/plain; charset=utf-8", "no-cache"),
            ("log.vkey", "text/plain; charset=utf-8", "no-cache"),
            (policy.as_str(), "application/yaml", "public, max-age=31536000, immutable"),
            ("tile/0/000", "application/octet-stream", "public, max-age=31536000, immutable"),
            ("tile/entries/x001/067", "application/octet-stream", "public, max-age=31536000, immutable"),
            ("tile/1/x001/000.p/7", "application/octet-stream", "public, max-age=60"),
        ] {
            let object = Object::parse(path).unwrap();
            assert_eq!((object.path().as_str(), object.content_type(), object.cache()), (path, content, cache));
        }
    }

    #[test]
    fn no_other_path_is_anything() {
        let upper = format!("policy/{}.yaml", "0A".repeat(32));
        let short = format!("policy/{}.yaml", "0a".repeat(31));
        let outside = format!("policy/../{}.yaml", "0a".repeat(32));
        for path in [
            "",
            "/checkpoint",
            "checkpoint/",
            "checkpoint.old",
            "../checkpoint",
            "%63heckpoint",
            "tile/0/../../secret",
            "tile/0/000.p/256",
            "tile/00/000",
            "tile/%65ntries/000",
            "tile/entries/000/",
            "policy/",
            "policy/.yaml",
            "policy/..%2f.yaml",
            &upper,
            &short,
            &outside,
        ] {
            assert_eq!(Object::parse(path), None, "{path}");
        }
    }
}
