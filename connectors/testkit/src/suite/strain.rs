//! How hard the server is at work, and signs of life for its replicas.

use forgetd_connector::{Beaten, Company, Strain, StrainAsked};

use crate::{Arena, Fixture};

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
