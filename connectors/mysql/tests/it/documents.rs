//! Servers that do not give back a text as its JSON holds it are refused, as far as it matters.

use forgetd_connector::{Cause, Check, Comparison, Finding, Path, Predicate, Test, Value};

use crate::fixture::{arena, selection, step};
use crate::server::Product;

#[tokio::test]
async fn a_server_that_misreads_documents_is_refused() {
    for product in Product::each() {
        let table = "create table item (id int primary key, at date not null, doc json, key (at))";
        let (arena, database) = arena(product, table).await;
        let version = database.texts("select version()").await.remove(0);
        let is = |begin: &str| version.starts_with(begin) && version.contains("MariaDB");
        let check = Check::Compare(Comparison::Equal, Value::Text("a".into()));
        let mut inside = selection("item");
        let path = Path::parse("doc.name").unwrap();
        inside.terms.predicate = Predicate::Test(Test { path, check, or_null: false });
        let inside = arena.step(inside).await;
        for (step, refused) in [(step(&arena, "item").await, is("10.11.5-")), (inside, is("10.11.5-") || is("11.4.5-"))]
        {
            let found = arena.connector.preflight(&step).await.unwrap();
            let causes: Vec<Cause> = found.iter().filter_map(Finding::blocking_cause).collect();
            assert_eq!(causes, if refused { vec![Cause::Unsupported] } else { vec![] }, "{version} {found:?}");
        }
    }
}
