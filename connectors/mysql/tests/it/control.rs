//! Control tables: installation, privileges, memory against restores, sessions of holders that are frozen.

use forgetd_connector::{
    Acquired, Append, Cause, Commit, Connector, ControlState, Cursor, Endless, FaultClass, FenceRaise, Head, HeadPlace,
    Installed, LeafRow, LeaseClaim, Published, Receipt, RequestState, RulebookRow, RunRow, SealEnd, Settled,
    StandingRow,
};
use forgetd_testkit::{RULE, TestDatabase as _};
use mysql_async::prelude::Queryable as _;

use crate::fixture::{Database, arena};
use crate::server::Product;

#[tokio::test]
async fn installing_twice_changes_nothing() {
    for product in Product::each() {
        let database = Database::new(product).await;
        let connector = database.connect("one").await;
        let control = connector.control();
        let name = database.control();
        assert_eq!(control.inspect().await.unwrap(), ControlState::Missing(vec![name.clone()]));
        let Installed::Created(generation) = control.install().await.unwrap() else { panic!("created") };
        assert_eq!(control.install().await.unwrap(), Installed::Unchanged(generation.clone()));
        assert_eq!(control.inspect().await.unwrap(), ControlState::Ready(generation.clone()));
        // A DBA may run the printed text as well, again and again.
        database.sql(&control.ddl()).await;
        assert_eq!(control.inspect().await.unwrap(), ControlState::Ready(generation.clone()));
        let next = control.new_generation().await.unwrap();
        assert_ne!(next, generation);
        assert_eq!(control.inspect().await.unwrap(), ControlState::Ready(next.clone()));
        // Tables by which no receipt is known may be younger than the others.
        database.sql(&format!("drop table {name}.standing, {name}.request")).await;
        assert_eq!(control.inspect().await.unwrap(), ControlState::Missing(vec!["standing".into(), "request".into()]));
        assert_eq!(control.install().await.unwrap(), Installed::Created(next.clone()));
        assert_eq!(control.inspect().await.unwrap(), ControlState::Ready(next));
        database.sql(&format!("update {name}.control set version = 2")).await;
        assert_eq!(control.inspect().await.unwrap(), ControlState::OtherVersion(2));
        assert_eq!(control.install().await.unwrap_err().class, FaultClass::Blocked(Cause::ControlTables));
        database.sql(&format!("delete from {name}.control")).await;
        assert_eq!(control.inspect().await.unwrap(), ControlState::Missing(vec!["control".into()]));
        assert!(matches!(control.install().await.unwrap(), Installed::Created(_)));
    }
}

/// Each statement of it is committed by itself: a crash leaves the first ones done.
#[tokio::test]
async fn an_install_that_was_cut_short_is_completed() {
    for product in Product::each() {
        let database = Database::new(product).await;
        let connector = database.connect("one").await;
        let control = connector.control();
        let ddl = control.ddl();
        let statements: Vec<&str> = ddl.split(";\n").filter(|text| !text.is_empty()).collect();
        for done in 0..statements.len() {
            database.sql(&format!("drop database if exists {}", database.control())).await;
            database.sql(&format!("do 0; {}", statements[..done].join(";"))).await;
            assert!(matches!(control.inspect().await.unwrap(), ControlState::Missing(_)), "{done}");
            let Installed::Created(generation) = control.install().await.unwrap() else { panic!("after {done}") };
            assert_eq!(control.inspect().await.unwrap(), ControlState::Ready(generation));
        }
    }
}

#[tokio::test]
async fn two_installs_at_once_make_one_generation() {
    for product in Product::each() {
        let database = Database::new(product).await;
        let (one, two) = (database.connect("a").await, database.connect("b").await);
        let (one, two) = tokio::join!(one.control().install(), two.control().install());
        let generation = |installed| match installed {
            Ok(Installed::Created(generation) | Installed::Unchanged(generation)) => generation,
            Err(fault) => panic!("{fault}"),
        };
        assert_eq!(generation(one), generation(two));
    }
}

