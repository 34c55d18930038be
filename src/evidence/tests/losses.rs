//! Ways on after a loss: rebuilt exactly, or under a new origin, and always with a reason.

use std::collections::BTreeMap;

use forgetd_connector::{Append, Cause, Head, HeadPlace, LeafRow, Published, Receipts as _};

use super::double::Double;
use super::{World, exported};
use crate::evidence::Approval;
use crate::evidence::log::Tail;
use crate::evidence::store::{Folder, FolderStore, Store as _};
use crate::evidence::verify::{Knowledge, LogVerdict, verify};

const APPROVAL: Approval<'static> =
    Approval { instance: "test", term: 1, reason: "the volume broke", signed: BTreeMap::new() };

async fn check(folder: &std::path::Path) {
    let found = verify(&Folder::new(folder), &Knowledge::default()).await.unwrap();
    assert_eq!((found.verdict, found.problems), (LogVerdict::Ok, vec![]));
}

#[tokio::test]
async fn a_lost_folder_is_refused_and_rebuilt_from_receipts() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log");
    let mut world = World::in_folder(&["crm", "shop"], &log);
    world.run("crm", "r1", 300).await;
    world.run("shop", "r2", 5).await;
    world.relay().await.unwrap();
    let checkpoint = std::fs::read(log.join("checkpoint")).unwrap();
    std::fs::remove_dir_all(&log).unwrap();
    let fault = world.start().await.unwrap_err();
    assert_eq!(fault.cause, Cause::Evidence, "{fault}");
    assert!(!log.join("checkpoint").exists());

    let controls = world.controls();
    let recovery = world.relay.recovery(&controls);
    assert!(recovery.look().await.unwrap().rebuildable);
    assert_eq!(recovery.rebuild(None).await.unwrap().size, 307);
    assert_eq!(std::fs::read(log.join("checkpoint")).unwrap(), checkpoint);
    check(&log).await;
    drop(controls);
    world.start().await.unwrap();
}

#[tokio::test]
async fn a_damaged_folder_is_rebuilt_from_a_copy_and_from_no_other() {
    let home = tempfile::tempdir().unwrap();
    let (log, copy, older) = (home.path().join("log"), home.path().join("copy"), home.path().join("older"));
    let mut world = World::in_folder(&["crm"], &log);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    exported(&world, &older).await;
    world.run("crm", "r2", 300).await;
    world.relay().await.unwrap();
    exported(&world, &copy).await;
    let bundle = log.join("tile/entries/000");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    world.database("crm").change(|tables| tables.receipts.clear());
    assert_eq!(world.start().await.unwrap_err().cause, Cause::Evidence);

    let controls = world.controls();
    let recovery = world.relay.recovery(&controls);
    assert!(recovery.rebuild(None).await.is_err());
    assert!(recovery.rebuild(Some(&Folder::new(&older))).await.is_err());
    recovery.rebuild(Some(&Folder::new(&copy))).await.unwrap();
    check(&log).await;
}

#[tokio::test]
async fn a_crash_between_head_and_folder_is_replayed() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log");
    let mut world = World::in_folder(&["crm"], &log);
    world.run("crm", "r1", 300).await;
    // Steps 1 and 2 of one group, and nothing after them.
    let append = step(world.database("crm")).await;
    let folder = Folder::new(&log);
    std::fs::create_dir_all(log.join(".staging")).unwrap();
    std::fs::write(log.join(".staging/7-never-committed"), b"torn").unwrap();
    let published = FolderStore::new(&folder, world.database("crm"), super::ORIGIN).publish(&append, 1).await;
    assert_eq!(published, Published::Done);
    assert!(!log.join("tile").exists());

    assert_eq!(world.start().await.unwrap().head.unwrap().size, 301);
    check(&log).await;
    assert_eq!(std::fs::read_dir(log.join(".staging")).unwrap().count(), 0);
    let relayed = world.relay().await.unwrap();
    assert_eq!((relayed.entries, relayed.acknowledged), (0, 301));
}

/// The first step of a log with everything that is pending.
async fn step(database: &Double) -> Append {
    let pending = database.pending(1000).await.unwrap();
    let mut tail = Tail::default();
    let growth = tail.append(pending.iter().map(|pending| pending.body.as_slice())).unwrap();
    let leaves = pending.iter().zip(&growth.leaves).zip(0..);
    Append {
        expected: None,
        next: Head { origin: super::ORIGIN.into(), size: tail.size(), root: tail.root() },
        leaves: leaves
            .map(|((pending, hash), index)| LeafRow { key: pending.key.clone(), index, hash: *hash })
            .collect(),
        objects: growth.objects.into_iter().map(|(path, bytes)| (path.to_string(), bytes)).collect(),
        superseded: Vec::new(),
    }
}

#[tokio::test]
async fn an_older_folder_put_back_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let (log, older) = (home.path().join("log"), home.path().join("older"));
    let mut world = World::in_folder(&["crm"], &log);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    exported(&world, &older).await;
    world.run("crm", "r2", 3).await;
    world.relay().await.unwrap();
    world.restart();
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(&older, &log).unwrap();
    let fault = world.start().await.unwrap_err();
    assert_eq!(fault.cause, Cause::Evidence, "{fault}");
    assert_eq!(std::fs::read_to_string(log.join("checkpoint")).unwrap().lines().nth(1), Some("4"));
}

