//! Keys of every type find their rows, carried on the server and listed by us.

use forgetd_connector::{Cause, FaultClass, RowCap};

use crate::fixture::{arena, order, step};
use crate::server::Product;
use crate::steps::{drain_sealed, sealed, tagging};
use forgetd_testkit::TestDatabase as _;

/// A key's columns and constraint, and keys of rows.
struct Case {
    product: Option<Product>,
    columns: &'static str,
    key: &'static str,
    rows: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case { product: None, columns: "a int", key: "a", rows: &["-1", "0", "2147483647"] },
    Case {
        product: None,
        columns: "a bigint unsigned",
        key: "a",
        rows: &["0", "9223372036854775808", "18446744073709551615"],
    },
    Case {
        product: None,
        columns: "a varchar(20) character set latin1 collate latin1_swedish_ci",
        key: "a",
        rows: &["'\u{c5}sa'", "'b'", "'b''\"'", "''", "'\\\\'"],
    },
    Case {
        product: None,
        columns: "a varchar(20) character set utf8mb4 collate utf8mb4_general_ci",
        key: "a",
        rows: &["'\u{1F600}'", "'a'", "'B'"],
    },
    Case {
        product: None,
        columns: "a varchar(20) character set utf8mb4 collate utf8mb4_bin",
        key: "a",
        rows: &["'a'", "'A'", "'\u{e9}'"],
    },
    Case { product: None, columns: "a char(36) character set ascii", key: "a", rows: &["'0-f'", "'1-f'"] },
    Case { product: None, columns: "a binary(16)", key: "a", rows: &["x'00ff'", "x'01'", "repeat(x'ff', 16)"] },
    Case { product: None, columns: "a varbinary(16)", key: "a", rows: &["x''", "x'00'", "x'0000'", "'a'", "'A'"] },
    Case {
        product: None,
        columns: "a datetime(3)",
        key: "a",
        rows: &["'2020-01-01 00:00:00.5'", "'2020-01-01'", "'9999-12-31 23:59:59.999'"],
    },
    Case {
        product: None,
        columns: "a timestamp(6)",
        key: "a",
        rows: &["'2020-01-01 00:00:00.000001'", "'2020-01-01'"],
    },
    Case { product: None, columns: "a date", key: "a", rows: &["'2020-01-01'", "'0001-01-01'"] },
    Case { product: None, columns: "a time(2)", key: "a", rows: &["'-10:00:00.25'", "'838:59:59'"] },
    Case { product: None, columns: "a year", key: "a", rows: &["0000", "1901", "2155"] },
    Case { product: None, columns: "a int(5) unsigned zerofill", key: "a", rows: &["0", "42", "123456"] },
    Case { product: None, columns: "a decimal(20,3)", key: "a", rows: &["-0.001", "0", "12345678901234567.891"] },
    Case { product: None, columns: "a double", key: "a", rows: &["0.1", "-1.5e300", "3"] },
    Case { product: None, columns: "a double zerofill", key: "a", rows: &["0.1", "1.5e30", "3"] },
    Case { product: None, columns: "a float zerofill", key: "a", rows: &["0.1", "1.2345678", "3e30"] },
    Case { product: None, columns: "a decimal(9,2) zerofill", key: "a", rows: &["0.1", "12.34", "3"] },
    Case { product: None, columns: "a float", key: "a", rows: &["0.1", "1.2345678", "123456792", "-3e30"] },
    Case { product: None, columns: "a bit(9)", key: "a", rows: &["b'0'", "b'111111111'"] },
    Case { product: None, columns: "a enum('z','b','a')", key: "a", rows: &["'a'", "'z'", "'b'"] },
    Case { product: None, columns: "a boolean", key: "a", rows: &["true", "false"] },
    Case {
        product: Some(Product::MariaDb),
        columns: "a uuid",
        key: "a",
        rows: &["'00000000-0000-0000-0000-00000000000f'", "'f0000000-0000-0000-0000-000000000000'"],
    },
    Case { product: Some(Product::MariaDb), columns: "a inet6", key: "a", rows: &["'::1'", "'2001:db8::ff'"] },
    Case {
        product: None,
        columns: "a varchar(9) collate utf8mb4_general_ci, b binary(2), c bigint unsigned",
        key: "a, b, c",
        rows: &["'a', x'00ff', 1", "'a', x'00ff', 18446744073709551615", "'B', x'0100', 0", "'c', '', 5"],
    },
];

fn cases(product: Product) -> impl Iterator<Item = &'static Case> {
    CASES.iter().filter(move |case| case.product.is_none_or(|only| only == product))
}

