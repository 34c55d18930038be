//! What a look at a step finds, on both products.

use forgetd_connector::{
    Action, Connector, Cutoff, Finding, Joined, Latest, Marker, Path, Place, Predicate, Put, Rewrite, Selection,
    Severity, Since, SinceColumn, Step, TableRef, Terms, Value, WhenNull,
};
use forgetd_testkit::TestDatabase as _;

use crate::fixture::Database;
use crate::server::Product;

/// One table and what is said of deleting from it.
struct Case {
    product: Option<Product>,
    sql: &'static str,
    /// Identifiers and severities, in the order of the first; those that every server of the tests gives left out.
    expected: &'static [(&'static str, Severity)],
}

use Severity::{Error, Info, Warning};

/// What the servers of the tests bring along: neither has a certificate that somebody trusts, one keeps its log for ever.
const ALWAYS: &[&str] = &["tls_unverified", "binlog_keeps_rows"];

const ITEM: &str = "create table item (id int primary key, at datetime not null, key (at)); ";

fn since_at() -> Since {
    Since::Column(SinceColumn { column: "at".into(), zone: Some(jiff::tz::TimeZone::UTC), form: None })
}

fn selection(since: Since) -> Selection {
    let terms = Terms {
        since,
        cutoff: Cutoff("2025-01-01T00:00:00Z".parse().unwrap()),
        when_null: WhenNull::Keep,
        predicate: Predicate::All(vec![]),
        native: None,
    };
    Selection::new(TableRef::parse("item"), terms)
}

/// The step that does this to `item`; it looks into whatever else of its database is named.
async fn step(connector: &dyn Connector, since: Since, others: &[&str], action: Action) -> Step {
    let names: Vec<TableRef> = std::iter::once("item").chain(others.iter().copied()).map(TableRef::parse).collect();
    let mut tables = connector.describe(&names).await.unwrap().tables.into_iter();
    let table = tables.next().unwrap();
    let selection = Selection { table: table.name.clone(), ..selection(since) };
    let atomicity = table.atomicity;
    Step { rule: "r".into(), selection, table, others: tables.collect(), action, atomicity, may_cascade: vec![] }
}

async fn looked(connector: &dyn Connector, step: &Step) -> Vec<Finding> {
    let mut findings = connector.preflight(step).await.unwrap();
    findings.retain(|finding| !ALWAYS.contains(&finding.id.as_str()));
    findings.sort_by(|a, b| (&a.id, &a.place).cmp(&(&b.id, &b.place)));
    findings
}

fn ids(findings: &[Finding]) -> Vec<(&str, Severity)> {
    findings.iter().map(|finding| (finding.id.as_str(), finding.severity)).collect()
}

fn rewrite(places: &[(&str, Put)]) -> Action {
    let place = |(column, put): &(&str, Put)| Place {
        path: Path { column: (*column).into(), steps: vec![] },
        put: put.clone(),
        samples: vec![],
    };
    let marker = Marker { column: "done".into(), value: Value::Text("2025-01-01 00:00:00".into()) };
    Action::Transform(Rewrite {
        marker: Some(marker),
        places: places.iter().map(place).collect(),
        follows: vec![TableRef::parse("child")],
    })
}

