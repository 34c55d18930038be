//! How hard the server is at work, and signs of life for its replicas.

use std::time::Duration;

use forgetd_connector::{Beaten, Company, Strain, StrainAsked};

use super::fence::{late, order, ten};
use crate::{Arena, Fixture};

/// So many looks see what there is to be seen.
const LOOKS_MAX: u32 = 100;

/// InnoDB tells of transactions what it told last, as long as that was asked for within the last tenth of a second.
const BETWEEN_LOOKS: Duration = Duration::from_millis(150);

/// What is written is seen, later ones replace earlier ones, and no other instance's is. An engine without signs of life
/// tells nothing of its load, and of its replicas what it knows itself.
pub async fn a_sign_of_life_is_seen_where_it_was_written(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let Some(hearts) = arena.connector.heartbeats() else {
        let asked = StrainAsked { active_sessions: true, veto: Some("select 1".into()) };
        let strain = arena.connector.strain(&asked).await.unwrap();
        assert_eq!(strain, Strain { replicas: strain.replicas, ..Strain::default() });
        return;
    };
    let none = hearts.beaten().await.unwrap();
    assert_eq!(none.at, None, "none was written yet");
    let first = hearts.beat().await.unwrap();
    assert_eq!(first.generation, none.generation);
    let second = hearts.beat().await.unwrap();
    assert!(second.at > first.at);
    let elsewhere = arena.database.connect("conformance").await;
    let seen = elsewhere.heartbeats().unwrap().beaten().await.unwrap();
    assert_eq!(seen, Beaten { generation: second.generation, at: Some(second.at) });
    let other = arena.database.connect("other").await;
    assert_eq!(other.heartbeats().unwrap().beaten().await.unwrap().at, None, "another instance has one of its own");
}

/// The operator's statement is understood, and one that makes no sense is a fault.
pub async fn an_operators_statement_says_yes_or_no(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    if arena.connector.heartbeats().is_none() {
        return;
    }
    for (statement, says) in [("select 1", true), ("select 0", false), ("select 2 > 1", true), ("select 1 > 2", false)]
    {
        let asked = StrainAsked { active_sessions: true, veto: Some(statement.into()) };
        let strain = arena.connector.strain(&asked).await.unwrap();
        assert_eq!(strain.vetoed, Some(says), "{statement}");
        assert!(strain.active_sessions.is_some(), "{strain:?}");
    }
    for statement in ["select 'soon'", "select null", "select 1, 2", "select"] {
        let asked = StrainAsked { active_sessions: false, veto: Some(statement.into()) };
        assert!(arena.connector.strain(&asked).await.is_err(), "{statement}");
    }
    let strain = arena.connector.strain(&StrainAsked::default()).await.unwrap();
    assert_eq!((strain.vetoed, strain.active_sessions), (None, None));
}

/// Who has done something on the server just now is company, by whatever engine tells of it at all.
pub async fn whoever_else_is_at_work_is_seen(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let told = if arena.connector.heartbeats().is_some() { Company::Somebody } else { Company::Untold };
    let other = arena.database.connect("other").await;
    other.now().await.unwrap();
    let strain = arena.connector.strain(&StrainAsked::default()).await.unwrap();
    assert_eq!(strain.company, told);
    drop(other);
}

/// Who waits for a row that an open batch holds is counted as long as it does; who waits for somebody else is not.
pub async fn whoever_waits_for_a_row_of_ours_is_counted(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let table = ten();
    arena.create(fixture, &table).await;
    let step = arena.step(table.selection(fixture, "at", late())).await;
    let waiting = async || {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        arena.connector.strain(&StrainAsked::default()).await.unwrap().waiting_for_us
    };
    let tells = ["mysql", "postgresql"].contains(&arena.connector.engine());
    assert_eq!(waiting().await, tells.then_some(0));
    if !tells {
        return;
    }
    let somebodys = arena.database.hold("item", "id = 9").await;
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.change(&order(4)).await.unwrap().changed, 4);
    let update = |id| format!("update item set at = at where id = {id}");
    let (for_us, for_somebody) = (update(1), update(9));
    let until = async |wanted: Option<u64>| {
        for _ in 0..LOOKS_MAX {
            if waiting().await == wanted {
                return;
            }
        }
        panic!("{wanted:?} was not seen, but {:?}", waiting().await);
    };
    let looks = async {
        until(Some(1)).await;
        for _ in 0..4 {
            assert_eq!(waiting().await, Some(1));
        }
        lane.undo().await.unwrap();
    };
    let both = async {
        tokio::join!(looks, arena.database.sql(&for_us));
        until(Some(0)).await;
        // Somebody waits for somebody still.
        for _ in 0..4 {
            assert_eq!(waiting().await, Some(0));
        }
        somebodys.release().await;
    };
    tokio::join!(arena.database.sql(&for_somebody), both);
}