#[tokio::test]
async fn dropped_control_tables_block() {
    for product in Product::each() {
        let (arena, database) = arena(product, "").await;
        for dropped in [format!("table {}.fence", database.control()), format!("database {}", database.control())] {
            database.sql(&format!("drop {dropped}")).await;
            let Commit::RolledBack(fault) = arena.connector.control().append(&arena.receipt("-", 1, None)).await else {
                panic!("nothing to write into")
            };
            assert_eq!(fault.class, FaultClass::Blocked(Cause::ControlTables));
        }
    }
}

/// An account that sees the test's database and may do nothing yet.
async fn account(database: &Database) -> (String, String) {
    let name = format!("r_{}", database.name.text);
    let made = format!("drop user if exists {name}; create user {name} identified by 'x'");
    database.sql(&format!("{made}; grant select on {}.* to {name}", database.name.text)).await;
    let url = database.product.server().url_as(&name, "x", &database.name.text);
    (name, url)
}

#[tokio::test]
async fn every_single_grant_is_missed() {
    for product in Product::each() {
        let (arena, database) = arena(product, "").await;
        let (account, url) = account(&database).await;
        let connector = database.connect_by(&url, "conformance").await.unwrap();
        let state = connector.control().inspect().await.unwrap();
        let ControlState::Denied(all) = state else { panic!("{state:?}") };
        let grants = arena.connector.control().grants(&account);
        database.sql(&grants).await;
        assert_eq!(connector.control().inspect().await.unwrap(), ControlState::Ready(arena.generation.clone()));
        for grant in grants.lines() {
            database.sql(&grant.replace("grant ", "revoke ").replace(" to ", " from ")).await;
            let state = connector.control().inspect().await.unwrap();
            assert!(matches!(&state, ControlState::Denied(one) if !one.is_empty()), "{grant}: {state:?}");
            database.sql(grant).await;
        }
        assert_eq!(all.len(), grants.lines().count());
        everything(&*connector, &arena.receipt("-", 1, None)).await;
        database.sql(&format!("drop user {account}")).await;
    }
}

/// Does once whatever the daemon does with control tables: nothing of it is denied.
async fn everything(connector: &dyn Connector, first: &Receipt) {
    let control = connector.control();
    let claim = LeaseClaim { holder: "granted".into(), duration_ms: 60_000 };
    let Acquired::Held { term } = control.acquire(&claim, true).await.unwrap() else { panic!("forced") };
    assert_eq!(control.raise_fence(term).await.unwrap(), FenceRaise::Raised);
    assert!(control.renew(&claim, term).await.unwrap());
    let receipt = |lane: &str, sequence| {
        let mut receipt = Receipt { term, ..first.clone() };
        receipt.key.lane = lane.into();
        receipt.key.sequence = sequence;
        receipt
    };
    assert_eq!(control.append(&receipt("-", 1)).await, Commit::Committed);
    assert_eq!(control.append_late(&receipt("-", 2)).await, Commit::Committed);
    let mut row = RunRow {
        run: "01RUN".into(),
        rule: RULE.into(),
        cutoff: "2024-12-31T23:00:00.123456Z".parse().unwrap(),
        rule_digest: "a".into(),
        catalog_digest: "b".into(),
        started_at: "2025-01-01T00:00:00Z".parse().unwrap(),
        result: None,
    };
    assert_eq!(control.open(&row, &receipt("-", 3)).await, Commit::Committed);
    let sealed = Receipt { cursor: Some(Cursor::from_text("here")).into(), ..receipt("0", 1) };
    assert_eq!(control.seal(&sealed, &[], &Endless).await, Commit::Committed);
    assert_eq!(control.adopt(term).await.unwrap().len(), 1);
    assert_eq!(control.unseal(&sealed).await, SealEnd::Done);
    assert_eq!(control.cursor(RULE, "0").await.unwrap(), Some(Cursor::from_text("here")));
    row.result = Some("{}".into());
    assert_eq!(control.close(&row, &receipt("-", 4)).await, Commit::Committed);
    let rule = RulebookRow { rule: RULE.into(), ..RulebookRow::default() };
    assert_eq!(control.keep_rule(&rule, term).await, Commit::Committed);
    let standing = StandingRow { rule: RULE.into(), body: "{}".into() };
    for _ in 0..2 {
        assert_eq!(control.keep_standing(&standing, term).await, Commit::Committed);
    }
    assert_eq!(control.standings().await.unwrap(), [standing]);
    assert_eq!(control.drop_standing(RULE, term).await, Commit::Committed);
    control.post("01ASKED", "{}").await.unwrap();
    assert_eq!(control.requests().await.unwrap().len(), 1);
    assert_eq!(control.answer("01ASKED", RequestState::Done, "{}", term).await, Commit::Committed);
    assert_eq!(control.forget_requests(0).await.unwrap(), 1);
    let head = Head { origin: "example.com/log".into(), size: 1, root: [7; 32] };
    let leaf = LeafRow { key: sealed.key.clone(), index: 0, hash: [1; 32] };
    let append = Append {
        expected: None,
        next: head.clone(),
        objects: vec![("a".into(), vec![1])],
        superseded: vec!["b".into()],
        leaves: vec![leaf],
    };
    assert_eq!(control.publish(&append, term).await, Published::Done);
    assert!(control.head(&head.origin).await.unwrap().unwrap().place == HeadPlace::Same);
    control.put_object(&head.origin, "c", b"d").await.unwrap();
    control.remember(&head).await.unwrap();
    control.acknowledge(&[(receipt("-", 1).key, 0), (receipt("-", 2).key, 1)]).await.unwrap();
    control.prune(9, 0).await.unwrap();
    assert_eq!(control.settle(&receipt("-", 9).key).await, Settled::Absent);
    control.release("granted", term).await.unwrap();
}

