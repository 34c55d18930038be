//! Control tables: made once, looked at without a trace, and nothing private in them after a run.

use forgetd_connector::{Cause, Commit, ControlState, Endless, FaultClass, Installed, Key, Receipt, SealEnd, Value};

use crate::fixture::{File, arena, connect, context, dated};

#[tokio::test]
async fn installing_again_changes_nothing() {
    let file = File::new();
    let connector = connect(&file.path(), "x").await;
    let ControlState::Missing(missing) = connector.control().inspect().await.unwrap() else { panic!("not fresh") };
    assert_eq!(missing.len(), 13);
    let Installed::Created(generation) = connector.control().install().await.unwrap() else { panic!("was there") };
    assert_eq!(connector.control().install().await.unwrap(), Installed::Unchanged(generation.clone()));
    assert_eq!(connector.control().inspect().await.unwrap(), ControlState::Ready(generation.clone()));
    // A missing table is never quietly made again; only by installing, and then under a new generation.
    file.open().execute_batch("drop table forgetd_receipt").unwrap();
    let state = connector.control().inspect().await.unwrap();
    assert_eq!(state, ControlState::Missing(vec!["forgetd_receipt".into()]));
    let Installed::Created(next) = connector.control().install().await.unwrap() else { panic!("nothing was missing") };
    assert_ne!(next, generation);
    // Tables by which no receipt is known may be younger than the others.
    file.open().execute_batch("drop table forgetd_standing; drop table forgetd_request").unwrap();
    let ControlState::Missing(missing) = connector.control().inspect().await.unwrap() else { panic!("dropped") };
    assert_eq!(missing, ["forgetd_standing", "forgetd_request"]);
    assert_eq!(connector.control().install().await.unwrap(), Installed::Created(next.clone()));
    assert_eq!(connector.control().inspect().await.unwrap(), ControlState::Ready(next));
    file.open().execute_batch("delete from forgetd_control").unwrap();
    assert!(matches!(connector.control().inspect().await.unwrap(), ControlState::Missing(_)));
}

#[tokio::test]
async fn another_version_is_left_alone() {
    let (arena, file) = arena("").await;
    file.open().execute_batch("update forgetd_control set version = 7").unwrap();
    assert_eq!(arena.connector.control().inspect().await.unwrap(), ControlState::OtherVersion(7));
    let fault = arena.connector.control().install().await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::ControlTables));
}

#[tokio::test]
async fn the_printed_definition_is_what_install_makes() {
    let file = File::new();
    let mut own = context("x");
    own.control_name = "it's `odd`".into();
    let connector = forgetd_sqlite::connect(forgetd_sqlite::Config { path: file.path() }, own).await.unwrap();
    file.open().execute_batch(&connector.control().ddl()).unwrap();
    let ControlState::Missing(missing) = connector.control().inspect().await.unwrap() else { panic!("no row yet") };
    assert_eq!(missing, ["it's `odd`_control"], "the tables are there, the generation is not");
    assert!(matches!(connector.control().install().await.unwrap(), Installed::Created(_)));
    assert!(matches!(connector.control().inspect().await.unwrap(), ControlState::Ready(_)));
    assert_eq!(
        (connector.control().grants("app"), connector.control().next_sequence("r", "0").await.unwrap()),
        (String::new(), 1)
    );
}

#[tokio::test]
async fn no_key_stays_behind() {
    let (arena, file) = arena(
        "create table item (mail text primary key not null, at date); create index item_at on item (at);
         insert into item values ('marker-a@x', '2024-01-01'), ('marker-b@x', '2024-01-01'), ('marker-c@x', '2024-01-02')",
    )
    .await;
    let control = arena.connector.control();
    let step = dated(&arena, "item").await;
    let mut lane = arena.lane(&step).await;
    let effect = lane.change(&crate::fixture::order(1)).await.unwrap();
    let receipt = arena.receipt("0", 1, effect.next.cursor().cloned());
    assert_eq!(lane.commit(&receipt).await, Commit::Committed);
    let keys = [Key(vec![Value::Text("marker-b@x".into())])];
    let sealed = arena.receipt("s", 1, receipt.cursor.position().cloned());
    assert_eq!(control.seal(&sealed, &keys, &Endless).await, Commit::Committed);
    assert!(dump(&file).contains("marker-b@x"), "the open seal announces its keys");
    assert_eq!(control.unseal(&Receipt { cursor: forgetd_connector::CursorMove::Gone, ..sealed }).await, SealEnd::Done);
    let run = forgetd_connector::RunRow {
        run: "01RUN".into(),
        rule: step.rule.clone(),
        cutoff: "2025-01-01T00:00:00Z".parse().unwrap(),
        rule_digest: String::new(),
        catalog_digest: String::new(),
        started_at: "2025-01-01T00:00:00Z".parse().unwrap(),
        result: Some("{}".into()),
    };
    assert_eq!(control.close(&run, &arena.receipt("-", 1, None)).await, Commit::Committed);
    assert!(!dump(&file).contains("marker"), "{}", dump(&file));
}

/// Everything in the control tables, as text.
fn dump(file: &File) -> String {
    let connection = file.open();
    let mut names = connection
        .prepare("select name from sqlite_schema where type = 'table' and name like 'forgetd\\_%' escape '\\'")
        .unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let mut text = String::new();
    for name in names {
        let mut statement = connection.prepare(&format!("select * from {name}")).unwrap();
        let width = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for at in 0..width {
                text.push_str(&format!("{:?} ", row.get::<_, rusqlite::types::Value>(at).unwrap()));
            }
        }
    }
    text
}