const CASES: &[Case] = &[
    Case { product: None, sql: "create table item (id int primary key, at datetime not null, key (at))", expected: &[] },
    Case {
        product: None,
        sql: "create table item (id int, at datetime not null, key (at))",
        expected: &[("no_key", Error)],
    },
    Case {
        product: None,
        sql: "create table item (id varchar(300) not null, at datetime not null, key (at), unique key (id(10)))",
        expected: &[("no_key", Error)],
    },
    Case {
        product: None,
        sql: "create table item (id int primary key, at datetime not null, key (at)) engine = myisam",
        expected: &[("not_transactional", Info)],
    },
    Case {
        product: Some(Product::MariaDb),
        sql: "create table item (id int primary key, at datetime not null, key (at)) engine = aria",
        expected: &[("not_transactional", Info)],
    },
    Case {
        product: None,
        sql: "create table item (id int not null, at datetime not null) engine = csv",
        expected: &[("unsupported", Error)],
    },
    Case {
        product: Some(Product::MariaDb),
        sql: "create table item (id int primary key, at datetime not null, key (at)) with system versioning",
        expected: &[("history_kept", Error)],
    },
    Case {
        product: None,
        sql: "create table item (id int primary key, at datetime not null, key (at));
              create trigger no before delete on item for each row
              begin if old.id = 1 then signal sqlstate '45000' set message_text = 'no'; end if; end",
        expected: &[("trigger_before_delete", Warning)],
    },
    Case {
        product: None,
        sql: "create table item (id int primary key, at datetime not null, key (at)); create table audit (id int);
              create trigger keep after delete on item for each row insert into audit values (old.id)",
        expected: &[("trigger_copies", Warning)],
    },
    Case {
        product: None,
        sql: "create table item (id int primary key, at datetime not null, key (at)); create table audit (id int);
              create trigger gone after delete on item for each row delete from audit where id = old.id",
        expected: &[("effect_differs", Error)],
    },
    Case {
        product: None,
        sql: "create table item (id int primary key, at datetime not null, key (at)); create table audit (id int);
              create procedure gone(n int) delete from audit where id = n;
              create trigger gone after delete on item for each row call gone(old.id)",
        expected: &[("effect_differs", Error)],
    },
    Case {
        product: None,
        sql: "create table item (id int primary key, at datetime not null, key (at)); create table audit (id int);
              create trigger other after update on item for each row delete from audit where id = old.id;
              create trigger more before insert on item for each row set new.at = now()",
        expected: &[],
    },
    Case {
        product: None,
        sql: "create table item (id int primary key, at datetime not null, key (at)); create table audit (id int);
              create table child (id int primary key, item int, foreign key (item) references item (id) on delete cascade);
              create trigger keep after delete on child for each row insert into audit values (old.id)",
        expected: &[("trigger_copies", Warning)],
    },
    Case {
        product: None,
        sql: "create table item (id int primary key, at datetime not null, key (at));
              create table child (id int primary key, item int, foreign key (item) references item (id) on delete set null);
              create trigger told after update on child for each row set @n = 1",
        expected: &[("cascade_past_triggers", Warning)],
    },
    Case {
        product: None,
        sql: "create table item (id int primary key, at datetime not null, key (at));
              create table child (id int primary key, item_id int, item_name int);
              create table bound (id int primary key, item_id int, foreign key (item_id) references item (id));
              create table text_child (id int primary key, item_id text)",
        expected: &[("reference_without_key", Info)],
    },
    Case {
        product: None,
        sql: "create table item (id int primary key, at datetime not null, key (at));
              insert into item values (1, '0000-00-00'), (2, '2020-05-00'), (3, '2020-05-01')",
        expected: &[("zero_dates", Warning)],
    },
    Case {
        product: Some(Product::MySql),
        sql: "create table item (id int primary key, at datetime not null, key hidden (at) invisible)",
        expected: &[("index_unusable", Info)],
    },
    Case {
        product: Some(Product::MariaDb),
        sql: "create table item (id int primary key, at datetime not null, key hidden (at) ignored)",
        expected: &[("index_unusable", Info)],
    },
];

#[tokio::test]
async fn tables_say_what_would_keep_a_delete_from_doing_what_it_says() {
    for product in Product::each() {
        for case in CASES.iter().filter(|case| case.product.is_none_or(|only| only == product)) {
            let database = Database::new(product).await;
            database.sql(case.sql).await;
            let connector = database.connect("looking").await;
            let step = step(&*connector, since_at(), &[], Action::Delete).await;
            let found = looked(&*connector, &step).await;
            assert_eq!(ids(&found), case.expected, "{product:?} {}\n{found:#?}", case.sql);
            for finding in &found {
                assert!(finding.place.starts_with("crm") && !finding.fix.is_empty(), "{finding:?}");
            }
        }
    }
}
