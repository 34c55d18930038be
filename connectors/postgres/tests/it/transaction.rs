//! Transactions and sessions: turns, poolers, abandoned lanes.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use forgetd_connector::{
    Append, Commit, Compare, FaultClass, FenceRaise, Head, Lane, LaneClaim, LockWait, Next, Order, Settled, Untouched,
};
use forgetd_testkit::proxy::{Link, Proxy};
use forgetd_testkit::{Arena, TestDatabase as _};

use crate::fixture::{Database, arena, connect, installed, order, step};
use crate::server::{Server, free_port, session};

const ITEM: &str = "create table item (id bigserial primary key, at timestamptz not null);
  insert into item (at) select timestamptz '2024-01-01' + n * interval '1 minute' from generate_series(1, 30000) n;
  create index on item (at); analyze item";

/// Purges `item` in batches of 1,000 and returns how many there were.
async fn purge(arena: &Arena) -> u64 {
    let step = step(arena, "item").await;
    let mut lane = arena.lane(&step).await;
    let mut from = None;
    let mut sequence = 0;
    loop {
        let order =
            Order { from, rows_max: 1000, locks: LockWait::Wait, compare: Compare::Announced, want_keys: false };
        let effect = lane.change(&order).await.unwrap();
        if effect.changed == 0 {
            lane.undo().await.unwrap();
        } else {
            sequence += 1;
            let receipt = arena.receipt("0", sequence, effect.next.cursor().cloned());
            assert_eq!(lane.commit(&receipt).await, Commit::Committed);
        }
        match effect.next {
            Next::At(cursor) => from = Some(cursor),
            Next::End => return sequence,
        }
    }
}

/// The same database through a proxy that counts turns.
pub(crate) async fn counted(arena: Arena, database: &Database) -> (Arena, Proxy) {
    let proxy = Proxy::start(Server::get().address()).await.unwrap();
    let url: tokio_postgres::Config = database.url.parse().unwrap();
    let through = format!(
        "host=127.0.0.1 port={} user={} dbname={} sslmode=disable {}",
        proxy.address().port(),
        url.get_user().unwrap(),
        url.get_dbname().unwrap(),
        url.get_password().map(|p| format!("password='{}'", String::from_utf8_lossy(p))).unwrap_or_default(),
    );
    (Arena { connector: connect(&through, "conformance").await.unwrap(), ..arena }, proxy)
}

#[tokio::test]
async fn a_batch_takes_two_turns() {
    let (arena, database) = arena(ITEM).await;
    let (arena, proxy) = counted(arena, &database).await;
    let before = proxy.turns();
    let batches = purge(&arena).await;
    let turns = proxy.turns() - before;
    assert_eq!(batches, 30);
    assert!(proxy.connections() <= 2, "{} connections", proxy.connections());
    // Describing, surveying and the first lookup come on top, once.
    assert!(turns <= batches * 2 + 6, "{turns} turns for {batches} batches");
    assert_eq!(arena.count("item").await, 0);
}

#[tokio::test]
async fn a_batch_that_is_begun_ahead_takes_one() {
    let (arena, database) = arena(ITEM).await;
    let (arena, proxy) = counted(arena, &database).await;
    let step = step(&arena, "item").await;
    let before = proxy.busiest();
    let done = arena.drain(&step, 1_000).await;
    let turns = proxy.busiest() - before;
    assert_eq!((done.changed, done.batches), (30_000, 30));
    assert!(turns <= done.batches + 6, "{turns} turns for {} batches", done.batches);
}

/// Its transaction is one of its own: it goes with the commit that it was sent behind, or with the lane.
#[tokio::test]
async fn what_is_begun_ahead_outlasts_neither_a_refused_receipt_nor_its_lane() {
    let (arena, database) = arena(ITEM).await;
    let step = step(&arena, "item").await;
    let all_can_go = "begin; set local lock_timeout = '5s'; delete from item; rollback";
    let mut lane = arena.lane(&step).await;
    let mut next = order(100);
    for (sequence, expected) in [(1, Commit::Committed), (1, Commit::Fenced), (2, Commit::Committed)] {
        let effect = lane.change(&next).await.unwrap();
        next = Order { from: effect.next.cursor().cloned(), ..next };
        let receipt = arena.receipt("0", sequence, next.from.clone());
        assert_eq!(lane.commit_then(&receipt, &next).await, expected);
        if expected == Commit::Fenced {
            database.sql(all_can_go).await;
        }
    }
    assert_eq!(arena.count("item").await, 29_800);
    let begun =
        "select count(*) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'";
    assert_eq!(database.number(begun).await, 1, "the third batch was begun");
    drop(lane);
    database.sql(all_can_go).await;
    assert_eq!((arena.count("item").await, arena.connector.control().pending_count().await.unwrap()), (29_800, 2));
}

