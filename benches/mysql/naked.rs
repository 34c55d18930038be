//! forgetd's own statements without its protocol: no fence, no counters, no receipt, no count before and behind.

use std::time::Instant;

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Row};

use crate::data::Layout;
use crate::server::{Product, Server};

/// Batches as a lane has them on this layout, two turns each: begin, find the keys, delete, look ahead; commit. The seconds that
/// they took.
pub(crate) async fn batches(server: &Server, product: &Product, layout: Layout, rows: u32) -> f64 {
    let mut conn = server.connect().await;
    let cutoff: String = conn.query_first("select cast(now(6) - interval 30 day as char)").await.unwrap().unwrap();
    let started = Instant::now();
    let mut from = None;
    let mut to = asked(&mut conn, &format!("{TURN}; {}; commit", ahead(from.as_deref(), &cutoff, rows))).await;
    loop {
        let end = to.clone().unwrap_or_else(|| cutoff.clone());
        let changes = match layout {
            Layout::Clustered => range(&within(from.as_deref(), &end, &cutoff)),
            Layout::Scattered => list(&within(from.as_deref(), &end, &cutoff), &cutoff, product),
        };
        let next = asked(&mut conn, &format!("{TURN}; {changes}; {}", ahead(Some(&end), &cutoff, rows))).await;
        conn.query_drop("commit").await.unwrap();
        if to.is_none() {
            break;
        }
        (from, to) = (Some(end), next);
    }
    let seconds = started.elapsed().as_secs_f64();
    drop(conn.disconnect().await);
    seconds
}

const TURN: &str = "set transaction isolation level read committed, read write; start transaction";

/// The moment of the row behind as many as a batch has.
fn ahead(from: Option<&str>, cutoff: &str, rows: u32) -> String {
    let from = from.map_or_else(|| "true".into(), |from| format!("t.at >= '{from}'"));
    format!(
        "select t.at from (select t.at from event as t where {from} and t.at < timestamp '{cutoff}' \
         order by t.at limit 1 offset {rows}) as t"
    )
}

fn within(from: Option<&str>, to: &str, cutoff: &str) -> String {
    let from = from.map_or_else(|| "true".into(), |from| format!("t.at >= '{from}'"));
    format!("{from} and t.at < '{to}' and t.at < timestamp '{cutoff}'")
}

/// Keys that lie together: their ends are enough.
fn range(within: &str) -> String {
    format!(
        "select min(id), max(id) into @first, @last from (select t.id from event as t where {within}) as due; \
         delete t from event as t force index (primary) where t.id >= @first and t.id <= @last and {within}"
    )
}

/// Keys that do not: all of them, as one document.
fn list(within: &str, cutoff: &str, product: &Product) -> String {
    let locked = match product {
        Product::MariaDb => "for update nowait",
        Product::MySql(_) => "for update of t nowait",
    };
    let due = format!("t.at < timestamp '{cutoff}'");
    format!(
        "select json_arrayagg(due.id) into @due from (select t.id from event as t where {within}) as due; \
         delete t from (select t.id as k from json_table(@due, '$[*]' columns (k bigint path '$' error on error)) as due \
         straight_join event as t force index (primary) on t.id = due.k where {due} limit 9223372036854775807 {locked}) as free \
         straight_join event as t force index (primary) on t.id = free.k where {due}"
    )
}

/// What the last of several statements that answers with a row says.
async fn asked(conn: &mut Conn, statements: &str) -> Option<String> {
    let mut result = conn.query_iter(statements).await.unwrap();
    let mut said = None;
    while !result.is_empty() {
        let rows: Vec<Row> = result.collect().await.unwrap();
        said = rows.into_iter().next().and_then(|mut row| row.take(0)).or(said);
    }
    said
}
