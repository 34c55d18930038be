//! How long a batch may take: what it has locked others wait for.

use forgetd_connector::{Commit, ConnectContext, FaultClass};
use forgetd_testkit::{Arena, TestDatabase as _};

use crate::fixture::{Database, arena, context, order, step};

/// 200 rows that are due, each of which takes 20 ms.
const SLOW: &str = "
    create table item (id bigserial primary key, at timestamptz not null);
    insert into item (at) select timestamptz '2024-01-01' + n * interval '1 hour' from generate_series(1, 200) n;
    create index on item (at);
    create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.02); return null; end $$;
    create trigger slow after delete on item for each row execute function slow()";

/// The same arena through a connector that gives up a call after so long, and whose role's statements take `role_ms` at most.
async fn patient(arena: Arena, database: &Database, call_timeout_ms: u64, role_ms: u64) -> Arena {
    let context = ConnectContext { call_timeout_ms, ..context("conformance") };
    let sign = if database.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{sign}options=-c%20statement_timeout%3D{role_ms}", database.url);
    let config = forgetd_postgres::Config { url: url.as_str().into(), password: None };
    Arena { connector: forgetd_postgres::connect(config, context).await.unwrap(), ..arena }
}

/// The server ends it while the call is still waited for, so the session is as good as before.
#[tokio::test]
async fn a_batch_that_takes_too_long_is_ended_and_fewer_rows_go() {
    let (arena, database) = arena(SLOW).await;
    let arena = patient(arena, &database, 2_000, 0).await;
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.change(&order(200)).await.expect_err("four seconds").class, FaultClass::Timeout);
    assert_eq!(arena.count("item").await, 200);
    let effect = lane.change(&order(20)).await.unwrap();
    let receipt = arena.receipt("0", 1, effect.next.cursor().cloned());
    assert_eq!((effect.changed, lane.commit(&receipt).await), (20, Commit::Committed));
    assert_eq!(arena.count("item").await, 180);
}

#[tokio::test]
async fn a_shorter_time_that_the_role_was_given_stays() {
    let (arena, database) = arena(SLOW).await;
    let arena = patient(arena, &database, 20_000, 1_500).await;
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.change(&order(200)).await.expect_err("four seconds").class, FaultClass::Timeout);
    assert_eq!(lane.change(&order(10)).await.unwrap().changed, 10);
    lane.undo().await.unwrap();
}

/// Where COMMIT waits for a standby, a limit that strikes would end the waiting and not the transaction.
#[tokio::test]
async fn the_limit_is_over_when_the_receipt_is_written() {
    let (arena, database) = arena(SLOW).await;
    database
        .sql(
            "drop trigger slow on item;
             create function limited() returns trigger language plpgsql as $$
               begin
                 if current_setting('statement_timeout') <> '0' then raise exception 'limited'; end if;
                 return new;
               end $$;
             create trigger limited before insert on forgetd.receipt for each row execute function limited()",
        )
        .await;
    let drained = arena.drain(&step(&arena, "item").await, 30).await;
    assert_eq!((drained.changed, drained.batches), (200, 7));
}
