//! Files: missing, foreign, replaced, and in other journal modes.

use forgetd_connector::{Durability, FaultClass, Severity};
use forgetd_sqlite::Config;

use crate::fixture::{File, arena, connect, context, dated, ids, installed, order};

#[tokio::test]
async fn no_file_is_ever_created() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("typo.db");
    let fault = forgetd_sqlite::connect(Config { path: path.clone() }, context("x")).await.err().unwrap();
    assert_eq!(fault.class, FaultClass::Unreachable);
    assert!(fault.to_string().contains("no such file"), "{fault}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_as_such() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "marker ".repeat(1_000)).unwrap();
    let fault = forgetd_sqlite::connect(Config { path }, context("x")).await.err().unwrap();
    assert!(fault.to_string().contains("no SQLite database"), "{fault}");
    assert!(!fault.to_string().contains("marker"));
}

#[tokio::test]
async fn a_replaced_file_is_opened_anew() {
    let (arena, file) =
        arena("create table item (id integer primary key, at date); insert into item (at) values ('2024-01-01')").await;
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.change(&order(1)).await.unwrap().changed, 1);
    lane.undo().await.unwrap();
    // Another database moves into the old one's place, as a restore does it. It was never installed.
    let other = File::new();
    other
        .open()
        .execute_batch("pragma journal_mode = delete; create table item (id integer primary key, at date)")
        .unwrap();
    for suffix in ["-wal", "-shm"] {
        drop(std::fs::remove_file(format!("{}{suffix}", file.path().display())));
    }
    std::fs::rename(other.path(), file.path()).unwrap();
    let fault = lane.change(&order(1)).await.unwrap_err();
    assert_eq!(fault.cause(), forgetd_connector::Cause::ControlTables, "the batch went to the ghost of the old file");
}

/// The file and its log as they are now, in one file.
fn copy_of(file: &File) -> Vec<u8> {
    let checkpoint = file.open().query_row("pragma wal_checkpoint(truncate)", [], |row| row.get::<_, i64>(0));
    assert_eq!(checkpoint.unwrap(), 0, "nobody is in the way");
    std::fs::read(file.path()).unwrap()
}

fn names(tables: &[forgetd_connector::TableRef]) -> Vec<&str> {
    tables.iter().map(|table| table.name.as_str()).collect()
}

/// An older state is copied over the very file: what was read before is not believed any more.
#[tokio::test]
async fn a_file_that_was_written_over_is_opened_anew() {
    let file = File::new();
    file.open().execute_batch("create table item (id integer primary key)").unwrap();
    let older = copy_of(&file);
    file.open().execute_batch("create table other (id integer primary key)").unwrap();
    drop(copy_of(&file));
    let connector = connect(&file.path(), "x").await;
    assert_eq!(names(&connector.tables().await.unwrap()), ["item", "other"]);
    std::fs::write(file.path(), older).unwrap();
    assert_eq!(names(&connector.tables().await.unwrap()), ["item"]);
}

/// Whoever puts a file back takes its log away, too: nothing is read or written before every connection to the old log is
/// closed.
#[tokio::test]
async fn a_file_whose_log_was_taken_away_is_let_go_of_before_it_is_opened_anew() {
    let file = File::new();
    file.open().execute_batch("create table item (id integer primary key)").unwrap();
    let older = copy_of(&file);
    let (idle, connector) = (connect(&file.path(), "x").await, connect(&file.path(), "x").await);
    // It stands in the log alone.
    file.open().execute_batch("create table other (id integer primary key)").unwrap();
    for opened in [&idle, &connector] {
        assert_eq!(names(&opened.tables().await.unwrap()), ["item", "other"]);
    }
    for suffix in ["-wal", "-shm"] {
        std::fs::remove_file(format!("{}{suffix}", file.path().display())).unwrap();
    }
    std::fs::write(file.path(), older).unwrap();
    let said = "write-ahead log was taken away";
    for _ in 0..2 {
        let fault = connector.tables().await.unwrap_err();
        assert_eq!(fault.class, FaultClass::Disconnected);
        assert!(fault.to_string().contains(said), "{fault}");
    }
    idle.close().await;
    connector.close().await;
    assert_eq!(names(&connector.tables().await.unwrap()), ["item"]);
}

#[tokio::test]
async fn a_file_without_a_log_keeps_its_journal_and_is_worked_on() {
    let file = File::new();
    file.open()
        .execute_batch(
            "pragma journal_mode = delete; create table item (id integer primary key, at date);
             insert into item (at) values ('2024-01-01'), ('2026-01-01')",
        )
        .unwrap();
    let arena = installed(&file).await;
    assert_eq!(arena.connector.facts().durability, Durability::Full);
    let step = dated(&arena, "item").await;
    let findings = arena.connector.preflight(&step).await.unwrap();
    let found = findings.iter().find(|finding| finding.id == "journal_mode").unwrap();
    assert_eq!((found.severity, found.place.as_str()), (Severity::Warning, "crm"));
    assert_eq!(arena.drain(&step, 10).await.changed, 1);
    assert_eq!(ids(&file, "item"), [2]);
    let mode: String = file.open().query_row("pragma journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete");
}

#[tokio::test]
async fn a_reader_that_blocks_the_commit_rolls_the_batch_back() {
    let file = File::new();
    file.open()
        .execute_batch(
            "pragma journal_mode = delete; create table item (id integer primary key, at date);
             insert into item (at) values ('2024-01-01')",
        )
        .unwrap();
    let arena = installed(&file).await;
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.change(&order(10)).await.unwrap().changed, 1);
    let reader = file.open();
    reader.execute_batch("begin").unwrap();
    reader.query_row("select count(*) from item", [], |row| row.get::<_, i64>(0)).unwrap();
    let receipt = arena.receipt("0", 1, None);
    let forgetd_connector::Commit::RolledBack(fault) = lane.commit(&receipt).await else { panic!("committed") };
    assert_eq!(fault.class, FaultClass::Locked);
    reader.execute_batch("rollback").unwrap();
    assert_eq!(ids(&file, "item"), [1]);
    assert_eq!(lane.change(&order(10)).await.unwrap().changed, 1);
    assert_eq!(lane.commit(&receipt).await, forgetd_connector::Commit::Committed);
    assert_eq!(ids(&file, "item"), [0; 0]);
}

#[tokio::test]
async fn a_closed_connector_opens_again() {
    let (arena, file) = arena("create table item (id integer primary key, at date)").await;
    arena.connector.close().await;
    assert!(!file.path().with_extension("db-wal").exists(), "the last connection folds the log in");
    assert_eq!(arena.connector.control().pending_count().await.unwrap(), 0);
    assert_eq!(arena.connector.facts().product, "SQLite");
    let clock = arena.connector.now().await.unwrap();
    assert!(clock > "2024-01-01T00:00:00Z".parse().unwrap());
    connect(&file.path(), "other").await.close().await;
}
