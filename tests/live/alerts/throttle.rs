//! What makes batches wait.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Seen, served, until_seen};
use crate::harness::{Clock, Policy, Program, Server, Session, free_port, until};
use crate::shop;

/// Every signal, one after another, on one server with a standby that hangs.
pub(super) fn all(seen: &Seen) {
    let primary = Server::with("wal_level = replica\nmax_wal_senders = 4");
    primary.start();
    let session = Session::open(&primary.url());
    session.exec("create table web_session (id bigint primary key, last_seen_at timestamp not null)");
    session
        .exec("insert into web_session select n, now() - interval '1 day' * (n % 80) from generate_series(1, 500) n");
    session.exec("create index on web_session (last_seen_at)");
    session.exec("select pg_create_physical_replication_slot('forgotten', true)");
    session.exec("create table filler as select n from generate_series(1, 1000000) n");
    session.exec("select pg_switch_wal()");
    let away = format!("postgres://postgres@127.0.0.1:{}/postgres", free_port());
    scene(seen, &primary, "a slot that nobody reads", "log_kept", "throttle: { log_kept_mib_max: 16 }");
    session.exec("select pg_drop_replication_slot('forgotten')");
    scene(seen, &primary, "a veto", "veto", "throttle: { veto: { sql: \"select true\" } }");
    scene(seen, &primary, "a veto that says nothing", "signal_unread", "throttle: { veto: { sql: \"select null\" } }");
    scene(
        seen,
        &primary,
        "a server named as its own replica",
        "not_my_replica",
        &format!("replicas: [\"{}\"]", primary.url()),
    );
    scene(seen, &primary, "a replica that is away", "replica_unreachable", &format!("replicas: [\"{away}\"]"));
    let busy = [Session::open(&primary.url()), Session::open(&primary.url())];
    std::thread::scope(|scope| {
        let sleeping: Vec<_> = busy.iter().map(|busy| scope.spawn(|| busy.rows("select pg_sleep(60)"))).collect();
        scene(seen, &primary, "two sessions at work", "load", "throttle: { active_sessions_max: 1 }");
        session.exec("select pg_cancel_backend(pid) from pg_stat_activity where query = 'select pg_sleep(60)'");
        // Each was cancelled.
        assert!(sleeping.into_iter().all(|sleeping| sleeping.join().is_err()));
    });
    awaited(seen, &primary, &session);
    let standby = primary.standby();
    standby.start();
    let follows = "select count(*) from pg_stat_replication where state = 'streaming'";
    until("the standby follows", 60, || session.rows(follows)[0][0].as_deref() == Some("1"));
    Session::open(&standby.url()).exec("select pg_wal_replay_pause()");
    scene(
        seen,
        &primary,
        "a standby that hangs",
        "replica_lag",
        "throttle: { replica_lag_secs_max: 1, rows_per_second_max: 50 }",
    );
}

/// An application that waits for rows of every batch.
fn awaited(seen: &Seen, primary: &Server, session: &Session) {
    session.exec(
        "create function slow() returns trigger language plpgsql \
         as $$ begin perform pg_sleep(0.02); return old; end $$",
    );
    session.exec("create trigger slow before delete on web_session for each row execute function slow()");
    let (over, application) = (AtomicBool::new(false), Session::open(&primary.url()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                application.exec(
                    "update web_session set last_seen_at = last_seen_at \
                     where id = (select id from web_session order by last_seen_at limit 1)",
                );
            }
        });
        let _ends = Ends(&over);
        scene(seen, primary, "an application that waits", "lock_waits", "throttle: { batch_rows_max: 20 }");
    });
    session.exec("drop trigger slow on web_session");
    session.exec("truncate web_session");
    session
        .exec("insert into web_session select n, now() - interval '1 day' * (n % 80) from generate_series(1, 500) n");
}

/// Ends the application, also behind a test that fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A run that waits.
fn scene(seen: &Seen, server: &Server, by: &str, reason: &str, setting: &str) {
    let policy = Policy::new(&server.url())
        .with(setting)
        .top("coordination: { lease: 3s }")
        .rule(&shop::rule().with("schedule: \"@daily\""));
    let program = Program::new(&policy);
    program.call(&["install"]).expect(0);
    let watched = served(&program, &Clock::Right);
    let asked = program.start(&["run"]);
    until_seen(seen, by, &format!("paused {reason}"), &watched);
    drop(asked);
    watched.end();
    Session::open(&server.url()).exec("drop schema forgetd cascade");
}
