//! The server that the tests work on: one that somebody names, else FerretDB.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use mongodb::Client;
use mongodb::bson::doc;

/// How the names of the tests' databases begin.
const PREFIX: &str = "forgetd_test_";

/// Its URL; absent where FerretDB could not be downloaded: whoever tried has said so.
pub(crate) fn url() -> Option<&'static str> {
    static URL: OnceLock<Option<String>> = OnceLock::new();
    URL.get_or_init(|| {
        let given = ["FORGETD_TEST_MONGODB_URL", "FORGETD_TEST_FERRETDB_URL"].map(std::env::var);
        let told = given.iter().any(Result::is_ok);
        assert!(told, "no server: run ./test, or name one in FORGETD_TEST_MONGODB_URL");
        given.into_iter().flatten().find(|url| !url.is_empty())
    })
    .as_deref()
}

/// The same with a database in it.
pub(crate) fn url_of(database: &str) -> String {
    let url = url().expect("the server");
    let (base, options) = url.split_once('?').unwrap_or((url, ""));
    let authority = base.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    format!("{authority}/{database}?{options}")
}

/// The owner, beside the connector.
pub(crate) async fn client() -> Client {
    Client::with_uri_str(url().expect("the server")).await.unwrap()
}

/// A name that no other test of this machine uses.
pub(crate) fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{PREFIX}{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Drops what was made of this name.
pub(crate) async fn drop_databases(name: &str) {
    let client = client().await;
    for name in [name.to_owned(), format!("{name}_forgetd")] {
        client.database(&name).drop().await.unwrap();
    }
}

#[tokio::test]
async fn the_server_answers() {
    let Some(_) = url() else { return };
    let admin = client().await.database("admin");
    let pong = admin.run_command(doc! { "ping": 1 }).await.unwrap();
    assert_eq!(mongodb::bson::Bson::from(1.0).as_f64(), pong.get_f64("ok").ok());
    let build = admin.run_command(doc! { "buildInfo": 1 }).await.unwrap();
    println!("tested on {:?}, {:?}", build.get("version"), build.get("ferretdb").map(|ferret| ferret.to_string()));
}
