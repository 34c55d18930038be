//! What a look at a transform finds: what its triggers and keys do, and what would not go in.

use forgetd_connector::Severity::{Error, Warning};
use forgetd_connector::{Action, Grain, Put, Value};
use forgetd_testkit::TestDatabase as _;

use crate::fixture::Database;
use crate::looking::{FAMILY, ids, looked, rewrite, since_at, step};
use crate::server::Product;

#[tokio::test]
async fn a_transform_is_looked_at_by_what_it_writes() {
    for product in Product::each() {
        for (sql, column, put, expected) in [
            (FAMILY, "name", Put::Constant(Value::Null), &[][..]),
            (
                "create table item (id int primary key, at datetime not null, name varchar(90), done datetime, key (at), unique key (name(3)))",
                "name",
                Put::Computed,
                &[("not_unique", Error)],
            ),
            (
                "create table item (id int primary key, at datetime not null, name varchar(90), done datetime, key (at), unique key (name(3)))",
                "name",
                Put::Constant(Value::Null),
                &[],
            ),
            (
                "create table item (id int primary key, at datetime not null, name varchar(9), done datetime, key (at), unique key (name));
                 create table child (id int primary key, name varchar(9), foreign key (name) references item (name) on update cascade);
                 create trigger told after update on child for each row set @n = 1",
                "name",
                Put::Computed,
                &[("cascade_past_triggers", Warning)],
            ),
            (
                "create table item (id int primary key, at datetime not null, name varchar(9), done datetime, key (at));
                 create table history (id int, name varchar(9));
                 create trigger keep before update on item for each row insert into history values (old.id, old.name);
                 create trigger none before delete on item for each row delete from history",
                "name",
                Put::Computed,
                &[("trigger_copies", Warning)],
            ),
        ] {
            let database = Database::new(product).await;
            database.sql(sql).await;
            let connector = database.connect("looking").await;
            let mut step = step(&*connector, since_at(), &[], rewrite(&[(column, put)])).await;
            if let Action::Transform(rewrite) = &mut step.action {
                rewrite.follows[0].schema = step.table.name.schema.clone();
            }
            let found = looked(&*connector, &step).await;
            assert_eq!(ids(&found), expected, "{product:?} {sql}\n{found:#?}");
        }
    }
}

#[tokio::test]
async fn constraints_types_and_character_sets_are_tried_on_what_would_be_written() {
    let text = |text: &str| Value::Text(text.into());
    let constant = |value: Value| (Put::Constant(value), vec![]);
    for product in Product::each() {
        let database = Database::new(product).await;
        let connector = database.connect("looking").await;
        for (column, (put, samples), rows, expected) in [
            ("name varchar(90)", constant(text("gone")), "'a'", &[][..]),
            ("name varchar(90) check (name <> 'gone')", constant(text("gone")), "'a'", &[("transform_unfit", Error)]),
            (
                "name varchar(90) collate utf8mb4_general_ci check (name <> 'GONE')",
                constant(text("gone")),
                "'a'",
                &[("transform_unfit", Error)],
            ),
            ("name varchar(90) collate utf8mb4_bin check (name <> 'GONE')", constant(text("gone")), "'a'", &[]),
            (
                "name varchar(90), check (name <> 'its' or id = 1)",
                constant(text("its")),
                "'a'), (2, '2020-01-01', 'b'",
                &[("transform_unfit", Warning)],
            ),
            // What no row has is not written, and NULL breaks no constraint.
            ("name varchar(90) check (name <> 'gone')", constant(text("gone")), "null", &[]),
            (
                "name varchar(90) check (name like 'a%')",
                (Put::Computed, vec![text("tok_1"), text("a")]),
                "'a'",
                &[("transform_unfit", Error)],
            ),
            ("name varchar(90) check (name like 't%')", (Put::Computed, vec![text("tok_1")]), "'t'", &[]),
            ("name varchar(90) character set latin1", constant(text("ö")), "'a'", &[]),
            (
                "name varchar(90) character set latin1",
                constant(text("\u{1F600}")),
                "'a'",
                &[("transform_unfit", Error)],
            ),
            (
                "name varchar(90) character set utf8mb3",
                constant(text("\u{1F600}")),
                "'a'",
                &[("transform_unfit", Error)],
            ),
            ("name varchar(90)", constant(text("\u{1F600}")), "'a'", &[]),
            ("name int unsigned", constant(Value::Int(-1)), "1", &[("transform_unfit", Error)]),
            ("name int", constant(Value::Int(-1)), "1", &[]),
            (
                "name date check (name > '2020-06-01')",
                (Put::Coarser(Grain::Year), vec![]),
                "'2020-07-01'",
                &[("transform_unfit", Error)],
            ),
        ] {
            let table = format!(
                "drop table if exists item; create table item (id int primary key, at datetime not null, {column}, done datetime, key (at)); \
                 insert into item (id, at, name) values (1, '2020-01-01', {rows})"
            );
            database.sql(&table).await;
            let mut step = step(&*connector, since_at(), &[], rewrite(&[("name", put)])).await;
            if let Action::Transform(rewrite) = &mut step.action {
                rewrite.places[0].samples = samples;
            }
            let found = looked(&*connector, &step).await;
            assert_eq!(ids(&found), expected, "{product:?} {table}\n{found:#?}");
        }
    }
}
