//! Who else is at work, on servers that nobody else uses meanwhile.

use std::time::Duration;

use forgetd_connector::{Company, Connector, StrainAsked};
use mysql_async::prelude::Queryable as _;

use crate::fixture::context;
use crate::nodes::Cluster;
use crate::server::{Server, keep};

async fn connect(server: &Server, user: &str) -> Box<dyn Connector> {
    let config = forgetd_mysql::Config { url: server.url_as(user, "x", "d").into(), password: None };
    forgetd_mysql::connect(config, context("company", "forgetd")).await.unwrap()
}

async fn company(connector: &dyn Connector) -> Company {
    connector.strain(&StrainAsked::default()).await.unwrap().company
}

/// Looks until it is said. What was done a moment ago is company for a while.
async fn until(connector: &dyn Connector, wanted: Company) {
    for _ in 0..3_000 {
        if company(connector).await == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {wanted:?}");
}

/// An application that connects for each of its requests is gone whenever it is looked for, and is seen all the same; one that
/// stays is seen while it works, and for a moment after that.
#[tokio::test]
async fn an_application_that_comes_and_goes_is_company_too() {
    let Some(nodes) = Cluster::Galera.nodes().await else { return };
    nodes.database("it_company", "create table item (id int primary key)").await;
    let node = nodes.node(0);
    let config = forgetd_mysql::Config { url: node.url("it_company").into(), password: None };
    let connector = forgetd_mysql::connect(config, context("conformance", "it_company_forgetd")).await.unwrap();
    assert_ne!(company(connector.as_ref()).await, Company::Nobody, "one look cannot know");
    until(connector.as_ref(), Company::Nobody).await;
    assert_eq!(company(connector.as_ref()).await, Company::Nobody, "the looks themselves are none");

    let mut guest = node.session(None).await;
    guest.query_drop("do 1").await.unwrap();
    guest.disconnect().await.unwrap();
    assert_eq!(company(connector.as_ref()).await, Company::Somebody);

    until(connector.as_ref(), Company::Nobody).await;
    let mut guest = node.session(None).await;
    until(connector.as_ref(), Company::Nobody).await;
    guest.query_drop("do 1").await.unwrap();
    assert_eq!(company(connector.as_ref()).await, Company::Somebody);
}

#[tokio::test]
async fn an_account_that_is_not_shown_others_does_not_say_that_nobody_is_there() {
    for name in ["mariadb", "mysql"] {
        let Some(servers) = keep(name) else { continue };
        let server = &servers[0];
        let mut admin = server.session(None).await;
        for sql in [
            "create database d",
            "create user plain@'%' identified by 'x'",
            "create user sees@'%' identified by 'x'",
            "grant select on d.* to plain@'%', sees@'%'",
            "grant process on *.* to sees@'%'",
        ] {
            admin.query_drop(sql).await.unwrap_or_else(|error| panic!("{name} {sql}: {error}"));
        }
        let (plain, sees) = (connect(server, "plain").await, connect(server, "sees").await);
        // However long others rest, and whatever they do.
        assert_eq!(company(&*plain).await, Company::Hidden, "{name}");
        drop(plain);
        until(&*sees, Company::Nobody).await;
        let working = tokio::spawn(async move { admin.query_drop("do sleep(600)").await });
        until(&*sees, Company::Somebody).await;
        working.abort();
    }
}
