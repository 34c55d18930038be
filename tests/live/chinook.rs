//! Real input: the Chinook sample database, the same policy on every engine.

use jiff::civil::Date;
use serde_json::json;

use crate::harness::{
    Cluster, Database, Findings, Mysql, Policy, Program, Rows, Rule, assert_findings, assert_same, contents,
    every_engine,
};

/// Names of tables and columns, which the scripts spell differently.
#[derive(Clone, Copy)]
struct Names {
    script: &'static str,
    invoice: &'static str,
    line: &'static str,
    invoice_id: &'static str,
    line_id: &'static str,
    date: &'static str,
    /// How the rule reads the date.
    since: &'static str,
    country: &'static str,
    price: &'static str,
    /// The date's month, as `2023-07`.
    month: &'static str,
    /// Everything that `check --connect` must say.
    findings: &'static Findings,
}

const POSTGRES: Names = Names {
    script: include_str!("data/chinook/postgres.sql"),
    invoice: "invoice",
    line: "invoice_line",
    invoice_id: "invoice_id",
    line_id: "invoice_line_id",
    date: "invoice_date",
    since: "since: { column: invoice_date, zone: UTC }",
    country: "billing_country",
    price: "unit_price",
    month: "to_char(invoice_date, 'YYYY-MM')",
    findings: &[
        ("durability_weak", &[""]),
        ("evidence_unanchored", &[""]),
        ("references_keep_rows", &["public.invoice_line.invoice_id"]),
        ("since_not_indexed", &["public.invoice.invoice_date"]),
        ("tls_unverified", &[""]),
    ],
};

const SQLITE: Names = Names {
    script: include_str!("data/chinook/sqlite.sql"),
    invoice: "Invoice",
    line: "InvoiceLine",
    invoice_id: "InvoiceId",
    line_id: "InvoiceLineId",
    date: "InvoiceDate",
    since: "since: { column: InvoiceDate, zone: UTC, as: timestamp }",
    country: "BillingCountry",
    price: "UnitPrice",
    month: "substr(InvoiceDate, 1, 7)",
    findings: &[
        ("evidence_unanchored", &[""]),
        ("foreign_keys_on", &["Invoice"]),
        ("references_keep_rows", &["InvoiceLine.InvoiceId"]),
        ("since_not_indexed", &["Invoice.InvoiceDate"]),
    ],
};

const MYSQL: Names = Names {
    script: include_str!("data/chinook/mysql.sql"),
    since: "since: { column: InvoiceDate, zone: UTC }",
    month: "date_format(InvoiceDate, '%Y-%m')",
    findings: &[
        ("binlog_keeps_rows", &["main"]),
        ("evidence_unanchored", &["main"]),
        ("references_keep_rows", &["InvoiceLine.InvoiceId"]),
        ("since_not_indexed", &["Invoice.InvoiceDate"]),
        ("tls_unverified", &["main"]),
    ],
    ..SQLITE
};

/// In the middle of the data, with no invoice on the days around it: it does not matter at which time of the day, or
/// beside which midnight, the test runs.
const CUTOFF: &str = "2023-07-01";

/// What is in the two tables from the cutoff on: totals per country and month in cents, by invoices and by lines.
fn totals(database: &dyn Database, names: &Names) -> Rows {
    let Names { invoice, line, invoice_id, date, country, price, month, .. } = names;
    let integer = if database.is_mysql() { "signed" } else { "integer" };
    let mut rows = database.rows(&format!(
        "select {country}, {month}, count(*), cast(round(sum(total) * 100) as {integer}) from {invoice} \
         where {date} >= '{CUTOFF}' group by 1, 2 order by 1, 2"
    ));
    rows.extend(database.rows(&format!(
        "select {country}, {month}, count(*), cast(round(sum(l.{price} * l.quantity) * 100) as {integer}) \
         from {invoice} i join {line} l on l.{invoice_id} = i.{invoice_id} \
         where {date} >= '{CUTOFF}' group by 1, 2 order by 1, 2"
    )));
    rows
}

