//! The server that the tests work on: one that somebody names, else FerretDB.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use mongodb::Client;
use mongodb::bson::doc;

/// How the names of the tests' databases begin.
const PREFIX: &str = "forgetd_test_";

/// What is known of it.
pub(crate) struct Server {
    pub(crate) url: String,
    /// Where it answers with TLS, and the file with the CA's certificate; FerretDB alone.
    pub(crate) tls: Option<(String, String)>,
    _keeper: Option<(Child, ChildStdin)>,
}

/// The server; absent where FerretDB could not be downloaded: whoever tried has said so.
pub(crate) fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(find).as_ref()
}

fn find() -> Option<Server> {
    if let Ok(url) = std::env::var("FORGETD_TEST_MONGODB_URL") {
        return Some(Server { url, tls: None, _keeper: None });
    }
    let given = |what: &str| std::env::var(format!("FORGETD_TEST_FERRETDB_{what}"));
    match given("URL") {
        Ok(url) if url.is_empty() => None,
        Ok(url) => Some(Server { url, tls: given("TLS_URL").ok().zip(given("CA").ok()), _keeper: None }),
        Err(_) => keep(),
    }
}

/// Starts one of this process. It ends when our end of the pipe closes, however this process ends.
fn keep() -> Option<Server> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/stages/keep.sh");
    let mut bash = Command::new("bash");
    let mut keeper =
        bash.arg(script).arg("ferretdb").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash");
    let input = keeper.stdin.take().unwrap();
    let lines = BufReader::new(keeper.stdout.take().unwrap()).lines().map_while(Result::ok);
    let said: Vec<String> = lines.take_while(|line| line != "ready").collect();
    let part = |name: &str| said.iter().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let Some(url) = part("url ") else {
        assert_eq!(keeper.wait().unwrap().code(), Some(77), "the server did not start");
        return None;
    };
    Some(Server { url, tls: part("tls ").zip(part("ca ")), _keeper: Some((keeper, input)) })
}

/// Its URL.
pub(crate) fn url() -> Option<&'static str> {
    server().map(|server| server.url.as_str())
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
