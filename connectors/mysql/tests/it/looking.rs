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

pub(crate) fn since_at() -> Since {
    Since::Column(SinceColumn { column: "at".into(), zone: Some(jiff::tz::TimeZone::UTC), form: None })
}

pub(crate) fn selection(since: Since) -> Selection {
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
pub(crate) async fn step(connector: &dyn Connector, since: Since, others: &[&str], action: Action) -> Step {
    let names: Vec<TableRef> = std::iter::once("item").chain(others.iter().copied()).map(TableRef::parse).collect();
    let mut tables = connector.describe(&names).await.unwrap().tables.into_iter();
    let table = tables.next().unwrap();
    let selection = Selection { table: table.name.clone(), ..selection(since) };
    let atomicity = table.atomicity;
    Step { rule: "r".into(), selection, table, others: tables.collect(), action, atomicity, may_cascade: vec![] }
}

pub(crate) async fn looked(connector: &dyn Connector, step: &Step) -> Vec<Finding> {
    let mut findings = found(connector, step).await;
    findings.retain(|finding| !ALWAYS.contains(&finding.id.as_str()));
    findings
}

/// Everything that is said, in order.
pub(crate) async fn found(connector: &dyn Connector, step: &Step) -> Vec<Finding> {
    let mut findings = connector.preflight(step).await.unwrap();
    findings.sort_by(|a, b| (&a.id, &a.place).cmp(&(&b.id, &b.place)));
    findings
}

pub(crate) fn ids(findings: &[Finding]) -> Vec<(&str, Severity)> {
    findings.iter().map(|finding| (finding.id.as_str(), finding.severity)).collect()
}

pub(crate) fn rewrite(places: &[(&str, Put)]) -> Action {
    let place = |(column, put): &(&str, Put)| Place {
        path: Path { column: (*column).into(), steps: vec![] },
        put: put.clone(),
        samples: vec![],
    };
    let marker = Marker { column: "done".into(), value: Value::Text("2025-01-01 00:00:00".into()) };
    Action::Transform(Rewrite {
        version: None,
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
        product: Some(Product::MariaDb),
        sql: "create table item (id int primary key, at datetime not null, key (at));
              create table child (id int primary key, item int, foreign key (item) references item (id) on delete cascade)
                with system versioning",
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

pub(crate) const FAMILY: &str = "\
create table item (id int primary key, at datetime not null, name varchar(9), done datetime,
  moved timestamp default current_timestamp on update current_timestamp, key (at), key (name));
create table child (id int primary key, item int, foreign key (item) references item (id) on delete cascade);
create table note (id int primary key, item int, foreign key (item) references item (id) on delete set null);
create table activity (item int, at datetime, foreign key (item) references item (id));
create trigger t before delete on item for each row set @n = 1; create trigger u before update on item for each row set @n = 1";

pub(crate) fn latest() -> Since {
    let at = SinceColumn { column: "at".into(), zone: Some(jiff::tz::TimeZone::UTC), form: None };
    let on = vec![Joined { other: "item".into(), own: "id".into() }];
    Since::Latest(Box::new(Latest { table: TableRef::parse("activity"), at: at.clone(), on, or: Some(at) }))
}

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

#[tokio::test]
async fn activity_is_guarded_by_a_foreign_key_either_way() {
    const ITEM: &str = "create table item (id int primary key, at datetime not null, other int, key (at)); ";
    for product in Product::each() {
        for (sql, guarded) in [
            ("create table activity (item int, at datetime, key (item))", false),
            ("create table activity (item int, at datetime, foreign key (item) references item (id))", true),
            (
                "create table activity (item int primary key, at datetime); alter table item add foreign key (id) references activity (item)",
                true,
            ),
            (
                "create table activity (item int, at datetime, b int, key (item), foreign key (b) references item (id))",
                false,
            ),
        ] {
            let database = Database::new(product).await;
            database.sql(&format!("{ITEM}{sql}")).await;
            let connector = database.connect("looking").await;
            let step = step(&*connector, latest(), &["activity"], Action::Delete).await;
            let found = looked(&*connector, &step).await;
            let expected: &[_] = if guarded { &[] } else { &[("latest_unguarded", Warning)] };
            assert_eq!(ids(&found), expected, "{product:?} {sql}");
        }
    }
}

#[tokio::test]
async fn an_event_that_does_the_same_job_is_named() {
    for product in Product::each() {
        let database = Database::new(product).await;
        database
            .sql(&format!(
                "{ITEM} create table items (id int);
                 create procedure tidy() delete from item where at < now();
                 create event a on schedule every 1 year starts '2037-01-01' do delete from item where at < now();
                 create event b on schedule every 1 year starts '2037-01-01' do call tidy();
                 create event c on schedule every 1 year starts '2037-01-01' disable do truncate item;
                 create event d on schedule every 1 year starts '2037-01-01' do delete from items"
            ))
            .await;
        let runs = database.texts("select @@event_scheduler").await == ["ON"];
        let connector = database.connect("looking").await;
        let step = step(&*connector, since_at(), &[], Action::Delete).await;
        let found = looked(&*connector, &step).await;
        let severity = if runs { Warning } else { Info };
        assert_eq!(ids(&found), [("other_retention", severity); 2], "{product:?}");
        for (finding, event) in found.iter().zip(["a", "b"]) {
            assert!(finding.fix.ends_with(&format!("`.`{event}` disable`")), "{}", finding.fix);
        }
    }
}

#[tokio::test]
async fn tables_of_forgetd_are_not_touched() {
    for product in Product::each() {
        let database = Database::new(product).await;
        let control = database.control();
        database
            .sql(&format!("create database {control}; create table {control}.item (id int primary key, at datetime)"))
            .await;
        let connector = database.connect("looking").await;
        let table = TableRef { schema: Some(control), name: "item".into() };
        let mut step_of = connector.describe(std::slice::from_ref(&table)).await.unwrap();
        let described = step_of.tables.remove(0);
        let selection = Selection { table, ..selection(since_at()) };
        let step = Step {
            rule: "r".into(),
            selection,
            atomicity: described.atomicity,
            table: described,
            others: vec![],
            action: Action::Delete,
            may_cascade: vec![],
        };
        assert_eq!(ids(&looked(&*connector, &step).await), [("table_kind", Error)]);
    }
}

#[tokio::test]
async fn what_the_server_does_not_read_is_said() {
    for product in Product::each() {
        let database = Database::new(product).await;
        database.sql("create table item (id int primary key, at datetime not null, key (at))").await;
        let connector = database.connect("looking").await;
        for (native, expected) in [
            ("id % 2 = 0", &[][..]),
            ("id ilike 'a'", &[("where_native", Error)]),
            ("nothing = 1", &[("where_native", Error)]),
            ("id = 1; drop table item", &[("where_native", Error)]),
        ] {
            let mut step = step(&*connector, since_at(), &[], Action::Delete).await;
            step.selection.terms.native = Some(native.into());
            let found = looked(&*connector, &step).await;
            assert_eq!(ids(&found), expected, "{product:?} {native}\n{found:#?}");
        }
    }
}
