//! An evidence log that is not written, and one that is not what it was.

use super::{DUE, FRESH, LEASE, Scene, call_at, daily, until_clean};
use crate::harness::{Clock, Database as _, Program, Sqlite, tell};
use crate::shop;

/// A log that has taken no entry for four days: receipts wait until no batch starts any more.
pub(super) fn takes_nothing(scene: &Scene<'_>) {
    let database = Sqlite::database();
    // One batch, so that the first run is clean.
    shop::create(&database, 90, FRESH);
    let rule = shop::rule().with(&daily());
    let program = Program::installed(&shop::ruled_by(&database, LEASE, &rule).evidence("receipts_pending_max: 2"));
    let time = program.path("time");
    let clock = Clock::told_by(time.clone());
    tell(&time, "-4d");
    let watched = scene.serve_as(0, &program, &clock);
    call_at(&clock, &program, &["run"]).expect(0);
    database.exec("create trigger full before update on forgetd_log_head begin select raise(abort, 'disk full'); end");
    shop::add(&database, 10_000, 1_000, 40);
    scene.fires_under("ForgetdEvidenceAppendFailing", || drop(call_at(&clock, &program, &["run"])));
    scene.fires("ForgetdPausedTooLong");
    tell(&time, "+0");
    scene.fires("ForgetdCheckpointStale");
    database.exec("drop trigger full");
    until_clean(&clock, &program);
    scene.all_rest(&["ForgetdEvidenceAppendFailing", "ForgetdPausedTooLong", "ForgetdCheckpointStale"]);
    watched.end();
}

/// Somebody wrote over what was signed; it is put back from a copy.
pub(super) fn written_over(scene: &Scene<'_>) {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let program = Program::installed(&shop::ruled_by(&database, LEASE, &shop::rule().with(&daily())));
    program.run(0);
    let watched = scene.serve(&program);
    database.exec(
        "create table copy as select path, bytes from forgetd_log_object where path like 'tile/0/%';
         update forgetd_log_object set bytes = zeroblob(32) where path like 'tile/0/%'",
    );
    program.call(&["run"]).expect(4);
    scene.fires("ForgetdEvidenceUnsound");
    database.exec(
        "update forgetd_log_object as log set bytes = (select bytes from copy where copy.path = log.path)
         where path in (select path from copy)",
    );
    until_clean(&Clock::Right, &program);
    scene.all_rest(&["ForgetdEvidenceUnsound"]);
    watched.end();
}
