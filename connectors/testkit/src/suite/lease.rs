//! Leases: one holder, whose term never falls.

use std::time::Duration;

use forgetd_connector::{Acquired, Connector, LeaseClaim};

use crate::{Arena, Fixture, HOLDER};

fn claim(holder: &str) -> LeaseClaim {
    LeaseClaim { holder: holder.into(), duration_ms: 600_000 }
}

async fn held(connector: &dyn Connector, holder: &str) -> u64 {
    match connector.control().acquire(&claim(holder), false).await.unwrap() {
        Acquired::Held { term } => term,
        Acquired::Taken(lease) => panic!("taken by {} under term {}", lease.holder, lease.term),
    }
}

/// The second to ask is told who has it.
pub async fn a_free_lease_has_one_taker(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let second = arena.database.connect("conformance").await;
    match second.control().acquire(&claim("holder-2"), false).await.unwrap() {
        Acquired::Taken(lease) => {
            assert_eq!((lease.holder.as_str(), lease.term, lease.alive), (HOLDER, arena.term, true));
            assert!(lease.left_ms > 0);
        }
        Acquired::Held { .. } => panic!("two holders"),
    }
    let lease = second.control().lease().await.unwrap().expect("the lease was taken");
    assert_eq!((lease.holder.as_str(), lease.term), (HOLDER, arena.term));
}

/// A renewal by another name or under another term is refused and changes nothing.
pub async fn only_holder_and_term_renew(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    assert!(control.renew(&claim(HOLDER), arena.term).await.unwrap());
    assert!(!control.renew(&claim("holder-2"), arena.term).await.unwrap());
    assert!(!control.renew(&claim(HOLDER), arena.term + 1).await.unwrap());
    let lease = control.lease().await.unwrap().expect("the lease was taken");
    assert_eq!((lease.holder.as_str(), lease.term), (HOLDER, arena.term));
}

/// A release by somebody else is ignored; one by the holder frees the lease, and the term grows.
pub async fn a_released_lease_is_free_at_once(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let second = arena.database.connect("conformance").await;
    second.control().release("holder-2", arena.term).await.unwrap();
    second.control().release(HOLDER, arena.term + 1).await.unwrap();
    assert!(matches!(second.control().acquire(&claim("holder-2"), false).await.unwrap(), Acquired::Taken(_)));
    arena.connector.control().release(HOLDER, arena.term).await.unwrap();
    assert_eq!(held(&*second, "holder-2").await, arena.term + 1);
    assert!(!arena.connector.control().renew(&claim(HOLDER), arena.term).await.unwrap(), "the old holder renewed");
}

/// A lease that nobody renews is taken under the next term.
pub async fn an_expired_lease_is_taken_under_the_next_term(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let short = LeaseClaim { holder: HOLDER.into(), duration_ms: 1 };
    assert!(arena.connector.control().renew(&short, arena.term).await.unwrap());
    let second = arena.database.connect("conformance").await;
    for _ in 0..2_000 {
        match second.control().acquire(&claim("holder-2"), false).await.unwrap() {
            Acquired::Held { term } => {
                assert_eq!(term, arena.term + 1);
                return;
            }
            Acquired::Taken(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    panic!("a lease of one millisecond does not expire");
}

/// Without coordination a living lease is taken.
pub async fn force_takes_a_living_lease(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let second = arena.database.connect("conformance").await;
    let taken = second.control().acquire(&claim("holder-2"), true).await.unwrap();
    assert_eq!(taken, Acquired::Held { term: arena.term + 1 });
    assert!(!arena.connector.control().renew(&claim(HOLDER), arena.term).await.unwrap());
}

/// Another instance in the same database has a lease, receipts and runs of its own.
pub async fn instances_do_not_meet(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let other = arena.database.connect("other").await;
    assert_eq!(other.control().lease().await.unwrap(), None);
    held(&*other, "holder-2").await;
    let receipt = arena.receipt("0", 1, None);
    assert_eq!(arena.connector.control().append(&receipt).await, forgetd_connector::Commit::Committed);
    assert_eq!(other.control().pending_count().await.unwrap(), 0);
    assert_eq!(other.control().next_sequence(&receipt.key.rule, "0").await.unwrap(), 1);
    assert_eq!(arena.connector.control().pending_count().await.unwrap(), 1);
}
