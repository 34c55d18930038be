//! Nothing is said to be clean that could not be seen or done.

use std::sync::Arc;

use forgetd_connector::{Cause, Connector, Count, Fault, FaultClass, Finding, LaneClaim, RowCap, Step, Untouched};
use forgetd_testkit::{Arena, TestDatabase as _};

use crate::fixture::{Database, arena, attempt, connect, order, step};
use crate::server::Server;

const ITEM: &str = "create table item (id int primary key, at date not null);
  insert into item select n, '2024-01-01' from generate_series(1, 20) n;";

/// A role of the test's own, and a connector that logs in as it.
pub(crate) async fn as_role(arena: Arena, database: &Database, grants: &str) -> (Arena, String) {
    let role = format!("r{}", database.url.rsplit('/').next().unwrap());
    database.sql(&format!("create role {role} login; {}", grants.replace("ROLE", &role))).await;
    database.sql(&arena.connector.control().grants(&role)).await;
    let url = Server::get().url_as(&role, database.url.rsplit('/').next().unwrap());
    let connector = connect(&url, "conformance").await.unwrap();
    (Arena { connector, ..arena }, role)
}

pub(crate) async fn blocking(connector: &dyn Connector, step: &Step) -> Vec<Cause> {
    let findings = connector.preflight(step).await.unwrap();
    findings.iter().filter_map(Finding::blocking_cause).collect()
}

async fn refused(arena: &Arena, step: &Step) -> Fault {
    let claim = LaneClaim { ..arena.claim() };
    let fault = match arena.connector.lane(step, &claim, Arc::new(Untouched)).await {
        Err(fault) => fault,
        Ok(_) => attempt(arena, step, &order(10)).await.unwrap_err(),
    };
    assert_eq!(arena.count("item").await, 20);
    fault
}

#[tokio::test]
async fn row_security_is_blind() {
    let (arena, database) =
        arena(&format!("{ITEM} alter table item enable row level security; create policy p on item using (id > 10)"))
            .await;
    let step = step(&arena, "item").await;
    let (arena, _) = as_role(arena, &database, "grant select, delete, update (id) on item to ROLE").await;
    assert_eq!(blocking(&*arena.connector, &step).await, [Cause::RowSecurity]);
    let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
    assert_eq!(measure.due, Count::Blind(Cause::RowSecurity));
    assert_eq!(refused(&arena, &step).await.class, FaultClass::Blind(Cause::RowSecurity));
}

#[tokio::test]
async fn the_owner_under_forced_row_security_is_blind() {
    let (arena, database) = arena(&format!("{ITEM} alter table item enable row level security")).await;
    let step = step(&arena, "item").await;
    let (arena, role) = as_role(arena, &database, "alter table item owner to ROLE").await;
    assert_eq!(blocking(&*arena.connector, &step).await, []);
    assert_eq!(attempt(&arena, &step, &order(10)).await.unwrap().changed, 10, "owners see their rows");
    database.sql("alter table item force row level security").await;
    assert_eq!(blocking(&*arena.connector, &step).await, [Cause::RowSecurity]);
    assert_eq!(refused(&arena, &step).await.class, FaultClass::Blind(Cause::RowSecurity));
    drop(role);
}

#[tokio::test]
async fn exactly_the_printed_grants_suffice() {
    let (arena, database) = arena(&format!("create schema shop; {ITEM} alter table item set schema shop")).await;
    database.sql("set search_path = shop; create view public.item as select * from shop.item").await;
    let step = step(&arena, "shop.item").await;
    let grants = arena.connector.step_grants(&step, "ROLE").replace("\"ROLE\"", "ROLE");
    let (arena, role) = as_role(arena, &database, &grants).await;
    assert_eq!(blocking(&*arena.connector, &step).await, []);
    for revoke in ["select on shop.item", "delete on shop.item", "update (id) on shop.item", "usage on schema shop"] {
        database.sql(&format!("revoke {revoke} from {role}")).await;
        assert_eq!(blocking(&*arena.connector, &step).await, [Cause::Privilege], "{revoke}");
        if !revoke.starts_with("update") {
            let fault = refused(&arena, &step).await;
            assert_eq!(fault.class, FaultClass::Blocked(Cause::Privilege), "{revoke}: {fault}");
        }
        database.sql(&format!("grant {revoke} to {role}")).await;
    }
    assert_eq!(arena.drain(&step, 7).await.changed, 20);
    assert!(arena.connector.describe(std::slice::from_ref(&step.table.name)).await.unwrap().tables.len() == 1);
}

