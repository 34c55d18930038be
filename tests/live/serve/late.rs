//! Fire times that nobody was there for, and how late one may begin.

use forgetd::clock;
use jiff::{Timestamp, ToSpan as _};

use super::{DUE, FRESH, LEASE, SELDOM, open_shop, status};
use crate::harness::{Clock, Database as _, Output, Process, Program, Rule, Sqlite, until};
use crate::shop;

/// `run --overdue`, some time from now.
fn overdue(program: &Program, later: &'static str) -> Output {
    let mut command = program.command(&["run", "--overdue", "--json"]);
    Process::spawn(Clock::Off(later).set(&mut command)).wait()
}

fn skipped(program: &Program) -> Vec<Timestamp> {
    let entries = program.entries("run.skipped");
    assert!(entries.iter().all(|entry| entry["cause"] == "starting_deadline"), "{entries:?}");
    entries.iter().map(|entry| entry["fire"].as_str().unwrap().parse().unwrap()).collect()
}

/// One fire time, twenty minutes from now, and nobody comes for it until half an hour from now.
#[test]
fn a_fire_time_that_is_too_old_is_skipped_with_an_entry() {
    let database = Sqlite::database();
    let fire = clock::now() + 20.minutes();
    let schedule = fire.strftime("schedule: { cron: \"%-M %-H * * *\", starting_deadline: 5m }").to_string();
    let program = open_shop(&database, &schedule);
    // Never served: it runs, and is served.
    overdue(&program, "+0").expect(0);
    assert_eq!(shop::rows(&database), FRESH);
    shop::add(&database, DUE + FRESH + 1, 10, 40);
    let late = overdue(&program, "+30m").expect(0);
    assert_eq!(late.stdout, "", "nothing ran");
    assert_eq!(shop::rows(&database), FRESH + 10);
    let fires = skipped(&program);
    assert_eq!(fires.len(), 1, "{fires:?}");
    assert_eq!(fires[0].as_second() / 60, fire.as_second() / 60);
    let next: Timestamp = status(&program)["next"].as_str().unwrap().parse().unwrap();
    assert_eq!(next, fires[0] + 24.hours(), "tomorrow's");
    // Asked again at the same time there is nothing to tell.
    overdue(&program, "+30m").expect(0);
    assert_eq!(skipped(&program).len(), 1);
}

/// Of ten minutes that passed only the last is young enough; one run serves it.
#[test]
fn what_is_young_enough_is_caught_up() {
    let database = Sqlite::database();
    let program = open_shop(&database, "schedule: { cron: \"* * * * *\", starting_deadline: 1m }");
    overdue(&program, "+0").expect(0);
    shop::add(&database, DUE + FRESH + 1, 10, 40);
    let report = overdue(&program, "+10m").expect(0).lines().remove(0);
    assert_eq!(report["changed"], 10, "{report}");
    assert_eq!(shop::rows(&database), FRESH);
    let fires = skipped(&program);
    assert!((8..=10).contains(&fires.len()), "{fires:?}");
    assert!(fires.windows(2).all(|pair| pair[1].duration_since(pair[0]).as_secs() == 60), "{fires:?}");
}

/// Two rules are asked for, and for one of them nobody was there in time: that fire time is passed, and each runs once.
#[test]
fn what_is_asked_for_runs_once_beside_a_fire_time_that_is_too_old() {
    let database = Sqlite::database();
    shop::create(&database, DUE, FRESH);
    database.exec("create table lead (id integer primary key, last_seen_at datetime not null)");
    database.exec("insert into lead select * from web_session");
    let fire = clock::now() + 20.minutes();
    let late = fire.strftime("schedule: { cron: \"%-M %-H * * *\", starting_deadline: 5m }").to_string();
    let leads = Rule::delete("leads", "lead", "{ column: last_seen_at, zone: UTC }").with(&late);
    let policy = shop::ruled_by(&database, LEASE, &shop::rule().with(SELDOM)).rule(&leads);
    let program = Program::installed(&policy);
    overdue(&program, "+0").expect(0);
    shop::add(&database, DUE + FRESH + 1, 10, 40);
    database.exec("insert into lead select * from web_session order by id desc limit 10");
    // Asked when nobody serves, so that the first wave meets both.
    let ask = serde_json::json!({ "verb": "run", "rules": ["web-sessions", "leads"] });
    let request = serde_json::json!({ "who": "a test", "until": clock::now() + 2.hours(), "ask": ask });
    database.exec(&format!("insert into forgetd_request values ('live', 'asked', '{request}', 'open', '', 0)"));
    let mut command = program.command(&["serve", "--listen", "127.0.0.1:0"]);
    let process = Process::spawn(Clock::Off("+30m").set(&mut command));
    until("it is answered", 60, || database.count("select count(*) from forgetd_request where state = 'done'") == 1);
    process.signal("TERM");
    process.wait().expect(0);
    assert_eq!((shop::rows(&database), database.count("select count(*) from lead")), (FRESH, FRESH));
    assert_eq!(skipped(&program).len(), 1, "the fire time has its entry");
    let (started, again) = (program.entries("run.started"), program.entries("heartbeat"));
    assert_eq!((started.len(), again.len()), (4, 0), "each once before, and once when it was asked for: {again:?}");
}
