//! Databases that are away, and processes that do not agree.

use super::{DUE, FRESH, LEASE, Scene, daily, until_clean};
use crate::harness::{Clock, Database as _, Policy, Program, Server, Session, Sqlite, until};
use crate::serve::rollout;
use crate::shop;

/// The home database is away: nobody acts.
pub(super) fn away(scene: &Scene<'_>) {
    let home = Sqlite::database();
    shop::create(&home, DUE, FRESH);
    let program = Program::installed(&shop::ruled_by(&home, LEASE, &shop::rule().with(&daily())));
    let watched = scene.serve(&program);
    let (here, elsewhere) = (home.path(), home.path().with_extension("away"));
    std::fs::rename(&here, &elsewhere).unwrap();
    let alerts = ["ForgetdNoHolder", "ForgetdDatabaseDown", "ForgetdPausedTooLong"];
    alerts.iter().for_each(|alert| scene.fires(alert));
    std::fs::rename(&elsewhere, &here).unwrap();
    until_clean(&Clock::Right, &program);
    scene.all_rest(&alerts);
    watched.end();
}

/// A server is down that is not the home of anything, and comes back; its standby is watched by the run behind that.
pub(super) fn down(scene: &Scene<'_>) {
    let (home, server) = (Sqlite::database(), Server::with("wal_level = replica\nmax_wal_senders = 4"));
    server.start();
    drop(shop::create_on(&server, DUE, FRESH));
    let standby = server.standby();
    standby.start();
    let policy = Policy::new(&home.url())
        .top(&format!("coordination: {{ lease: {LEASE} }}"))
        .another("crm", &server.url())
        .with("throttle: { batch_rows_max: 50, rows_per_second_max: 100 }")
        .rule(&shop::rule().with("database: crm").with(&daily()));
    let program = Program::installed(&policy);
    let watched = scene.serve(&program);
    server.stop();
    drop(program.call(&["run"]));
    scene.fires("ForgetdDatabaseDown");
    server.start();
    // A standby that lost its primary looks for it every five seconds, and the run takes three.
    let (session, follows) =
        (Session::open(&server.url()), "select count(*) from pg_stat_replication where state = 'streaming'");
    until("the standby follows", 60, || session.rows(follows)[0][0].as_deref() == Some("1"));
    until_clean(&Clock::Right, &program);
    scene.all_rest(&["ForgetdDatabaseDown"]);
    watched.end();
}

/// Two processes that were both promised to be alone. The one that came first has lost already.
pub(super) fn two_holders(scene: &Scene<'_>) {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::uncoordinated(&database));
    let first = scene.serve(&program);
    let second = scene.serve_as(1, &program, &Clock::Right);
    scene.fires("ForgetdSplitHolder");
    drop(first);
    scene.all_rest(&["ForgetdSplitHolder"]);
    second.end();
}

/// Pods of two policies, for longer than a rollout takes.
pub(super) fn rollout_stands_still(scene: &Scene<'_>) {
    let ports = scene.ports().try_into().unwrap();
    rollout::stands_still(ports, |_, _| scene.fires("ForgetdPolicySplit"));
    scene.rests("ForgetdPolicySplit");
}

/// A file that is refused.
pub(super) fn broken_file(scene: &Scene<'_>) {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let policy = shop::ruled_by(&database, LEASE, &shop::rule().with(&daily()));
    let program = Program::installed(&policy);
    let watched = scene.serve(&program);
    program.write("forgetd.yaml", "version: 1\nrules: [");
    watched.process.signal("HUP");
    scene.fires("ForgetdConfigInvalid");
    program.policy(&policy);
    watched.process.signal("HUP");
    until_clean(&Clock::Right, &program);
    scene.all_rest(&["ForgetdConfigInvalid"]);
    watched.end();
}