/// A pgbouncer in transaction mode; it ends when this is dropped.
struct Bouncer(#[allow(dead_code)] std::process::Child, u16);

fn bouncer() -> Bouncer {
    let port = free_port();
    let server = Server::get().address();
    let script = include_str!("pgbouncer.sh");
    let mut child = Command::new("bash")
        .args(["-c", script, "keeper", &port.to_string(), &server.port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert!(lines.any(|line| line.unwrap() == "ready"), "pgbouncer did not start");
    Bouncer(child, port)
}

#[tokio::test]
async fn everything_works_through_a_transaction_pooler_and_leaves_it_clean() {
    let database = Database::new().await;
    database.sql(ITEM).await;
    let bouncer = bouncer();
    let name = database.url.rsplit('/').next().unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}", bouncer.1);
    let arena = installed(&database, &url).await;
    assert!(arena.connector.facts().pooler.is_some(), "the pooler is recognised");
    assert_eq!(
        arena.connector.control().inspect().await.unwrap(),
        forgetd_connector::ControlState::Ready(arena.generation.clone())
    );
    assert!(
        arena
            .connector
            .preflight(&step(&arena, "item").await)
            .await
            .unwrap()
            .iter()
            .all(|f| f.blocking_cause().is_none())
    );
    assert_eq!(purge(&arena).await, 30);
    assert_eq!(arena.connector.control().pending(100).await.unwrap().len(), 30);
    // The application's sessions have their own settings.
    let settings = "select string_agg(name || '=' || setting, ',' order by name) from pg_settings \
                    where name in ('lock_timeout', 'row_security', 'synchronous_commit', 'search_path', 'TimeZone', \
                      'DateStyle', 'idle_in_transaction_session_timeout', 'extra_float_digits')";
    let direct = session(&database.url).await.query_one(settings, &[]).await.unwrap().get::<_, String>(0);
    for _ in 0..4 {
        let pooled = session(&url).await;
        let messages = pooled.simple_query(settings).await.unwrap();
        let row = messages.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        assert_eq!(row.as_deref(), Some(direct.as_str()));
    }
}

#[tokio::test]
async fn an_abandoned_lane_holds_nothing() {
    let (arena, database) = arena(ITEM).await;
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    lane.change(&order(100)).await.unwrap();
    drop(lane);
    // A future that is dropped in the middle, too.
    let held = database.hold("item", "id < 50").await;
    let mut lane = arena.lane(&step).await;
    drop(tokio::time::timeout(Duration::from_millis(30), lane.change(&order(100))).await);
    held.release().await;
    let effect = lane.change(&order(100)).await.unwrap();
    assert_eq!(effect.changed, 100);
    lane.undo().await.unwrap();
    database.sql("set lock_timeout = '5s'; delete from item where id < 200").await;
}

#[tokio::test]
async fn an_idle_transaction_is_ended_by_the_server() {
    let (arena, database) = arena(ITEM).await;
    let step = step(&arena, "item").await;
    let claim = LaneClaim { idle_ms_max: 200, ..arena.claim() };
    let Lane::Atomic(mut lane) = arena.connector.lane(&step, &claim, Arc::new(Untouched)).await.unwrap() else {
        panic!("atomic")
    };
    lane.change(&order(100)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    database.sql("set lock_timeout = '100ms'; delete from item where id < 50").await;
    let receipt = arena.receipt("0", 1, None);
    let Commit::Unknown(fault) = lane.commit(&receipt).await else { panic!("it was ended") };
    assert_eq!(fault.class, FaultClass::Disconnected, "{fault}");
    assert_eq!(arena.connector.control().settle(&receipt.key).await, Settled::Absent);
    assert_eq!(lane.change(&order(100)).await.unwrap().changed, 100, "the lane goes on");
}

/// A way to the server that can be cut without either end noticing.
async fn cuttable(cut: &'static std::sync::atomic::AtomicBool) -> u16 {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = tokio::net::TcpStream::connect(Server::get().address()).await.unwrap();
            let before = !cut.load(std::sync::atomic::Ordering::Relaxed);
            tokio::spawn(async move {
                // Connections that were there before the cut are frozen by it; the server's end stays open.
                let frozen = async {
                    while !(before && cut.load(std::sync::atomic::Ordering::Relaxed)) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
                    () = frozen => {}
                }
                tokio::time::sleep(Duration::from_secs(60)).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn a_lost_transaction_that_still_lives_is_ended_by_settling() {
    static CUT: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let (arena, database) = arena(ITEM).await;
    let port = cuttable(&CUT).await;
    let config: tokio_postgres::Config = database.url.parse().unwrap();
    let url = format!(
        "host=127.0.0.1 port={port} user={} dbname={} sslmode=disable {}",
        config.get_user().unwrap(),
        config.get_dbname().unwrap(),
        config.get_password().map(|p| format!("password='{}'", String::from_utf8_lossy(p))).unwrap_or_default(),
    );
    let context =
        forgetd_connector::ConnectContext { call_timeout_ms: 1_500, ..crate::fixture::context("conformance") };
    let config = forgetd_postgres::Config { url: url.as_str().into(), password: None };
    let arena = Arena { connector: forgetd_postgres::connect(config, context).await.unwrap(), ..arena };
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    lane.change(&order(100)).await.unwrap();
    CUT.store(true, std::sync::atomic::Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let receipt = arena.receipt("0", 1, None);
    let Commit::Unknown(fault) = lane.commit(&receipt).await else { panic!("it was cut") };
    assert_eq!(fault.class, FaultClass::Disconnected, "{fault}");
    let open = "select count(*) from pg_stat_activity where datname = current_database() and backend_xid is not null";
    assert_eq!(database.number(open).await, 1, "the server knows nothing of it");
    let began = std::time::Instant::now();
    assert_eq!(arena.connector.control().settle(&receipt.key).await, Settled::Absent);
    assert!(began.elapsed() >= Duration::from_secs(4), "it had its time: {:?}", began.elapsed());
    assert_eq!(database.number(open).await, 0);
    assert_eq!(arena.count("item").await, 30_000);
}

#[tokio::test]
async fn a_killed_session_is_replaced() {
    let (arena, database) = arena(ITEM).await;
    let step = step(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    lane.change(&order(100)).await.unwrap();
    lane.undo().await.unwrap();
    database.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'forgetd test' and datname = current_database()").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(lane.change(&order(100)).await.unwrap().changed, 100);
    lane.undo().await.unwrap();
    arena.connector.now().await.unwrap();
    arena.connector.close().await;
    assert!(arena.connector.now().await.is_err());
}

/// A step of the log takes two turns. A holder that is frozen between them keeps nobody from the fence for long.
#[tokio::test]
async fn a_holder_that_is_frozen_while_it_publishes_is_passed() {
    let (arena, database) = arena("").await;
    let (arena, proxy) = counted(arena, &database).await;
    let next = Head { origin: "example.org/frozen".into(), size: 1, root: [1; 32] };
    let append = Append { expected: None, next, objects: vec![], superseded: vec![], leaves: vec![] };
    let control = arena.connector.control();
    control.lease().await.unwrap();
    proxy.set(Link::AnswersHeld);
    let mut publish = std::pin::pin!(control.publish(&append, arena.term));
    let open = "select count(*) from pg_stat_activity \
                where datname = current_database() and state = 'idle in transaction'";
    let mut frozen = false;
    for _ in 0..1_000 {
        frozen = tokio::select! {
            published = &mut publish => panic!("{published:?}"),
            open = database.number(open) => open == 1,
        };
        if frozen {
            break;
        }
    }
    assert!(frozen, "it was sent");
    // From here on nobody looks after it, its timeouts included.
    let successor = connect(&database.url, "conformance").await.unwrap();
    let raised = successor.control().raise_fence(arena.term + 1).await;
    assert_eq!(raised.unwrap(), FenceRaise::Raised);
    assert_eq!(database.number(open).await, 0);
    assert_eq!(successor.control().head(&append.next.origin).await.unwrap(), None);
}
