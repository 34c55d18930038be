//! Who else is at work, on a server where nobody is but the tests.

use std::time::Duration;

use forgetd_connector::{Company, Connector, Strain, StrainAsked};

use crate::fixture::connect;
use crate::server::{Server, session};

async fn strain(connector: &dyn Connector) -> Strain {
    connector.strain(&StrainAsked { active_sessions: true, veto: None }).await.unwrap()
}

/// Looks until it is said. What was done a moment ago is company for a while.
async fn until(connector: &dyn Connector, company: Company, meanwhile: impl AsyncFn()) -> Strain {
    for _ in 0..3_000 {
        meanwhile().await;
        let strain = strain(connector).await;
        if strain.company == company {
            return strain;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {company:?}");
}

async fn nothing() {}

#[tokio::test]
async fn a_session_that_does_not_say_what_it_does_is_hidden() {
    let server = Server::of_its_own();
    let admin = session(&server.url("postgres")).await;
    let run = async |sql: &str| admin.batch_execute(sql).await.unwrap();
    run("create role silent login; alter role silent set track_activities = off").await;
    let connector = connect(&server.url("postgres"), "company").await.unwrap();
    assert_eq!(until(&*connector, Company::Nobody, nothing).await.active_sessions, Some(0));
    let silent = session(&server.url_as("silent", "postgres")).await;
    silent.batch_execute("begin").await.unwrap();
    let hidden = strain(&*connector).await;
    assert_eq!((hidden.company, hidden.active_sessions), (Company::Hidden, None));
    drop(silent);
    until(&*connector, Company::Nobody, nothing).await;
    // A session is set so with what it does next.
    run("alter system set track_activities = off").await;
    run("select pg_reload_conf()").await;
    until(&*connector, Company::Hidden, async || run("select 1").await).await;
    // Ours say nothing either, and are no company.
    drop(admin);
    until(&*connector, Company::Nobody, nothing).await;
}

#[tokio::test]
async fn a_role_that_is_not_shown_others_does_not_say_that_nobody_is_there() {
    let server = Server::of_its_own();
    let admin = session(&server.url("postgres")).await;
    admin.batch_execute("create role plain login; create role sees login; grant pg_monitor to sees").await.unwrap();
    let active = async |role: &str, company: Company| {
        let connector = connect(&server.url_as(role, "postgres"), "company").await.unwrap();
        until(&*connector, company, nothing).await.active_sessions
    };
    assert_eq!(active("plain", Company::Hidden).await, None);
    assert_eq!(active("sees", Company::Nobody).await, Some(0));
}