/// Deletes lines and invoices before the cutoff; the keys of what is left.
fn purge(database: &dyn Database, names: &Names) -> (Rows, Rows) {
    let Names { invoice, line, invoice_id, line_id, date: column, since, .. } = names;
    database.exec(names.script);
    let before = totals(database, names);
    let due = database.rows(&format!("select {invoice_id} from {invoice} where {column} < '{CUTOFF}' order by 1"));
    let ids: Vec<&str> = due.iter().map(|row| row[0].as_deref().unwrap()).collect();
    let lines = database.count(&format!("select count(*) from {line} where {invoice_id} in ({})", ids.join(",")));
    let today: Date = database.value("select current_date").parse().unwrap();
    let days = (today - CUTOFF.parse::<Date>().unwrap()).get_days();
    let keep_for = format!("keep_for: {days}d");
    // A line has no time of its own: its invoice's number, read as seconds, was long ago. The equality chooses.
    let lines_go = Rule::delete("lines", line, "since")
        .with(&format!("since: {{ column: {invoice_id}, as: unix_s }}"))
        .with(&keep_for)
        .with(&format!("where: {{ {invoice_id}: [{}] }}", ids.join(", ")));
    let invoices_go = Rule::delete("invoices", invoice, "since").with(since).with(&keep_for);
    let program = Program::installed(&Policy::new(&database.url()).rule(&lines_go).rule(&invoices_go));
    let expected = contents(
        database,
        &[
            format!("delete from {line} where {invoice_id} in ({})", ids.join(", ")),
            format!("delete from {invoice} where {column} < '{CUTOFF}'"),
        ],
        &[],
    );

    let prefix = database.schema().map_or_else(|| "main".into(), |schema| format!("main.{schema}"));
    assert_findings(&program, &prefix, 0, names.findings);
    let plans = program.call(&["plan", "--json"]).expect(0).lines();
    let reports = program.call(&["run", "--json"]).expect(0).lines();

    let engine = database.engine();
    let planned: Vec<_> = plans.iter().map(|plan| (&plan["rule"], &plan["due"])).collect();
    let ran: Vec<_> = reports.iter().map(|report| (&report["rule"], &report["changed"])).collect();
    assert_eq!(planned, ran, "{engine}: the plan says what happens, in its order");
    for (report, (rule, changed)) in reports.iter().zip([("lines", lines), ("invoices", due.len() as u64)]) {
        assert_eq!(report["rule"], rule, "{engine}: {report}");
        assert_eq!(report["verdict"], "clean", "{engine}: {report}");
        assert_eq!((&report["changed"], &report["left"]), (&json!(changed), &json!(0)), "{engine}: {report}");
    }
    assert_eq!(reports.len(), 2, "{engine}");
    assert_eq!((due.len(), lines), (208, 1_137), "{engine}: the cutoff bites where it should");
    assert_eq!(program.rows_in_evidence(), lines + due.len() as u64, "{engine}");
    assert_eq!(totals(database, names), before, "{engine}: totals after the cutoff");
    assert_same(&contents(database, &[], &[]), &expected);
    for report in program.call(&["run", "--json"]).expect(0).lines() {
        assert_eq!((&report["verdict"], &report["changed"]), (&json!("clean"), &json!(0)), "{engine}: {report}");
    }
    assert_same(&contents(database, &[], &[]), &expected);
    assert_eq!(database.count(&format!("select count(*) from {invoice} where {column} < '{CUTOFF}'")), 0, "{engine}");
    let keys = |id: &str, table: &str| database.rows(&format!("select {id} from {table} order by 1"));
    (keys(invoice_id, invoice), keys(line_id, line))
}

#[test]
fn invoices_before_the_cutoff_go_and_totals_after_it_stay_on_every_engine() {
    let survivors = std::cell::RefCell::new(vec![]);
    every_engine(|database| {
        let names = match database.engine() {
            "postgres" => &POSTGRES,
            "sqlite" => &SQLITE,
            _ => &MYSQL,
        };
        survivors.borrow_mut().push(purge(database, names));
    });
    let survivors = survivors.into_inner();
    assert!(survivors.iter().all(|other| *other == survivors[0]));
    assert_eq!((survivors[0].0.len(), survivors[0].1.len()), (204, 1_103));
}

#[test]
fn they_go_and_stay_on_a_group_as_on_one_server() {
    if Cluster::Group.is_given() {
        let database = Mysql::on_nodes(Cluster::Group).expect("it is there");
        let (invoices, lines) = purge(&database, &MYSQL);
        assert_eq!((invoices.len(), lines.len()), (204, 1_103));
    }
}
