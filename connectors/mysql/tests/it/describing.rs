//! What the connector says of tables, on both products.

use forgetd_connector::{Atomicity, ColumnKind, Connector, OnDelete, Table, TableKind, TableRef, Writable};
use forgetd_testkit::TestDatabase as _;

use crate::fixture::Database;
use crate::server::Product;

async fn database(product: Product, sql: &str) -> (Database, Box<dyn Connector>) {
    let database = Database::new(product).await;
    database.sql(sql).await;
    let connector = database.connect("describing").await;
    (database, connector)
}

async fn described(connector: &dyn Connector, name: &str) -> Table {
    let catalog = connector.describe(&[TableRef::parse(name)]).await.unwrap();
    catalog.tables.into_iter().next().unwrap()
}

async fn columns_keys_and_indexes(product: Product) {
    let (database, connector) = database(
        product,
        "create table item (
           a int unsigned, b varchar(20) collate utf8mb4_bin not null, c datetime(3), t text, flag boolean, bits bit(1),
           kind enum('x','y''z') not null, uuid binary(16) not null, huge bigint unsigned, price decimal(10, 2),
           at timestamp(6) not null default current_timestamp(6) on update current_timestamp(6), doc json,
           double_a int as (a * 2) stored, secret int invisible,
           unique key u (uuid), unique key ab (a, b), key c (c desc), key prefix (c, t(10)), key only_prefix (t(5)),
           primary key (b, kind))",
    )
    .await;
    let table = described(&*connector, "item").await;
    let name = TableRef { schema: Some(database.name.text.clone()), name: "item".into() };
    assert_eq!((&table.name, &table.asked), (&name, &TableRef::parse("item")));
    assert_eq!((table.kind, table.atomicity), (TableKind::Plain, Atomicity::Atomic));
    assert_eq!(table.key, ["b", "kind"]);
    let indexes: Vec<(&str, String, bool)> =
        table.indexes.iter().map(|index| (index.name.as_str(), index.columns.join(","), index.unique)).collect();
    let expected = [
        ("PRIMARY", "b,kind", true),
        ("ab", "a,b", true),
        ("c", "c", false),
        ("prefix", "c", false),
        ("u", "uuid", true),
    ];
    assert_eq!(indexes, expected.map(|(name, columns, unique)| (name, columns.to_owned(), unique)));
    for (name, kind, type_name, nullable) in [
        ("a", ColumnKind::Integer, "int unsigned", true),
        ("b", ColumnKind::Text, "varchar", false),
        ("c", ColumnKind::NaiveTime, "datetime(3)", true),
        ("flag", ColumnKind::Bool, "tinyint(1)", true),
        ("bits", ColumnKind::Bool, "bit(1)", true),
        ("kind", ColumnKind::Other, "enum", false),
        ("uuid", ColumnKind::Other, "binary(16)", false),
        ("huge", ColumnKind::Integer, "bigint unsigned", true),
        ("price", ColumnKind::Number, "decimal", true),
        ("at", ColumnKind::Instant, "timestamp(6)", false),
        ("doc", ColumnKind::Json, "json", true),
        ("secret", ColumnKind::Integer, "int", true),
    ] {
        let column = table.column(name).unwrap();
        assert_eq!((column.kind, column.type_name.as_str(), column.nullable), (kind, type_name, nullable), "{name}");
    }
    let fit = |name: &str| table.column(name).unwrap().fit.clone();
    assert_eq!(fit("kind").labels, ["x", "y'z"]);
    assert_eq!((fit("b").chars_max, fit("t").chars_max, fit("price").scale), (Some(20), Some(65_535), Some(2)));
    assert_eq!(fit("double_a").writable, Writable::Generated);
    let touched: Vec<&str> =
        table.columns.iter().filter(|column| column.fit.touched).map(|column| column.name.as_str()).collect();
    assert_eq!(touched, ["at"]);
}

async fn foreign_keys(product: Product) {
    let (database, connector) = database(
        product,
        "create table a (id int primary key, x int not null, y int not null, unique key xy (x, y));
         create table b (id int primary key, a int, constraint ba foreign key (a) references a (id) on delete cascade);
         create table c (id int primary key, b int, constraint cb foreign key (b) references b (id) on delete set null on update cascade);
         create table d (id int primary key, x int, y int, constraint da foreign key (x, y) references a (x, y))",
    )
    .await;
    let table = described(&*connector, "a").await;
    let keys: Vec<(&str, &str, String, String, OnDelete, bool)> = table
        .referenced_by
        .iter()
        .map(|key| {
            let columns = (key.child_columns.join(","), key.parent_columns.join(","));
            (key.name.as_str(), key.child.name.as_str(), columns.0, columns.1, key.on_delete, key.follows)
        })
        .collect();
    let expected = [
        ("ba", "b", "a", "id", OnDelete::Cascade, false),
        ("cb", "c", "b", "id", OnDelete::Set, true),
        ("da", "d", "x,y", "x,y", OnDelete::Refuse, false),
    ];
    let expected = expected.map(|(name, child, own, theirs, action, follows)| {
        (name, child, own.to_owned(), theirs.to_owned(), action, follows)
    });
    assert_eq!(keys, expected);
    let own = described(&*connector, "d").await.references;
    assert_eq!(
        (own[0].name.as_str(), own[0].columns.join(","), own[0].parent.name.as_str()),
        ("da", "x,y".into(), "a")
    );
    drop(database);
}

