//! Which connections to a server are open, counted where they are opened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A count that who connects is given and whoever wants to know looks at.
#[derive(Clone, Debug, Default)]
pub struct Connections(Arc<Mutex<Open>>);

/// One open connection: counted until it is dropped.
#[derive(Debug)]
pub struct Connected {
    open: Connections,
    ticket: u64,
}

#[derive(Debug, Default)]
struct Open {
    tickets: u64,
    /// The number under which the server knows each, where that is known.
    numbers: BTreeMap<u64, Option<u64>>,
}

// === impl Connections ===

impl Connections {
    /// How many are open.
    pub fn open(&self) -> u64 {
        self.lock().numbers.len() as u64
    }

    /// The numbers under which the server knows them, as far as they were told: who does something there and has none of
    /// these is somebody else.
    pub fn numbers(&self) -> Vec<u64> {
        self.lock().numbers.values().flatten().copied().collect()
    }

    /// How many were ever opened.
    pub fn opened(&self) -> u64 {
        self.lock().tickets
    }

    /// One more is, and the server knows it under this number.
    pub fn one(&self, number: Option<u64>) -> Connected {
        let mut open = self.lock();
        open.tickets += 1;
        let ticket = open.tickets;
        open.numbers.insert(ticket, number);
        Connected { open: self.clone(), ticket }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.open.lock().numbers.remove(&self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::Connections;

    #[test]
    fn a_connection_counts_until_it_is_dropped() {
        let connections = Connections::default();
        let (one, two) = (connections.one(Some(7)), connections.clone().one(None));
        assert_eq!((connections.open(), connections.numbers()), (2, vec![7]));
        drop(one);
        assert_eq!((connections.open(), connections.numbers()), (1, vec![]));
        drop(two);
        assert_eq!((connections.open(), connections.opened()), (0, 2));
    }

    /// A server that was started anew counts from the beginning again.
    #[test]
    fn the_same_number_twice_is_two_connections() {
        let connections = Connections::default();
        let (old, _new) = (connections.one(Some(7)), connections.one(Some(7)));
        drop(old);
        assert_eq!((connections.open(), connections.numbers()), (1, vec![7]));
    }
}
