//! What tests ask of a database, whatever its engine.

use super::{Mysql, Postgres, Roles as _, Sqlite};

/// Rows as text; NULL is `None`.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// A database of the test's own. It is gone when dropped.
pub(crate) trait Database {
    /// The engine's name, for messages and for the few statements that differ.
    fn engine(&self) -> &'static str;

    /// The URL for `databases:`; it needs no password.
    fn url(&self) -> String;

    /// Runs statements as the owner of everything.
    fn exec(&self, sql: &str);

    /// Rows as text; NULL is `None`.
    fn rows(&self, sql: &str) -> Rows;

    /// The names of all tables but our own, ready to stand in a statement.
    fn tables(&self) -> Vec<String>;

    /// One of our own tables, as it stands in a statement.
    fn control_table(&self, name: &str) -> String;

    /// The name of more control tables, for another installation that works on the same database.
    fn more_control(&self) -> String {
        "forgetd_reference".into()
    }

    /// What stands before the names of its tables where nobody wrote it: it differs from test to test.
    fn schema(&self) -> Option<&str> {
        None
    }

    /// Rows of each query as they would be if these statements ran; nothing of it stays.
    fn supposing(&self, statements: &[String], queries: &[String]) -> Vec<Rows>;

    /// The only value of the only row.
    fn value(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        assert!(rows.len() == 1 && rows[0].len() == 1, "not one value: {sql}");
        rows[0][0].clone().unwrap_or_default()
    }

    /// The type of moments without a zone.
    fn naive(&self) -> &'static str {
        if self.engine() == "postgres" { "timestamp" } else { "datetime" }
    }

    /// Whether it speaks MySQL's SQL, whichever product it is.
    fn is_mysql(&self) -> bool {
        matches!(self.engine(), "mariadb" | "mysql")
    }

    /// The only value of the only row, as a number.
    fn count(&self, sql: &str) -> u64 {
        self.value(sql).parse().expect("a number")
    }
}

/// Runs a test on a fresh database of every engine.
pub(crate) fn every_engine(test: impl Fn(&dyn Database)) {
    test(&Postgres::database());
    test(&Sqlite::database());
    Mysql::each().for_each(|database| test(&database));
}

#[test]
fn every_fixture_answers() {
    every_engine(|database| {
        database.exec("create table t (id integer primary key, note text)");
        database.exec("insert into t values (1, 'a'), (2, null)");
        assert_eq!(database.count("select count(*) from t"), 2, "{}", database.engine());
        assert_eq!(database.rows("select note from t where id = 2"), [[None]]);
    });
    for database in Mysql::each() {
        database.exec("create table t (id integer primary key, note text); insert into t values (1, 'a'), (2, null)");
        let supposed = database.supposing(&["delete from t".into()], &["select * from t".into()]);
        assert_eq!((supposed, database.count("select count(*) from t")), (vec![vec![]], 2), "{}", database.engine());
        assert_eq!(
            (database.rows("select note from t where id = 2"), database.tables()),
            (vec![vec![None]], vec!["`t`".into()])
        );
    }
    let database = Postgres::database();
    let role = database.role();
    let session = super::Session::open(&database.url_as(&role));
    assert_eq!(session.rows("select current_user"), [[Some(role)]]);
    let session = super::Session::open(&super::through_pgbouncer(&database));
    assert_eq!(session.rows("select current_database()"), [[Some(database.name().to_owned())]]);
}
