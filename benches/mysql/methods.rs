//! What stands beside forgetd: one statement, and the loop that everybody writes.

use std::net::SocketAddr;
use std::time::Instant;

use mysql_async::prelude::Queryable as _;

use crate::server::Server;

/// One DELETE of everything that is due.
pub(crate) async fn single_delete(server: &Server, at: SocketAddr) -> f64 {
    timed(server, at, "delete from event where at < now(6) - interval 30 day").await
}

/// `DELETE .. LIMIT` until nothing goes.
pub(crate) async fn limit_loop(server: &Server, batch: u32) -> f64 {
    let mut conn = server.connect().await;
    let delete = format!("delete from event where at < now(6) - interval 30 day order by at limit {batch}");
    let started = Instant::now();
    loop {
        conn.query_drop(&delete).await.unwrap();
        if conn.affected_rows() == 0 {
            break;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    drop(conn.disconnect().await);
    seconds
}

/// One UPDATE that makes the tokens on the server, with the key in the statement: HMAC as the two nested hashes it consists of.
pub(crate) async fn single_update(server: &Server) -> f64 {
    let token = |column: &str| {
        format!("substr(sha2(concat('outer key', sha2(concat('inner key', lower({column})), 256)), 256), 1, 26)")
    };
    let (email, name, phone) = (token("email"), token("name"), token("phone"));
    let update = format!(
        "update person set email = concat({email}, '@pseudonym.invalid'), name = {name}, phone = {phone} \
         where at < now(6) - interval 30 day"
    );
    timed(server, server.address(), &update).await
}

async fn timed(server: &Server, at: SocketAddr, statement: &str) -> f64 {
    let mut conn = server.connect_at(at).await;
    let started = Instant::now();
    conn.query_drop(statement).await.unwrap();
    let seconds = started.elapsed().as_secs_f64();
    drop(conn.disconnect().await);
    seconds
}
