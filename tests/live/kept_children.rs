//! A cascade takes no row that its own rule still keeps, and a row that a rule keeps loses no reference.

use serde_json::json;

use crate::harness::{Database, Policy, Postgres, Program, Rule, every_engine};

/// The type of a moment, and the moment so many days ago.
fn moments(engine: &str) -> (&'static str, impl Fn(u32) -> String) {
    let (stamp, at) = match engine {
        "postgres" => ("timestamptz", "now() - interval '{} days'"),
        "mysql" | "mariadb" => ("timestamp", "now() - interval {} day"),
        _ => ("timestamptz", "strftime('%Y-%m-%d %H:%M:%SZ', 'now', '-{} days')"),
    };
    (stamp, move |days: u32| at.replace("{}", &days.to_string()))
}

fn ids(database: &dyn Database, table: &str) -> Vec<String> {
    let rows = database.rows(&format!("select id from {table} order by id"));
    rows.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

#[test]
fn a_parent_stays_while_a_child_is_kept_and_goes_with_its_last_one() {
    every_engine(|database| {
        let engine = database.engine();
        let (stamp, days) = moments(engine);
        database.exec(&format!(
            "create table contact (id integer primary key, closed_at {stamp} not null);
             create table talk (id integer primary key, lead_id integer not null references contact (id) on delete cascade, \
               at {stamp} not null);
             create index call_lead on talk (lead_id);
             insert into contact values (1, {old}), (2, {old}), (3, {old}), (4, {fresh});
             insert into talk values (10, 1, {old}), (20, 2, {old}), (21, 2, {fresh}), (40, 4, {old}), (41, 4, {fresh})",
            old = days(60),
            fresh = days(10),
        ));
        let calls = Rule::delete("calls", "talk", "at");
        let leads = Rule::delete("leads", "contact", "closed_at");
        let program = Program::installed(&Policy::new(&database.url()).rule(&calls).rule(&leads));

        let plans = program.call(&["plan", "--json"]).expect(0).lines();
        let leads = plans.iter().find(|plan| plan["rule"] == "leads").unwrap();
        assert_eq!((&leads["due"], &leads["held"]), (&json!(2), &json!(1)), "{engine}: {leads}");
        let reports = program.call(&["run", "--json"]).expect(0).lines();
        let changed: Vec<_> = reports.iter().map(|report| (&report["rule"], &report["changed"])).collect();
        assert_eq!(changed, [(&json!("calls"), &json!(3)), (&json!("leads"), &json!(2))], "{engine}: {reports:?}");
        assert_eq!(ids(database, "contact"), ["2", "4"], "{engine}");
        assert_eq!(ids(database, "talk"), ["21", "41"], "{engine}");

        database.exec(&format!("update talk set at = {} where id = 21", days(60)));
        program.call(&["run", "--json"]).expect(0);
        assert_eq!(
            (ids(database, "contact"), ids(database, "talk")),
            (vec!["4".into()], vec!["41".into()]),
            "{engine}"
        );
    });
}

#[test]
fn what_a_kept_row_references_stays_until_the_row_is_kept_no_longer() {
    every_engine(|database| {
        let engine = database.engine();
        let (stamp, days) = moments(engine);
        database.exec(&format!(
            "create table clerk (id integer primary key, gone_at {stamp} not null, \
               chief_id integer, foreign key (chief_id) references clerk (id) on delete set null);
             create table dispute (id integer primary key, opened_at {stamp} not null, state varchar(9), clerk_id integer, \
               foreign key (clerk_id) references clerk (id) on delete set null);
             create index dispute_clerk on dispute (clerk_id);
             insert into clerk values (1, {old}, null), (2, {old}, null), (3, {old}, null), (4, {old}, null), (5, {fresh}, 4);
             insert into dispute values (10, {old}, 'open', 1), (20, {old}, 'closed', 2), (30, {ancient}, 'open', 3), \
               (11, {fresh}, 'open', 1)",
            ancient = days(400),
            old = days(60),
            fresh = days(10),
        ));
        let clerks = Rule::delete("clerks", "clerk", "gone_at");
        let disputes = Rule::keep("disputes", "dispute", "opened_at", "1y").with("where: { state: open }");
        let program = Program::installed(&Policy::new(&database.url()).rule(&clerks).rule(&disputes));

        let plans = program.call(&["plan", "--json"]).expect(0).lines();
        let plan = plans.iter().find(|plan| plan["rule"] == "clerks").unwrap();
        assert_eq!((&plan["due"], &plan["held"]), (&json!(3), &json!(1)), "{engine}: {plan}");
        let said = plan["findings"].as_array().unwrap().iter().filter(|finding| finding["id"] == "references_are_set");
        let said: Vec<_> = said.map(|finding| finding["message"].as_str().unwrap()).collect();
        assert_eq!(said.len(), 2, "{engine}: {said:?}");
        let which =
            said.iter().filter(|message| message.ends_with("while rule disputes keeps one of those, the row stays"));
        assert_eq!(which.count(), 1, "{engine}: {said:?}");

        let reports = program.call(&["run", "--json"]).expect(0).lines();
        let report = reports.iter().find(|report| report["rule"] == "clerks").unwrap();
        let said = (&report["verdict"], &report["changed"], &report["left"], &report["skipped"]);
        assert_eq!(said, (&json!("clean"), &json!(3), &json!(0), &json!([])), "{engine}: {report}");
        assert_eq!(ids(database, "clerk"), ["1", "5"], "{engine}");
        let references = || {
            let rows = database.rows("select clerk_id from dispute order by id");
            rows.into_iter().map(|row| row[0].clone()).collect::<Vec<_>>()
        };
        assert_eq!(references(), [Some("1".into()), Some("1".into()), None, None], "{engine}");

        // One that is kept is enough.
        database.exec("update dispute set state = 'closed' where id = 10");
        program.call(&["run", "--json"]).expect(0);
        assert_eq!(ids(database, "clerk"), ["1", "5"], "{engine}");
        database.exec("update dispute set state = 'closed' where id = 11");
        let reports = program.call(&["run", "--json"]).expect(0).lines();
        assert_eq!((&reports[0]["verdict"], &reports[0]["changed"]), (&json!("clean"), &json!(1)), "{engine}");
        assert_eq!((ids(database, "clerk"), references()), (vec!["5".into()], vec![None; 4]), "{engine}");
    });
}

/// Each partition has the foreign keys of its parent, at either end.
#[test]
fn rows_kept_in_a_partition_hold_rows_of_another() {
    let database = Postgres::database();
    database.exec(
        "create table clerk (id int, region int, gone_at timestamptz not null, primary key (region, id)) partition by list (region);
         create table clerk_1 partition of clerk for values in (1);
         create table dispute (id int, opened_at timestamptz not null, state text, region int, clerk_id int, \
           foreign key (region, clerk_id) references clerk on delete set null) partition by range (opened_at);
         create table dispute_all partition of dispute default;
         insert into clerk select n, 1, now() - interval '60 days' from generate_series(1, 3) n;
         insert into clerk values (4, 1, now());
         insert into dispute values (10, now(), 'open', 1, 1), (20, now(), 'closed', 1, 2), (30, now(), 'open', null, 3)",
    );
    let clerks = Rule::delete("clerks", "public.clerk_1", "gone_at");
    let disputes = Rule::keep("disputes", "public.dispute_all", "opened_at", "1y").with("where: { state: open }");
    let program = Program::installed(&Policy::new(&database.url()).rule(&clerks).rule(&disputes));
    let reports = program.call(&["run", "clerks", "--json"]).expect(0).lines();
    assert_eq!((&reports[0]["verdict"], &reports[0]["changed"]), (&json!("clean"), &json!(2)), "{}", reports[0]);
    assert_eq!(ids(&database, "clerk"), ["1", "4"]);
    let references = database.rows("select clerk_id from dispute where region = 1");
    assert_eq!(references, [[Some("1".to_owned())]]);
}
