//! How many connections to a server are open, counted where they are opened.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A count that who connects is given and whoever wants to know looks at.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<AtomicU64>);

/// One open connection: counted until it is dropped.
#[derive(Debug)]
pub struct Connected(Arc<AtomicU64>);

// === impl Connections ===

impl Connections {
    /// How many are open.
    pub fn open(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more is.
    pub fn one(&self) -> Connected {
        self.0.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(&self.0))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Connections;

    #[test]
    fn a_connection_counts_until_it_is_dropped() {
        let connections = Connections::default();
        let (one, two) = (connections.one(), connections.clone().one());
        assert_eq!(connections.open(), 2);
        drop(one);
        assert_eq!(connections.open(), 1);
        drop(two);
        assert_eq!(connections.open(), 0);
    }
}
