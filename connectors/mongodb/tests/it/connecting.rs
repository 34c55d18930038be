//! What the connector finds out about a server, and what it says when there is none.

use forgetd_connector::{Durability, FaultClass};
use forgetd_testkit::TestDatabase as _;
use mongodb::bson::doc;

use crate::fixture::{Database, arena};
use crate::server;

#[tokio::test]
async fn a_server_is_recognised() {
    let Some(_) = server::url() else { return };
    let connector = Database::new().connect("i").await;
    let facts = connector.facts();
    assert!(["MongoDB", "FerretDB", "Amazon DocumentDB"].contains(&facts.product.as_str()), "{facts:?}");
    assert!(!facts.read_only && !facts.identity.is_empty(), "{facts:?}");
    let (first, second) = (connector.now().await.unwrap(), connector.now().await.unwrap());
    assert!(first <= second && first > "2025-01-01T00:00:00Z".parse().unwrap(), "the server's clock is read");
    connector.close().await;
}

#[tokio::test]
async fn what_is_only_pretended_is_probed_and_remembered() {
    let Some(_) = server::url() else { return };
    let (arena, database) = arena().await;
    let control = database.control().await;
    let found = control.collection::<mongodb::bson::Document>("control").find_one(doc! {}).await.unwrap().unwrap();
    let probe = found.get_document("probe").unwrap();
    if arena.connector.facts().product == "FerretDB" {
        assert_eq!(probe.get_str("transactions").unwrap(), "aborted_persisted", "{probe}");
        assert!(!probe.get_bool("write_concern_is_real").unwrap(), "{probe}");
        // Known from the second connection on.
        let again = database.connect("conformance").await;
        assert_eq!(again.facts().durability, Durability::Weak);
    }
    for name in ["probe", "probe_other"] {
        let left = control.collection::<mongodb::bson::Document>(name).count_documents(doc! {}).await.unwrap();
        assert_eq!(left, 0, "the probe left something in {name}");
    }
}

#[tokio::test]
async fn no_server_is_said_without_the_url() {
    let database = Database::new();
    let mut context = database.context("i");
    context.call_timeout_ms = 300;
    let url = "mongodb://marker:marker@127.0.0.1:1/d?directConnection=true";
    let config = forgetd_mongodb::Config { url: url.into(), password: None };
    let fault = forgetd_mongodb::connect(config, context).await.map(|_| ()).unwrap_err();
    assert!(matches!(fault.class, FaultClass::Unreachable | FaultClass::Disconnected), "{fault}");
    assert!(!fault.to_string().contains("marker"), "{fault}");
    std::mem::forget(database);
}

#[tokio::test]
async fn tls_verifies_the_certificate() {
    let Some((url, ca)) = server::server().and_then(|server| server.tls.as_ref()) else { return };
    let database = Database::new();
    let url = url.replace("/?", &format!("/{}?", database.name.0));
    let connector = database.connect_by(&format!("{url}&tlsCAFile={ca}"), "i").await.unwrap();
    assert_eq!(connector.facts().tls.as_deref(), Some("encrypted, certificate and name verified"));
    let config = forgetd_mongodb::Config { url: url.as_str().into(), password: None };
    let context = forgetd_connector::ConnectContext { call_timeout_ms: 1_500, ..database.context("i") };
    assert!(forgetd_mongodb::connect(config, context).await.is_err(), "a certificate of an unknown CA was trusted");
}
