//! Control tables: installation, privileges, memory against restores.

use forgetd_connector::{
    Append, Cause, Commit, ControlState, FaultClass, Head, HeadPlace, Installed, Order, Published,
};
use forgetd_testkit::TestDatabase as _;

use crate::fixture::{Database, arena, attempt, connect, order, step};
use crate::server::Server;

#[tokio::test]
async fn installing_twice_changes_nothing() {
    let database = Database::new().await;
    let connector = connect(&database.url, "one").await.unwrap();
    let control = connector.control();
    assert_eq!(control.inspect().await.unwrap(), ControlState::Missing(vec!["forgetd".into()]));
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
    database.sql("drop table forgetd.standing, forgetd.request").await;
    assert_eq!(control.inspect().await.unwrap(), ControlState::Missing(vec!["standing".into(), "request".into()]));
    assert_eq!(control.install().await.unwrap(), Installed::Created(next.clone()));
    assert_eq!(control.inspect().await.unwrap(), ControlState::Ready(next));
    database.sql("update forgetd.control set version = 2").await;
    assert_eq!(control.inspect().await.unwrap(), ControlState::OtherVersion(2));
    assert_eq!(control.install().await.unwrap_err().class, FaultClass::Blocked(Cause::ControlTables));
    database.sql("delete from forgetd.control").await;
    assert_eq!(control.inspect().await.unwrap(), ControlState::Missing(vec!["control".into()]));
    database.sql("drop table forgetd.fence, forgetd.receipt").await;
    assert_eq!(control.inspect().await.unwrap(), ControlState::Missing(vec!["fence".into(), "receipt".into()]));
    assert!(matches!(control.install().await.unwrap(), Installed::Created(_)));
}

#[tokio::test]
async fn two_installs_at_once_make_one_generation() {
    let database = Database::new().await;
    let (one, two) = (connect(&database.url, "a").await.unwrap(), connect(&database.url, "b").await.unwrap());
    let (one, two) = tokio::join!(one.control().install(), two.control().install());
    let generation = |installed| match installed {
        Ok(Installed::Created(generation) | Installed::Unchanged(generation)) => generation,
        Err(fault) => panic!("{fault}"),
    };
    assert_eq!(generation(one), generation(two));
}

#[tokio::test]
async fn dropped_control_tables_block() {
    let (arena, database) =
        arena("create table item (id int primary key, at date); insert into item values (1, '2024-01-01')").await;
    let step = step(&arena, "item").await;
    database.sql("drop table forgetd.fence").await;
    assert_eq!(attempt(&arena, &step, &order(1)).await.unwrap_err().class, FaultClass::Blocked(Cause::ControlTables));
    database.sql("drop schema forgetd cascade").await;
    assert_eq!(attempt(&arena, &step, &order(1)).await.unwrap_err().class, FaultClass::Blocked(Cause::ControlTables));
    let Commit::RolledBack(fault) = arena.connector.control().append(&arena.receipt("-", 1, None)).await else {
        panic!("nothing to write into")
    };
    assert_eq!(fault.class, FaultClass::Blocked(Cause::ControlTables));
    assert_eq!(arena.count("item").await, 1);
}

#[tokio::test]
async fn every_single_grant_is_missed() {
    let (arena, database) = arena("").await;
    let name = database.url.rsplit('/').next().unwrap();
    let role = format!("r{name}");
    database.sql(&format!("create role {role} login")).await;
    let connector = connect(&Server::get().url_as(&role, name), "conformance").await.unwrap();
    let state = connector.control().inspect().await.unwrap();
    let ControlState::Denied(all) = state else { panic!("{state:?}") };
    assert!(all.contains(&"forgetd: usage".to_owned()), "{all:?}");
    let grants = arena.connector.control().grants(&role);
    database.sql(&grants).await;
    assert_eq!(connector.control().inspect().await.unwrap(), ControlState::Ready(arena.generation.clone()));
    for grant in grants.lines() {
        database.sql(&grant.replace("grant ", "revoke ").replace(" to ", " from ")).await;
        let state = connector.control().inspect().await.unwrap();
        assert!(matches!(&state, ControlState::Denied(one) if one.len() == 1), "{grant}: {state:?}");
        database.sql(grant).await;
    }
    assert_eq!(all.len(), grants.lines().count());
}