#[tokio::test]
async fn rules_publications_and_odd_objects_are_named() {
    let (arena, database) = arena(&format!(
        "{ITEM} create table gone (id int primary key, at date not null);
         create rule nothing as on delete to gone do instead nothing;
         create table loud (id int, at date not null); insert into loud values (1, '2024-01-01');
         create publication p for table loud;
         create table child (item int references item on delete cascade); create publication q for table child;
         create view seen as select * from item;
         create table parts (id int, at date not null) partition by range (at);
         create table part partition of parts for values from ('2024-01-01') to ('2025-01-01')"
    ))
    .await;
    let gone = step(&arena, "gone").await;
    assert_eq!(blocking(&*arena.connector, &gone).await, [Cause::DeleteRule]);
    let loud = step(&arena, "loud").await;
    assert_eq!(blocking(&*arena.connector, &loud).await, [Cause::ReplicaIdentity]);
    let fault = attempt(&arena, &loud, &order(10)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::ReplicaIdentity), "{fault}");
    let mut parent = step(&arena, "item").await;
    parent.may_cascade = parent.table.cascades_to();
    assert_eq!(blocking(&*arena.connector, &parent).await, [Cause::ReplicaIdentity]);
    database.sql("insert into child values (1)").await;
    let fault = attempt(&arena, &parent, &order(100)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::ReplicaIdentity), "{fault}");
    let seen = step(&arena, "seen").await;
    assert_eq!(seen.table.kind, forgetd_connector::TableKind::View);
    assert_eq!(blocking(&*arena.connector, &seen).await, [Cause::TableKind]);
    assert_eq!(step(&arena, "parts").await.table.kind, forgetd_connector::TableKind::Partitioned);
    let part = step(&arena, "part").await;
    assert_eq!(part.table.kind, forgetd_connector::TableKind::Plain);
    assert_eq!(blocking(&*arena.connector, &part).await, []);
    database.sql("alter table loud replica identity full").await;
    assert_eq!(blocking(&*arena.connector, &loud).await, []);
}

#[tokio::test]
async fn settings_of_the_role_and_the_server_are_named() {
    for (setting, cause) in [
        ("default_transaction_read_only = on", FaultClass::Blocked(Cause::ReadOnly)),
        ("track_counts = off", FaultClass::Blocked(Cause::TrackCounts)),
        ("statement_timeout = 60", FaultClass::Timeout),
    ] {
        let (arena, database) = arena(&format!(
            "{ITEM} create function slow() returns trigger language plpgsql as
             $$ begin perform pg_sleep(0.02); return old; end $$;
             create trigger slow after delete on item for each row execute function slow()"
        ))
        .await;
        let step = step(&arena, "item").await;
        database
            .sql(&format!("do $$ begin execute format('alter database %I set {setting}', current_database()); end $$"))
            .await;
        let connector = connect(&database.url, "conformance").await.unwrap();
        let arena = Arena { connector, ..arena };
        let found = blocking(&*arena.connector, &step).await;
        if let FaultClass::Blocked(cause) = cause {
            assert_eq!(found, [cause], "{setting}");
        }
        assert_eq!(refused(&arena, &step).await.class, cause, "{setting}");
    }
}

#[tokio::test]
async fn nothing_of_a_row_is_in_a_fault() {
    let (arena, _) = arena(
        "create table item (id text primary key, at date not null);
         create table child (marker_owner text references item);
         insert into item values ('marker of a row', '2024-01-01'); insert into child values ('marker of a row')",
    )
    .await;
    let fault = attempt(&arena, &step(&arena, "item").await, &order(10)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Row(Cause::ForeignKey));
    assert!(!format!("{fault} {fault:?}").contains("marker of"), "{fault:?}");
}
