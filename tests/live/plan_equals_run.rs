//! The predicate that a plan shows is the predicate that deletes, letter by letter, as the server's own log has it.

use crate::harness::{Database, Policy, Postgres, Program, Rule};

/// A table of this name in no other test, so that its statements are found in a log that all tests share.
fn table(database: &Postgres) -> String {
    format!("planned_{}", database.name())
}

/// Thirty old rows, and what the rules below ask of them.
fn create(database: &Postgres) {
    let table = table(database);
    database.exec(&format!(
        "create table {table} (id int primary key, at timestamptz not null, signed date, state text, data jsonb);
         insert into {table} select n, now() - interval '400 days', case when n <= 4 then now()::date - 3000 end, case n % 2 when 0 then 'closed' else 'open' end,
           '{{\"tags\": [\"a\"]}}' from generate_series(1, 30) n;
         insert into {table} values (31, now(), null, 'closed', null);
         create index on {table} (at);
         create table {table}_visit (item int, at timestamptz); create index on {table}_visit (item);
         insert into {table}_visit select id, now() from {table} where id <= 4;"
    ));
}

/// Every statement of the log that begins like this, as it was sent: continued lines are written with a tab before them.
fn statements(log: &str, begins: &str) -> Vec<String> {
    let mut statements: Vec<String> = vec![];
    let mut open = false;
    for line in log.lines() {
        if let Some((_, statement)) = line.split_once("LOG:  execute <unnamed>: ") {
            open = statement.starts_with(begins);
            if open {
                statements.push(statement.to_owned());
            }
        } else if let (true, Some(rest)) = (open, line.strip_prefix('\t')) {
            let last = statements.last_mut().unwrap();
            last.push('\n');
            last.push_str(rest);
        } else {
            open = false;
        }
    }
    statements
}

/// Plans and runs a policy whose first rule deletes, and looks that each delete of the log holds what the plan showed.
fn planned_is_deleted(rules: impl Fn(&str) -> Vec<Rule>, gone: u64) {
    let database = Postgres::database();
    create(&database);
    database.exec(&format!("alter database {} set log_statement = 'all'", database.name()));
    let table = table(&database);
    let policy = rules(&table).iter().fold(Policy::new(&database.url()), |policy, rule| policy.rule(rule));
    let program = Program::installed(&policy.with("throttle: { batch_rows_max: 7 }"));
    let plan = program.call(&["plan", "planned", "--json"]).expect(0).object();
    let predicate = plan["predicate"].as_str().unwrap();
    assert!(plan["statements"]["change"].as_str().unwrap().contains(predicate), "{plan}");
    assert_eq!(plan["due"], gone, "{plan}");
    let start = database.log_end();
    let report = program.call(&["run", "planned", "--json"]).expect(0).object();
    assert_eq!((&report["changed"], &report["left"]), (&gone.into(), &0.into()), "{report}");
    let log = database.log_from(start);
    let deletes = statements(&log, &format!("delete from only \"public\".\"{table}\""));
    assert!(deletes.len() as u64 >= gone / 7, "{} deletes in the log", deletes.len());
    for delete in &deletes {
        assert!(delete.contains(predicate), "the plan showed\n{predicate}\nand the server ran\n{delete}");
    }
}

fn planned(table: &str) -> Rule {
    Rule::delete("planned", table, "at").with("where: { state: { ne: open } }")
}

#[test]
fn a_plain_rule() {
    planned_is_deleted(|table| vec![planned(table)], 15);
}

#[test]
fn a_rule_beside_one_that_keeps() {
    let keeping = |table: &str| {
        vec![
            planned(table).with("where: { \"data.tags[]\": { in: [a, b] } }"),
            Rule::keep("keeps", table, "{ column: signed, zone: UTC }", "20y")
                .with("where: { state: closed }")
                .with("when_null: delete"),
        ]
    };
    planned_is_deleted(keeping, 28);
}

#[test]
fn a_rule_that_counts_from_another_table() {
    let latest = |table: &str| {
        let since = format!("since: {{ latest: {{ table: {table}_visit, column: at, on: {{ item: id }} }}, or: at }}");
        vec![planned(table).with(&since).with("where_native: \"state = 'closed' or state = 'never'\"")]
    };
    planned_is_deleted(latest, 13);
}