#[tokio::test]
async fn a_head_knows_where_it_was_written() {
    let (arena, database) = arena("").await;
    let control = arena.connector.control();
    let head = Head { origin: "example.com/log".into(), size: 1, root: [7; 32] };
    let append = Append { expected: None, next: head.clone(), objects: vec![], superseded: vec![], leaves: vec![] };
    assert_eq!(control.publish(&append, arena.term).await, Published::Done);
    let place = async || control.head(&head.origin).await.unwrap().unwrap().place;
    let state = control.head(&head.origin).await.unwrap().unwrap();
    assert_eq!((state.head, state.place), (head.clone(), HeadPlace::Same));
    // What a restore of the table looks like: the same rows in another table.
    database
        .sql(
            "create table forgetd.copy (like forgetd.log_head including all);
             insert into forgetd.copy select * from forgetd.log_head;
             drop table forgetd.log_head; alter table forgetd.copy rename to log_head",
        )
        .await;
    assert_eq!(place().await, HeadPlace::Other);
    // A standby that is promoted begins a timeline behind the one before.
    for (change, seen) in [
        ("system_identifier = 'other'", HeadPlace::Other),
        ("system_identifier = 'other', timeline = '00000000'", HeadPlace::Other),
        ("timeline = '00000000'", HeadPlace::LaterTimeline),
        ("timeline = 'FFFFFFFF'", HeadPlace::Other),
    ] {
        database.sql("update forgetd.log_head set table_oid = 'forgetd.log_head'::regclass::oid::int8").await;
        assert_eq!(place().await, HeadPlace::Same);
        database.sql(&format!("update forgetd.log_head set {change}")).await;
        assert_eq!(place().await, seen, "{change}");
        let next = Head { size: 2, ..head.clone() };
        let repair = Append { expected: Some(head.clone()), next, ..append.clone() };
        assert_eq!(
            control.publish(&repair, arena.term).await,
            Published::Done,
            "an approved step states its place anew"
        );
        database.sql("update forgetd.log_head set size = 1").await;
    }
}

#[tokio::test]
async fn a_lost_lease_row_does_not_bring_old_terms_back() {
    let (arena, database) = arena("").await;
    let control = arena.connector.control();
    control.raise_fence(41).await.unwrap();
    database.sql("delete from forgetd.lease").await;
    let claim = forgetd_connector::LeaseClaim { holder: "h".into(), duration_ms: 1000 };
    assert_eq!(control.acquire(&claim, false).await.unwrap(), forgetd_connector::Acquired::Held { term: 42 });
}

#[tokio::test]
async fn a_fence_waits_for_a_batch_in_the_way() {
    let (arena, database) =
        arena("create table item (id int primary key, at date); insert into item values (1, '2024-01-01')").await;
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    lane.change(&order(1)).await.unwrap();
    let successor = connect(&database.url, "conformance").await.unwrap();
    let raising = async { successor.control().raise_fence(arena.term + 1).await };
    let committing = async {
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        lane.commit(&arena.receipt("0", 1, None)).await
    };
    let (raised, committed) = tokio::join!(raising, committing);
    assert_eq!(committed, Commit::Committed);
    assert_eq!(raised.unwrap(), forgetd_connector::FenceRaise::Raised);
    let fault = lane.change(&order(1)).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::Fenced));
}

/// A position is a key: the one before goes with the batch behind it, and the last one with the lane's end.
#[tokio::test]
async fn a_lane_has_one_cursor_until_its_end() {
    let (arena, database) = arena(
        "create table item (id int primary key, at date);
         insert into item select n, date '2024-01-01' + n from generate_series(1, 9) n",
    )
    .await;
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    let mut from = None;
    for (sequence, cursors) in [(1, 1), (2, 1), (3, 0)] {
        let effect = lane.change(&Order { from: from.clone(), ..order(3) }).await.unwrap();
        from = effect.next.cursor().filter(|_| cursors > 0).cloned();
        assert_eq!(lane.commit(&arena.receipt("0", sequence, from.clone())).await, Commit::Committed);
        assert_eq!(database.number("select count(*) from forgetd.cursor").await, cursors, "after batch {sequence}");
    }
}
