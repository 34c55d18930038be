//! Rules that do not do what they are for.

use super::{DUE, FRESH, LEASE, Scene, call_at, cron, daily, until_clean};
use crate::harness::{Clock, Database as _, Postgres, Program, Roles as _, Rule, Sqlite, tell};
use crate::shop;

/// Four days ago, twice as long as a daily rule may be late and more.
const THEN: Clock = Clock::Off("-4d");

/// The policy was enforced by nobody for weeks; then it is.
pub(super) fn only_looks(scene: &Scene<'_>) {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    let policy = |mode: &str| shop::ruled_by(&database, LEASE, &shop::rule().with(mode).with(&daily()));
    let program = Program::installed(&policy("mode: observe"));
    let watched = scene.serve(&program);
    scene.fires("ForgetdObservingForLong");
    program.policy(&policy("mode: enforce"));
    watched.process.signal("HUP");
    scene.rests("ForgetdObservingForLong");
    // A rule that acts and was never clean for days is told by another one.
    until_clean(&Clock::Right, &program);
    scene.all_rest(&[]);
    watched.end();
}

/// Its last clean run was four days ago; since then a guard stops it.
pub(super) fn late(scene: &Scene<'_>) {
    let database = Sqlite::database();
    shop::create(&database, 5, FRESH);
    let rule = shop::rule().with(&daily()).with("guard: { rows_max: 9, cool_off: none }");
    let program = Program::new(&shop::ruled_by(&database, LEASE, &rule));
    call_at(&THEN, &program, &["install"]).expect(0);
    call_at(&THEN, &program, &["run"]).expect(0);
    shop::add(&database, 10_000, DUE, 40);
    let watched = scene.serve(&program);
    program.call(&["run"]).expect(4);
    let alerts = ["ForgetdRowsOverdue", "ForgetdRuleNotSucceeding", "ForgetdRuleBlocked"];
    alerts.iter().for_each(|alert| scene.fires(alert));
    program.approve("web-sessions");
    until_clean(&Clock::Right, &program);
    scene.all_rest(&alerts);
    watched.end();
}

/// Row security hides the rows from the program's role, since the beginning.
pub(super) fn blind(scene: &Scene<'_>) {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    let policy = |url: &str| shop::ruled_at(url, LEASE, &shop::rule().with(&daily()));
    let program = Program::new(&policy(&database.url()));
    let role = database.role();
    database.exec(&program.call(&["install", "--print", "--role", &role]).expect(0).stdout);
    program.policy(&policy(&database.url_as(&role)));
    database.exec("alter table web_session enable row level security");
    let watched = scene.serve(&program);
    program.call(&["run"]).expect(5);
    let alerts = ["ForgetdRuleBlocked", "ForgetdRuleNeverSucceeded"];
    alerts.iter().for_each(|alert| scene.fires(alert));
    database.exec("alter table web_session disable row level security");
    until_clean(&Clock::Right, &program);
    scene.all_rest(&alerts);
    watched.end();
}

/// The process was held up for longer than the rule may be late: no alert, one fire time without a run.
pub(super) fn fire_time_missed(scene: &Scene<'_>) {
    let database = Postgres::database();
    shop::create(&database, DUE, FRESH);
    let rule = shop::rule().with(&format!("schedule: {{ cron: {}, starting_deadline: 5m }}", cron()));
    let program = Program::installed(&shop::ruled_by(&database, LEASE, &rule));
    let time = program.path("time");
    let watched = scene.serve_as(0, &program, &Clock::told_by(time.clone()));
    scene.shows("forgetd_runs_skipped_total{JOB} == 0");
    tell(&time, "+13h");
    scene.shows("increase(forgetd_runs_skipped_total{JOB}[2s]) > 0");
    watched.end();
}

/// A cap takes less than what comes; then somebody pauses everything. One row cannot go: another table needs it.
pub(super) fn more_comes_than_goes(scene: &Scene<'_>) {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    database.exec(
        "create table note (id integer primary key, session integer references web_session (id));
         insert into note values (1, 1)",
    );
    let capped = shop::rule().with(&daily()).with("cap: { rows_per_run: 50 }");
    let policy = |rule: &Rule| shop::ruled_by(&database, LEASE, rule);
    let program = Program::installed(&policy(&capped));
    let watched = scene.serve(&program);
    let mut came = 10_000;
    scene.fires_under("ForgetdDueRowsGrowing", || {
        program.call(&["run"]).expect(3);
        shop::add(&database, came, DUE, 40);
        came += DUE;
    });
    program.call(&["pause", "--reason", "a migration"]).expect(0);
    scene.fires("ForgetdPausedTooLong");
    program.call(&["resume"]).expect(0);
    database.exec("delete from note");
    program.policy(&policy(&shop::rule().with(&daily())));
    watched.process.signal("HUP");
    until_clean(&Clock::Right, &program);
    scene.all_rest(&["ForgetdDueRowsGrowing", "ForgetdPausedTooLong"]);
    watched.end();
}
