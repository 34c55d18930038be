//! A cascade takes no row that its own rule still keeps.

use serde_json::json;

use crate::harness::{Policy, Program, Rule, every_engine};

#[test]
fn a_parent_stays_while_a_child_is_kept_and_goes_with_its_last_one() {
    every_engine(|database| {
        let engine = database.engine();
        let (stamp, at) = match engine {
            "postgres" => ("timestamptz", "now() - interval '{} days'"),
            "mysql" | "mariadb" => ("timestamp", "now() - interval {} day"),
            _ => ("timestamptz", "strftime('%Y-%m-%d %H:%M:%SZ', 'now', '-{} days')"),
        };
        let days = |days: u32| at.replace("{}", &days.to_string());
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
        let ids = |table: &str| {
            let rows = database.rows(&format!("select id from {table} order by id"));
            rows.into_iter().map(|row| row[0].clone().unwrap().leak() as &str).collect::<Vec<_>>()
        };
        assert_eq!((ids("contact"), ids("talk")), (vec!["2", "4"], vec!["21", "41"]), "{engine}");

        database.exec(&format!("update talk set at = {} where id = 21", days(60)));
        program.call(&["run", "--json"]).expect(0);
        assert_eq!((ids("contact"), ids("talk")), (vec!["4"], vec!["41"]), "{engine}");
    });
}
