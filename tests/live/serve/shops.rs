//! Shops that take long, and shops whose URL comes from elsewhere.

use super::{DUE, FRESH};
use crate::harness::{Database, Policy, Program};
use crate::shop;

/// From now on each batch takes so many seconds, on PostgreSQL.
pub(super) fn slow(database: &dyn Database, seconds: f64) {
    database.exec(&format!(
        "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep({seconds}); return null; end $$"
    ));
    database.exec("create trigger slow after delete on web_session for each statement execute function slow()");
}

/// Whether some of the rows that are due are gone, and some are there.
pub(super) fn under_way(database: &dyn Database) -> bool {
    let rows = shop::rows(database);
    rows > FRESH && rows < DUE + FRESH
}

/// An installation whose database has its URL from elsewhere: `source` is what stands behind `url:`, `url` what it gives.
pub(super) fn with_url_from(database: &dyn Database, policy: &Policy, source: &str, url: &str) -> Program {
    let text = policy.yaml();
    let from = format!("url: {}", database.url());
    assert!(text.contains(&from), "{text}");
    let program = Program::new(policy);
    program.write("url", url);
    program.write("forgetd.yaml", &text.replace(&from, &format!("url: {source}")));
    program.call(&["install"]).expect(0);
    program
}
