//! What people see before anything happens: plan, the difference of two policies, explain, and a suggested policy.

use serde_json::{Value, json};

use crate::harness::{Database, Output, Policy, Process, Program, Rule, every_engine};

/// Two hundred sessions, one ended on each of the last two hundred days; ten of them never ended, ten belong to a row of
/// another table by a key that nobody declared.
fn sessions(database: &dyn Database) {
    let (stamp, days) = match database.engine() {
        "postgres" => ("timestamptz", "now() - n * interval '1 day' + interval '1 hour'"),
        "mysql" | "mariadb" => ("timestamp null", "now() - interval n day + interval 1 hour"),
        _ => ("timestamptz", "strftime('%Y-%m-%d %H:%M:%SZ', 'now', '-' || n || ' days', '+1 hour')"),
    };
    database.exec(&format!(
        "create table web_session (id integer primary key, state text not null, ended_at {stamp});
         create table login (id integer primary key, web_session_id integer not null);
         create index web_session_ended on web_session (ended_at);
         insert into web_session with recursive day(n) as (select 1 union all select n + 1 from day where n < 200)
         select n, case when n % 4 = 0 then 'open' else 'closed' end,
           case when n % 20 = 1 then null else {days} end from day;
         insert into login select id, id from web_session where id <= 10"
    ));
}

fn rule(keep_for: &str) -> Rule {
    Rule::delete("sessions", "web_session", "ended_at").with(&format!("keep_for: {keep_for}")).with("when_null: keep")
}

fn program(database: &dyn Database, rule: &Rule) -> Program {
    Program::installed(&Policy::new(&database.url()).rule(rule))
}