/// The rows twice: due, and not due under another half of the key.
fn tables(case: &Case, engine: &str, key: &str) -> String {
    let Case { columns, rows, .. } = case;
    let columns = columns.replace(", ", " not null, ");
    let rows: Vec<String> = rows
        .iter()
        .flat_map(|row| [format!("({row}, 0, '2020-01-01', 'x')"), format!("({row}, 1, '2026-01-01', 'x')")])
        .collect();
    format!(
        "create table item ({columns} not null, later int not null, at date not null, email varchar(50), \
         {key} ({}, later), key (at)) engine = {engine}; insert into item values {}",
        case.key,
        rows.join(", ")
    )
}

#[tokio::test]
async fn rows_are_found_by_any_key() {
    for product in Product::each() {
        for case in cases(product) {
            for (n, key) in ["primary key", "unique key"].into_iter().enumerate() {
                let (arena, database) = arena(product, &tables(case, "innodb", key)).await;
                let step = step(&arena, "item").await;
                let due = arena.connector.measure(&step, RowCap(None)).await.unwrap().due.rows();
                let rows = case.rows.len() as u64;
                assert_eq!(due, Some(rows), "{product:?} {}", case.columns);
                let done = arena.drain(&step, 2 - n as u32).await;
                assert_eq!((done.changed, done.passed, done.locked), (rows, 0, 0), "{product:?} {}", case.columns);
                assert_eq!(database.texts("select distinct later from item").await, ["1"]);
                assert_eq!(arena.count("item").await, rows as i64, "{product:?} {}", case.columns);
            }
        }
    }
}

#[tokio::test]
async fn rows_are_written_by_any_key() {
    for product in Product::each() {
        for case in cases(product) {
            let (arena, database) = arena(product, &tables(case, "innodb", "primary key")).await;
            let step = tagging(&arena, "item", None).await;
            let rows = case.rows.len() as u64;
            let done = arena.drain(&step, 2).await;
            assert_eq!((done.changed, done.passed, done.unfit), (rows, 0, 0), "{product:?} {}", case.columns);
            let written = database.texts("select distinct email from item where later = 0").await;
            assert_eq!(written, ["p1.x"], "{product:?} {}", case.columns);
            assert_eq!(database.texts("select distinct email from item where later = 1").await, ["x"]);
        }
    }
}

#[tokio::test]
async fn tables_without_transactions_are_worked_sealed() {
    for product in Product::each() {
        for case in cases(product) {
            let (arena, database) = arena(product, &tables(case, "myisam", "primary key")).await;
            let rows = case.rows.len() as u64;
            let writes = tagging(&arena, "item", None).await;
            assert!(!writes.table.atomicity.is_atomic());
            assert_eq!(drain_sealed(&arena, &writes, 2).await, rows, "{product:?} {}", case.columns);
            assert_eq!(database.texts("select distinct email from item where later = 0").await, ["p1.x"]);
            let deletes = step(&arena, "item").await;
            assert_eq!(drain_sealed(&arena, &deletes, 2).await, rows, "{product:?} {}", case.columns);
            assert_eq!(database.texts("select distinct later from item").await, ["1"]);
            assert_eq!(arena.count("item").await, rows as i64);
        }
    }
}

/// What the engine puts where a text was no label has no label: its rows are found all the same.
#[tokio::test]
async fn rows_without_a_label_are_found() {
    for product in Product::each() {
        let made = "create table item (a enum('b', 'a') primary key, at date not null, email varchar(50)) engine = myisam; \
             set sql_mode = ''; insert into item values ('z', '2020-01-01', 'x'), ('a', '2020-01-01', 'x')";
        let (arena, database) = arena(product, made).await;
        let writes = tagging(&arena, "item", None).await;
        assert_eq!(drain_sealed(&arena, &writes, 1).await, 2, "{product:?}");
        assert_eq!(database.texts("select distinct email from item").await, ["p1.x"]);
        let deletes = step(&arena, "item").await;
        assert_eq!(drain_sealed(&arena, &deletes, 2).await, 2, "{product:?}");
        assert_eq!(arena.count("item").await, 0);
    }
}

/// A key that the described table cannot have is not told as gone: its row may be there under another label.
#[tokio::test]
async fn a_label_that_was_renamed_is_not_gone() {
    for product in Product::each() {
        let made = "create table item (a enum('b', 'a') primary key, at date not null) engine = myisam; \
             insert into item values ('b', '2020-01-01'), ('a', '2020-01-01')";
        let (arena, database) = arena(product, made).await;
        let keys = sealed(&arena, &step(&arena, "item").await).await.pick(&order(10)).await.unwrap().keys;
        database
            .sql("alter table item modify a enum('b', 'a', 'c') not null; update item set a = 'c' where a = 'a'")
            .await;
        database.sql("alter table item modify a enum('b', 'c') not null").await;
        let mut lane = sealed(&arena, &step(&arena, "item").await).await;
        for fault in [lane.look(&keys).await.unwrap_err(), lane.finish(&keys).await.unwrap_err()] {
            assert_eq!(fault.class, FaultClass::Blocked(Cause::CatalogDrift), "{fault}");
        }
        assert_eq!(arena.count("item").await, 2);
    }
}