#[tokio::test]
async fn what_cannot_be_rebuilt_goes_on_under_a_new_origin_with_the_reason() {
    let mut world = World::in_database(&["crm", "shop"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    let dump = world.database("crm").dump();
    world.run("crm", "r2", 3).await;
    world.run("shop", "r3", 2).await;
    world.relay().await.unwrap();
    world.database("crm").restore(dump);
    assert!(world.start().await.is_err());

    let controls = world.controls();
    let recovered = world.relay.recovery(&controls).go_on(&APPROVAL).await.unwrap();
    assert_eq!(recovered.origin, format!("{}/2", super::ORIGIN));
    assert_eq!(recovered.renewed, ["crm"]);
    drop(controls);

    let folder = tempfile::tempdir().unwrap();
    exported(&world, folder.path()).await;
    check(folder.path()).await;
    let first = std::fs::read(folder.path().join("tile/entries/000.p/1")).unwrap();
    let text = String::from_utf8_lossy(&first);
    assert!(text.contains("the volume broke") && text.contains(&format!("{}\\n11\\n", super::ORIGIN)), "{text}");

    // The next start finds the new origin by itself, and work goes on there.
    world.start().await.unwrap();
    world.run("crm", "r4", 2).await;
    world.run("shop", "r5", 2).await;
    assert_eq!(world.relay().await.unwrap().size, 7);
    let later = tempfile::tempdir().unwrap();
    exported(&world, later.path()).await;
    check(later.path()).await;
}

#[tokio::test]
async fn a_restored_database_gets_a_new_generation_in_the_same_log() {
    let mut world = World::in_database(&["crm", "shop"]);
    world.run("shop", "r1", 3).await;
    world.relay().await.unwrap();
    let dump = world.database("shop").dump();
    world.run("shop", "r2", 3).await;
    world.relay().await.unwrap();
    world.database("shop").restore(dump);
    assert!(world.start().await.is_err());
    let controls = world.controls();
    let recovered = world.relay.recovery(&controls).go_on(&APPROVAL).await.unwrap();
    assert_eq!(
        (recovered.origin.as_str(), recovered.renewed.as_slice()),
        (super::ORIGIN, ["shop".to_owned()].as_slice())
    );
    drop(controls);
    world.start().await.unwrap();
    world.run("shop", "r3", 3).await;
    world.relay().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    exported(&world, folder.path()).await;
    check(folder.path()).await;
}

#[tokio::test]
async fn a_head_row_that_moved_is_written_again_where_somebody_knows_its_head() {
    let mut world = World::in_database(&["crm", "shop"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    world.database("crm").change(|tables| tables.place = HeadPlace::Other);
    assert!(world.start().await.is_err());
    let controls = world.controls();
    let recovered = world.relay.recovery(&controls).go_on(&APPROVAL).await.unwrap();
    assert_eq!((recovered.origin.as_str(), recovered.relayed.size), (super::ORIGIN, 5));
    drop(controls);
    world.start().await.unwrap();
    let controls = world.controls();
    assert!(world.relay.recovery(&controls).go_on(&APPROVAL).await.is_err(), "nothing is wrong any more");
}

#[tokio::test]
async fn a_dump_from_before_an_approved_restore_is_a_restore_again() {
    let mut world = World::in_database(&["crm", "shop"]);
    world.run("shop", "r1", 3).await;
    world.relay().await.unwrap();
    let dump = world.database("shop").dump();
    world.run("shop", "r2", 3).await;
    world.relay().await.unwrap();
    let full = world.database("shop").dump();
    world.database("shop").restore(dump);
    let controls = world.controls();
    world.relay.recovery(&controls).go_on(&APPROVAL).await.unwrap();
    drop(controls);
    world.start().await.unwrap();
    // Nothing is missing from its own generation, but the log has seen that one replaced.
    world.database("shop").restore(full);
    let fault = world.start().await.unwrap_err();
    assert_eq!((fault.cause, fault.place.as_str()), (Cause::Restored, "shop"), "{fault}");
    assert!(fault.found.contains("later generation"), "{fault}");
}

#[tokio::test]
async fn log_tables_put_back_alone_go_on_under_a_new_origin() {
    let mut world = World::in_database(&["crm"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    let dump = world.database("crm").dump();
    world.run("crm", "r2", 20).await;
    world.relay().await.unwrap();
    world.database("crm").change(|tables| {
        (tables.heads, tables.leaves, tables.objects) = (dump.heads, dump.leaves, dump.objects);
    });
    let fault = world.start().await.unwrap_err();
    assert_eq!(fault.cause, Cause::Restored, "{fault}");
    let controls = world.controls();
    let recovered = world.relay.recovery(&controls).go_on(&APPROVAL).await.unwrap();
    assert_eq!(recovered.origin, format!("{}/2", super::ORIGIN));
    drop(controls);
    world.start().await.unwrap();
    world.run("crm", "r3", 2).await;
    world.relay().await.unwrap();
}

#[tokio::test]
async fn a_head_row_that_moved_and_that_nobody_knows_goes_on_under_a_new_origin() {
    let mut world = World::in_database(&["crm"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    world.database("crm").change(|tables| tables.place = HeadPlace::Other);
    let controls = world.controls();
    let recovered = world.relay.recovery(&controls).go_on(&APPROVAL).await.unwrap();
    assert_eq!((recovered.origin, recovered.relayed.size), (format!("{}/2", super::ORIGIN), 1));
    drop(controls);
    world.start().await.unwrap();
}
