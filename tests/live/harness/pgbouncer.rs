//! A pgbouncer in transaction mode in front of the server: the one `./test` started, else one of this process.

use std::process::{Child, ChildStdin};
use std::sync::OnceLock;

use url::Url;

use super::Postgres;
use super::postgres::{free_port, keep};

struct Pooler {
    port: u16,
    _keeper: Option<(Child, ChildStdin)>,
}

/// The database's URL through the pooler.
pub(crate) fn through_pgbouncer(database: &Postgres) -> String {
    static POOLER: OnceLock<Pooler> = OnceLock::new();
    let pooler = POOLER.get_or_init(|| match std::env::var("FORGETD_TEST_PGBOUNCER_URL") {
        Ok(url) => {
            let port = Url::parse(&url).ok().and_then(|url| url.port()).expect("FORGETD_TEST_PGBOUNCER_URL");
            Pooler { port, _keeper: None }
        }
        Err(_) => {
            let port = free_port();
            let server = Postgres::address().port().to_string();
            Pooler { port, _keeper: Some(keep(include_str!("pgbouncer.sh"), &[&port.to_string(), &server])) }
        }
    });
    database.url_at(pooler.port)
}
