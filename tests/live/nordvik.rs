//! Real schemas, and policies as careful users write them, the whole way: check, plan, run, run again, verify.
//!
//! What must happen is said a second time in plain SQL by `postgres` and `sqlite`: how many rows of each rule are due,
//! which of them must stay, and so what every table holds afterwards.

mod postgres;
mod sqlite;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{
    Database, Findings, Policy, Postgres, Program, Roles as _, Rows, Sqlite, assert_findings, assert_same, contents,
};

/// One engine's company.
struct Company {
    /// Its database in the policy.
    name: &'static str,
    script: &'static str,
    policy: &'static str,
    /// Everything that `check --connect` must say.
    findings: &'static Findings,
    /// The rules that act, children before their parents.
    rules: &'static [Said],
    refused: &'static [Refused],
    /// The rules whose tables hold nothing but rows that must stay, once they have acted.
    emptied: &'static [&'static str],
    /// See [`contents`].
    compared: &'static [(&'static str, &'static str)],
    /// How `check --connect`, `plan` and `run` end, because of the refused rules.
    codes: [i32; 3],
}

/// A rule, said again in SQL.
struct Said {
    rule: &'static str,
    table: &'static str,
    /// Which rows are due.
    due: &'static str,
    rows: u64,
    /// Which of them must stay; empty: none.
    stays: &'static str,
    /// Why they do, and how many.
    skipped: &'static [(&'static str, u64)],
}

/// A rule that cannot act.
struct Refused {
    rule: &'static str,
    verdict: &'static str,
    cause: &'static str,
    /// Whether the plan says so. What a trigger does is only known once it did it.
    planned: bool,
}

const fn said(rule: &'static str, table: &'static str, rows: u64, due: &'static str) -> Said {
    Said { rule, table, due, rows, stays: "", skipped: &[] }
}

const fn refused(rule: &'static str, verdict: &'static str, cause: &'static str) -> Refused {
    Refused { rule, verdict, cause, planned: true }
}

// === impl Said ===