#[track_caller]
fn one(output: Output) -> Value {
    let mut lines = output.expect(0).lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

#[test]
fn a_plan_shows_the_spread_and_what_stays() {
    every_engine(|database| {
        sessions(database);
        let program = program(database, &rule("30d").with("where: { state: closed }"));
        let plan = one(program.call(&["plan", "--json"]));
        let engine = database.engine();
        let due = database
            .count("select count(*) from web_session where state = 'closed' and id > 30 and ended_at is not null");
        assert_eq!(plan["due"], due, "{engine}: {plan}");
        let months = plan["months"].as_array().unwrap();
        assert_eq!(months.iter().map(|month| month["rows"].as_u64().unwrap()).sum::<u64>(), due, "{engine}: {plan}");
        assert!((5..=7).contains(&months.len()), "{engine}: {months:?}");
        assert!(months.is_sorted_by_key(|month| month["month"].as_str().unwrap().to_owned()), "{engine}: {months:?}");
        let nulls = json!({ "why": "null", "name": null, "rows": 10, "rows_exact": true });
        assert!(plan["kept"].as_array().unwrap().contains(&nulls), "{engine}: {plan}");
        assert_eq!(plan["index"], "web_session_ended", "{engine}");
        let text = program.call(&["plan"]).expect(0).stdout;
        assert!(text.contains("10 have no moment to count from"), "{engine}:\n{text}");
        let shown = program.call(&["plan", "--md"]).expect(0).stdout;
        assert!(shown.starts_with("### forgetd plan\n\n| rule | mode | table |"), "{engine}:\n{shown}");
        program.call(&["plan", "--detailed-exitcode"]).expect(2);
    });
}

#[test]
fn a_change_of_the_policy_says_which_rows_change_their_fate() {
    every_engine(|database| {
        sessions(database);
        let program = program(database, &rule("100d"));
        program.write("old.yaml", &Policy::new(&database.url()).rule(&rule("100d")).yaml());
        program.write(
            "new.yaml",
            &Policy::new(&database.url()).rule(&rule("10d").with("where: { state: closed }")).yaml(),
        );
        let engine = database.engine();
        let diff = |old: &str, new: &str| one(program.call(&["plan", "--json", "--diff", old, new]));
        let (becomes, no_longer) = (
            database.count("select count(*) from web_session where state = 'closed' and id between 11 and 100 and ended_at is not null"),
            database
                .count("select count(*) from web_session where state = 'open' and id > 100 and ended_at is not null"),
        );
        let forth = diff("old.yaml", "new.yaml");
        assert_eq!((&forth["becomes_due"], &forth["no_longer_due"]), (&json!(becomes), &json!(no_longer)), "{engine}");
        assert_eq!(forth["changes"][0], json!({ "field": "keep_for", "from": "100d", "to": "10d" }), "{engine}");
        assert_eq!(forth["changes"][1], json!({ "field": "where", "from": null, "to": null }), "{engine}");
        let back = diff("new.yaml", "old.yaml");
        assert_eq!((&back["becomes_due"], &back["no_longer_due"]), (&json!(no_longer), &json!(becomes)), "{engine}");
        let same = diff("old.yaml", "old.yaml");
        assert_eq!((&same["status"], &same["becomes_due"]), (&json!("same"), &json!(0)), "{engine}");
        program.call(&["plan", "--detailed-exitcode", "--diff", "old.yaml", "new.yaml"]).expect(2);
        program.call(&["plan", "--detailed-exitcode", "--diff", "old.yaml", "old.yaml"]).expect(0);
        let shown = program.call(&["plan", "--md", "--diff", "old.yaml", "new.yaml"]).expect(0).stdout;
        assert!(shown.contains("keep\\_for: 100d -\\> 10d; where changed"), "{engine}:\n{shown}");
    });
}

#[test]
fn explain_shows_statements_the_engines_plan_and_fire_times() {
    every_engine(|database| {
        sessions(database);
        let nightly = rule("30d").with("schedule: { cron: \"15 3 * * *\", zone: Europe/Stockholm }");
        let program = program(database, &nightly);
        let engine = database.engine();
        let explained = one(program.call(&["explain", "sessions", "--json"]));
        assert_eq!(explained["fires"].as_array().unwrap().len(), 5, "{engine}");
        assert!(explained["fires"][0]["local"].as_str().unwrap().contains(" 03:15 "), "{engine}: {explained}");
        let plan = one(program.call(&["plan", "--json"]));
        assert_eq!(explained["statements"], plan["statements"], "{engine}");
        let text = program.call(&["explain", "sessions"]).expect(0).stdout;
        let (word, change) = match engine {
            "postgres" => ("Delete on", "delete from"),
            "sqlite" => ("SEARCH", "delete from"),
            _ => ("web_session_ended", "delete t from"),
        };
        assert!(text.contains(word) && text.contains(change), "{engine}:\n{text}");
        program.call(&["explain", "nobody"]).expect(64);
    });
}

#[test]
fn explain_says_why_a_row_goes_or_stays_and_when() {
    every_engine(|database| {
        sessions(database);
        let program = program(database, &rule("30d").with("where: { state: closed }"));
        let ask = |key: &str| {
            let args = ["explain", "sessions", "--json", "--key", "-"];
            Process::spawn_with(&mut program.command(&args), key).wait()
        };
        let engine = database.engine();
        let goes = one(ask("102\n"));
        assert_eq!((&goes["due"], &goes["due_from"]), (&json!(true), &Value::Null), "{engine}: {goes}");
        let early = one(ask("5\n"));
        assert_eq!(early["due"], false, "{engine}: {early}");
        assert!(early["reasons"][0].as_str().unwrap().starts_with("its period is not over"), "{engine}: {early}");
        assert!(early["due_from"].is_string(), "{engine}: {early}");
        let open = one(ask("104\n"));
        assert_eq!(open["reasons"], json!(["where state does not match"]), "{engine}: {open}");
        assert_eq!(open["due_from"], Value::Null, "{engine}: {open}");
        let endless = one(ask("21\n"));
        assert_eq!(endless["due"], false, "{engine}: {endless}");
        assert!(endless["reasons"][0].as_str().unwrap().starts_with("there is no moment"), "{engine}: {endless}");
        let nobody = ask("99999\n").expect(64);
        assert!(nobody.stderr.contains("has no row with this key"), "{engine}: {}", nobody.stderr);
        ask("not a number\n").expect(64);
        ask("1\n2\n").expect(64);
    });
}

#[test]
fn init_suggests_a_policy_that_checks_and_plans() {
    every_engine(|database| {
        sessions(database);
        let program = Program::new(&Policy::new(&database.url()).rule(&rule("30d")));
        let mut command = program.command(&["init", "--url-env", "SHOP_URL", "--out", "suggested.yaml"]);
        let engine = database.engine();
        let output = Process::spawn(command.env("SHOP_URL", database.url())).wait().expect(0);
        assert!(output.stdout.contains("suggested.yaml written"), "{engine}: {}", output.stdout);
        let text = std::fs::read_to_string(program.path("suggested.yaml")).unwrap();
        for part in [
            "url: { env: SHOP_URL }",
            "web_session: 200 rows; older than 30d: ",
            "since: ended_at",
            "# decide: 10 rows have none",
            "login: no column with a time",
        ] {
            assert!(text.contains(part), "{engine}: {part} in\n{text}");
        }
        std::fs::copy(program.path("suggested.yaml"), program.path("forgetd.yaml")).unwrap();
        // Most of the table is older than the suggested period: the suggested guard says so.
        for (args, warns) in [(&["check"][..], false), (&["check", "--connect"], false), (&["plan"], true)] {
            let mut command = program.command(args);
            let output = Process::spawn(command.env("SHOP_URL", database.url())).wait().expect(0);
            assert_eq!(output.stdout.contains("guard_share_max"), warns, "{engine}: {}", output.stdout);
        }
        assert_eq!(database.count("select count(*) from web_session"), 200, "{engine}: nothing was changed");
        // A file that is there is never replaced.
        let mut again = program.command(&["init", "--url-env", "SHOP_URL", "--out", "suggested.yaml"]);
        Process::spawn(again.env("SHOP_URL", database.url())).wait().expect(64);
    });
}
