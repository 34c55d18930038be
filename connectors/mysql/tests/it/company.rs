//! Who else is at work, on a server that nobody else uses meanwhile.

use std::time::Duration;

use forgetd_connector::{Company, Connector, StrainAsked};
use mysql_async::prelude::Queryable as _;

use crate::fixture::context;
use crate::nodes::Cluster;

async fn company(connector: &dyn Connector) -> Company {
    connector.strain(&StrainAsked::default()).await.unwrap().company
}

/// Looks until nobody is there any more; what was there before counts for two seconds.
async fn until_nobody(connector: &dyn Connector) {
    for _ in 0..100 {
        if company(connector).await == Company::Nobody {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("somebody stays");
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
    until_nobody(connector.as_ref()).await;
    assert_eq!(company(connector.as_ref()).await, Company::Nobody, "the looks themselves are none");

    let mut guest = node.session(None).await;
    guest.query_drop("do 1").await.unwrap();
    guest.disconnect().await.unwrap();
    assert_eq!(company(connector.as_ref()).await, Company::Somebody);

    until_nobody(connector.as_ref()).await;
    let mut guest = node.session(None).await;
    until_nobody(connector.as_ref()).await;
    guest.query_drop("do 1").await.unwrap();
    assert_eq!(company(connector.as_ref()).await, Company::Somebody);
}