impl Said {
    const fn but(self, stays: &'static str, skipped: &'static [(&'static str, u64)]) -> Self {
        Self { stays, skipped, ..self }
    }

    fn left(&self) -> u64 {
        self.skipped.iter().map(|(_, rows)| rows).sum()
    }

    fn count(&self) -> String {
        format!("select count(*) from {} as t where {}", self.table, self.due)
    }

    /// What somebody would type who knows the schema by heart.
    fn delete(&self) -> String {
        let stays = if self.stays.is_empty() { String::new() } else { format!(" and not ({})", self.stays) };
        format!("delete from {} as t where {}{stays}", self.table, self.due)
    }

    /// Checks the report of a run that found so many rows due.
    fn ended(&self, report: &Value, due: u64) {
        let left = self.left();
        let numbers = (&report["due"], &report["changed"], &report["left"]);
        assert_eq!(numbers, (&json!(due), &json!(due - left), &json!(left)), "{report}");
        let skipped: Vec<Value> = self.skipped.iter().map(|(cause, n)| json!({ "cause": cause, "n": n })).collect();
        assert_eq!(report["skipped"], json!(skipped), "{report}");
        let verdict = if self.skipped.is_empty() { "clean" } else { "partial" };
        let cause = self.skipped.iter().max_by_key(|(_, rows)| rows).map(|(cause, _)| *cause);
        assert_eq!((&report["verdict"], &report["cause"]), (&json!(verdict), &json!(cause)), "{report}");
    }
}

// === impl Company ===

impl Company {
    fn yaml(&self, url: &str) -> String {
        self.policy.replace("DATABASE_URL", url)
    }

    fn contents(&self, database: &dyn Database) -> BTreeMap<String, Rows> {
        contents(database, &[], self.compared)
    }

    /// What every table must hold when all rules have acted.
    fn expected(&self, database: &dyn Database) -> BTreeMap<String, Rows> {
        let deletes: Vec<String> = self.rules.iter().map(Said::delete).collect();
        // Twice: a row that only another due row of its table referenced can go once that one has gone.
        contents(database, &[deletes.clone(), deletes].concat(), self.compared)
    }

    fn plan(&self, database: &dyn Database, program: &Program) {
        let plans = by_rule(&program.call(&["plan", "--json"]).expect(self.codes[1]).lines());
        for said in self.rules {
            let plan = &plans[said.rule];
            let counted = database.count(&said.count());
            assert_eq!(counted, said.rows, "{}: the data is not what it was made for", said.rule);
            assert_eq!((&plan["due"], &plan["due_exact"]), (&json!(counted), &json!(true)), "{plan}");
            assert_eq!(errors(plan), [""; 0], "{plan}");
        }
        for Refused { rule, cause, planned, .. } in self.refused {
            assert_eq!(errors(&plans[*rule]).contains(cause), *planned, "{}", plans[*rule]);
        }
        // One more: the tickets that are disputed are kept.
        assert_eq!(plans["disputes"]["action"], "keep");
        assert_eq!(plans.len(), self.rules.len() + self.refused.len() + 1);
    }

    /// Somebody has seen the plan. What no approval helps against is said again.
    fn approve(&self, program: &Program) {
        let planned = self.refused.iter().any(|refused| refused.planned);
        program.call(&["approve", "--reason", "the plan was read"]).expect(if planned { 4 } else { 0 });
    }

    /// A run that nobody approved: whatever is due stays.
    fn run_unapproved(&self, program: &Program) {
        let reports = by_rule(&program.call(&["run", "--json"]).expect(self.codes[2]).lines());
        for said in self.rules {
            assert_ended(&reports[said.rule], "blocked", "cool_off");
        }
    }

    /// The first run: what is due goes, but for the rows that are counted as skipped.
    fn run(&self, program: &Program) {
        let reports = by_rule(&program.call(&["run", "--json"]).expect(self.codes[2]).lines());
        for said in self.rules {
            said.ended(&reports[said.rule], said.rows);
        }
        self.refusals(&reports);
        assert_eq!(reports.len(), self.rules.len() + self.refused.len());
    }

    /// Any later run: nothing goes, for the same reasons. Where all that is left of a table is due, somebody is asked first.
    fn run_again(&self, program: &Program) {
        for approved in [false, true] {
            let reports = by_rule(&program.call(&["run", "--json"]).expect(self.codes[2]).lines());
            for said in self.rules {
                if self.emptied.contains(&said.rule) && !approved {
                    assert_ended(&reports[said.rule], "blocked", "whole_table_due");
                    program.approve(said.rule);
                } else {
                    said.ended(&reports[said.rule], said.left());
                }
            }
            self.refusals(&reports);
        }
    }

    fn refusals(&self, reports: &BTreeMap<String, Value>) {
        for Refused { rule, verdict, cause, .. } in self.refused {
            assert_ended(&reports[*rule], verdict, cause);
        }
    }

    /// From a policy that somebody wrote to the moment before it acts: nothing changes.
    fn look(&self, database: &dyn Database, program: &Program) {
        let before = self.contents(database);
        assert_eq!(program.call(&["check", "--json"]).expect(0).object()["findings"], json!([]));
        assert_findings(program, self.name, self.codes[0], self.findings);
        self.plan(database, program);
        self.run_unapproved(program);
        self.approve(program);
        assert_same(&self.contents(database), &before);
    }

    /// From there to evidence that holds.
    fn act(&self, database: &dyn Database, program: &Program) {
        let (before, expected) = (self.contents(database), self.expected(database));
        self.run(program);
        assert_same(&self.contents(database), &expected);
        self.run_again(program);
        assert_same(&self.contents(database), &expected);
        self.evidence(program, &before, &expected);
    }

    /// Every row that is missing stands in the evidence: as one of its rule's, or as one that went with another's.
    fn evidence(&self, program: &Program, before: &BTreeMap<String, Rows>, after: &BTreeMap<String, Rows>) {
        let batches = program.entries("batch");
        for said in self.rules {
            let table = said.table.replace('"', "");
            let own = batches.iter().filter(|batch| batch["rule"] == said.rule).map(|batch| &batch["changed"]);
            let with_others = batches.iter().map(|batch| &batch["cascaded"][&table]);
            let [own, with_others]: [u64; 2] =
                [own.filter_map(Value::as_u64).sum(), with_others.filter_map(Value::as_u64).sum()];
            assert_eq!(own, said.rows - said.left(), "{}", said.rule);
            // Triggers write to some of the tables meanwhile.
            if self.compared.iter().all(|(name, _)| *name != table) {
                let lost = before[&table].len() - after[&table].len();
                assert_eq!(own + with_others, lost as u64, "{}", said.rule);
            }
        }
    }
}

/// Checks the report of a run that changed nothing.
fn assert_ended(report: &Value, verdict: &str, cause: &str) {
    let ended = (&report["verdict"], &report["cause"], &report["changed"]);
    assert_eq!(ended, (&json!(verdict), &json!(cause), &json!(0)), "{report}");
}

fn by_rule(lines: &[Value]) -> BTreeMap<String, Value> {
    lines.iter().map(|line| (line["rule"].as_str().unwrap().to_owned(), line.clone())).collect()
}

fn errors(plan: &Value) -> Vec<&str> {
    let findings = plan["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] == "error");
    findings.map(|finding| finding["id"].as_str().unwrap()).collect()
}

#[test]
fn a_company_on_postgresql_purges_what_its_policy_says_and_nothing_else() {
    let (company, database) = (&postgres::COMPANY, Postgres::database());
    database.exec(company.script);
    let program = Program::new(&Policy::new(&database.url()));
    program.write("forgetd.yaml", &company.yaml(&database.url()));
    let role = database.role();
    let printed = program.call(&["install", "--print", "--role", &role]).expect(0).stdout;
    database.exec(&printed);
    program.write("forgetd.yaml", &company.yaml(&database.url_as(&role)));

    company.look(&database, &program);

    // What a trigger writes as whoever deletes the row, no plan can know: the run says it, and changes nothing.
    let before = company.contents(&database);
    let report = program.call(&["run", "employees", "--json"]).expect(4).lines().remove(0);
    assert_ended(&report, "blocked", "privilege");
    assert_same(&company.contents(&database), &before);
    database.exec(&format!("grant usage on schema hr to {role}; grant insert on hr.employee_history to {role}"));

    company.act(&database, &program);
}

#[test]
fn its_shops_on_sqlite_do_the_same() {
    let (company, database) = (&sqlite::COMPANY, Sqlite::database());
    database.exec(company.script);
    let program = Program::new(&Policy::new(&database.url()));
    program.write("forgetd.yaml", &company.yaml(&database.url()));
    program.call(&["install"]).expect(0);
    company.look(&database, &program);
    company.act(&database, &program);
}