async fn kinds_and_keys(product: Product) {
    let (database, connector) = database(
        product,
        "create table m (id int, at date) engine = myisam;
         create table u (id int not null, n int, unique key nulls (n), unique key whole (id));
         create table w (id varchar(300) not null, unique key part (id(10)));
         create view v as select id from u;
         create table p (id int not null, at date not null, n int, primary key (id, at)) partition by range (to_days(at))
           (partition old values less than (to_days('2020-01-01')), partition rest values less than maxvalue);
         create table h (id int primary key, n int) partition by key () partitions 2",
    )
    .await;
    for (name, kind, key, atomicity) in [
        ("m", TableKind::Plain, "", Atomicity::Sealed),
        ("u", TableKind::Plain, "id", Atomicity::Atomic),
        ("w", TableKind::Plain, "", Atomicity::Atomic),
        ("v", TableKind::View, "", Atomicity::Atomic),
        ("p", TableKind::Plain, "id,at", Atomicity::Atomic),
    ] {
        let table = described(&*connector, name).await;
        assert_eq!((table.kind, table.key.join(","), table.atomicity), (kind, key.to_owned(), atomicity), "{name}");
    }
    for (table, column, partitions) in [("p", "at", true), ("p", "n", false), ("h", "id", true), ("h", "n", false)] {
        let table = described(&*connector, table).await;
        assert_eq!(table.column(column).unwrap().fit.partitions, partitions, "{column}");
    }
    let view = described(&*connector, "v").await;
    let rows_in: Vec<&str> = view.rows_in.iter().map(|table| table.name.as_str()).collect();
    let expected: &[&str] = if product == Product::MySql { &["u"] } else { &[] };
    assert_eq!(rows_in, expected);
    drop(database);
}

async fn names(product: Product) {
    let (database, connector) = database(
        product,
        "create table `It.em` (id int primary key); create table item (id int primary key);
         create view v as select id from item",
    )
    .await;
    let schema = &database.name.text;
    let asked = ["item", "missing", "It\\.em", &format!("{schema}.item"), "nowhere.item"].map(TableRef::parse);
    let catalog = connector.describe(&asked).await.unwrap();
    let found: Vec<&TableRef> = catalog.tables.iter().map(|table| &table.asked).collect();
    assert_eq!(found, [&asked[0], &asked[2], &asked[3]]);
    assert!(connector.describe(&[]).await.unwrap().tables.is_empty());
    let own = connector.tables().await.unwrap().into_iter().filter(|table| table.schema.as_deref() == Some(schema));
    assert_eq!(own.map(|table| table.name).collect::<Vec<_>>(), ["It.em", "item"]);
    // A table that rows came into is not described by what was known before.
    database.sql("insert into item values (1), (2), (3); analyze table item").await;
    assert_eq!(described(&*connector, "item").await.rows_estimate, Some(3));
}

async fn history_and_sequences() {
    let (database, connector) = database(
        Product::MariaDb,
        "create table s (id int primary key) with system versioning; create sequence q;
         create table j (id int primary key, doc json, text longtext, checked int check (checked > 0))",
    )
    .await;
    assert_eq!(described(&*connector, "s").await.kind, TableKind::Plain);
    assert_eq!(described(&*connector, "q").await.kind, TableKind::Foreign);
    let table = described(&*connector, "j").await;
    assert_eq!(table.column("doc").unwrap().kind, ColumnKind::Json);
    assert_eq!(table.column("text").unwrap().kind, ColumnKind::Text);
    drop(database);
}

#[tokio::test]
async fn columns_keys_and_indexes_are_told_alike_by_both() {
    for product in Product::each() {
        columns_keys_and_indexes(product).await;
    }
}

#[tokio::test]
async fn foreign_keys_are_followed_as_far_as_deletes_go() {
    for product in Product::each() {
        foreign_keys(product).await;
    }
}

#[tokio::test]
async fn engines_views_and_partitions_are_known() {
    for product in Product::each() {
        kinds_and_keys(product).await;
    }
}

#[tokio::test]
async fn a_name_means_one_table_as_it_is_written() {
    for product in Product::each() {
        names(product).await;
    }
}

#[tokio::test]
async fn a_key_that_mysql_made_by_itself_is_one() {
    if !Product::MySql.is_there() {
        return;
    }
    let sql = "set session sql_generate_invisible_primary_key = on; create table item (n int)";
    let (database, connector) = database(Product::MySql, sql).await;
    let table = described(&*connector, "item").await;
    assert_eq!(table.key, ["my_row_id"]);
    assert_eq!(table.column("my_row_id").unwrap().type_name, "bigint unsigned");
    drop(database);
}

#[tokio::test]
async fn only_mariadb_has_histories_and_sequences() {
    history_and_sequences().await;
}
