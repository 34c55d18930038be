//! The names of holders.

/// How the names of holders that answer requests begin.
const SERVES: &str = "serve@";

/// A name unique to this process: where it runs, and when it began. The name of one that `serves` says that it answers
/// requests.
pub fn holder(serves: bool) -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".into());
    let serves = if serves { SERVES } else { "" };
    format!("{serves}{host}/{}/{}", std::process::id(), ulid::Ulid::generate())
}

/// Whether the holder of this name answers requests. Nobody need wait for it to go: it does not.
pub fn serves(holder: &str) -> bool {
    holder.starts_with(SERVES)
}