#[tokio::test]
async fn a_head_knows_where_it_was_written() {
    for product in Product::each() {
        let (arena, database) = arena(product, "").await;
        let control = arena.connector.control();
        let head = Head { origin: "example.com/log".into(), size: 1, root: [7; 32] };
        let append = Append { expected: None, next: head.clone(), objects: vec![], superseded: vec![], leaves: vec![] };
        assert_eq!(control.publish(&append, arena.term).await, Published::Done);
        let state = control.head(&head.origin).await.unwrap().unwrap();
        assert_eq!((state.head, state.place), (head.clone(), HeadPlace::Same));
        // What a restore looks like: the same row in a table that was made at another time, or in another server.
        let table = format!("{}.log_head", database.control());
        let place = database.texts(&format!("select place from {table}")).await.remove(0);
        let (data, made) = place.rsplit_once('/').unwrap();
        assert_eq!(data, arena.connector.facts().identity);
        for other in [format!("{data}/{made}1"), format!("other/{made}")] {
            database.sql(&format!("update {table} set place = '{other}'")).await;
            assert_eq!(control.head(&head.origin).await.unwrap().unwrap().place, HeadPlace::Other, "{other}");
        }
    }
}

/// The engine ends no transaction of a process that is frozen: whoever takes over does.
#[tokio::test]
async fn a_frozen_holder_loses_its_session_to_the_next() {
    for product in Product::each() {
        let (arena, database) = arena(product, "").await;
        let control = database.control();
        let (mut frozen, mut other) = (database.session().await, database.session().await);
        let server = match product {
            Product::MariaDb => "concat(@@hostname, '/', @@server_id, '/', @@datadir)",
            Product::MySql => "@@server_uuid",
        };
        let announce = format!(
            "insert into {control}.session values ('conformance', {server}, connection_id(), utc_timestamp(6))"
        );
        // Numbers begin again when the server starts: one that was announced before is somebody else's by now.
        other.query_drop(announce.replace("utc_timestamp(6)", "'2020-01-01'")).await.unwrap();
        frozen.query_drop(announce).await.unwrap();
        frozen.query_drop("begin").await.unwrap();
        frozen.query_drop(format!("select * from {control}.fence for update")).await.unwrap();
        let successor = database.connect("conformance").await;
        assert_eq!(successor.control().raise_fence(arena.term + 1).await.unwrap(), FenceRaise::Raised);
        frozen.query_drop("commit").await.expect_err("it lives");
        other.query_drop("do 0").await.expect("it was ended");
    }
}
