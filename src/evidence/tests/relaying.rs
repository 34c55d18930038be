//! Receipts become leaves, each exactly once, whatever is lost on the way.

use forgetd_connector::Cause;

use super::double::Lost;
use super::{World, exported};
use crate::evidence::log::{VerifierKey, tile};
use crate::evidence::store::{Files as _, Folder};
use crate::evidence::verify::{Knowledge, LogVerdict, verify};
use crate::evidence::{EvidenceFault, StoreAt};

async fn verdict(world: &World) -> (LogVerdict, u64) {
    let folder = tempfile::tempdir().unwrap();
    exported(world, folder.path()).await;
    let found = verify(&Folder::new(folder.path()), &Knowledge::default()).await.unwrap();
    assert_eq!(found.problems, []);
    (found.verdict, found.entries)
}

#[tokio::test]
async fn receipts_of_every_database_become_leaves_once() {
    let mut world = World::in_database(&["crm", "shop"]);
    assert_eq!(world.start().await.unwrap().head, None);
    world.run("crm", "r1", 3).await;
    world.run("shop", "r2", 2000).await;
    let relayed = world.relay().await.unwrap();
    assert_eq!((relayed.entries, relayed.acknowledged, relayed.size), (2005, 2005, 2005));
    assert_eq!(world.relay().await.unwrap().entries, 0);
    world.run("crm", "r3", 1).await;
    world.start().await.unwrap();
    assert_eq!(world.relay().await.unwrap().size, 2007);
    assert_eq!(verdict(&world).await, (LogVerdict::Ok, 2007));
    assert_eq!(world.database("shop").dump().copies.values().next().unwrap().size, 2007);
}

#[tokio::test]
async fn a_folder_holds_the_same_bytes_as_a_database() {
    let (folder, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut of_files = World::in_folder(&["crm"], &folder.path().join("log"));
    for step in [1, 5, 250, 300] {
        of_files.run("crm", &format!("r{step}"), step).await;
        of_files.relay().await.unwrap();
        of_files.start().await.unwrap();
    }
    exported(&of_files, copy.path()).await;
    assert_eq!(verdict(&of_files).await, (LogVerdict::Ok, 560));
    let (log, exported) = (Folder::new(folder.path().join("log")), Folder::new(copy.path()));
    let files = exported.paths().await.unwrap();
    // Every tile of the last checkpoint and nothing else; the log itself still has what older checkpoints needed.
    assert_eq!(files.len(), tile::paths(560).count() + 2, "{files:?}");
    assert!(files.contains(&"tile/entries/002.p/48".to_owned()), "{files:?}");
    for path in &files {
        assert_eq!(log.read(path).await.unwrap(), exported.read(path).await.unwrap(), "{path}");
    }
    assert!(!log.paths().await.unwrap().iter().any(|path| path.starts_with("tile/0/000.p")));
}

#[tokio::test]
async fn a_lost_answer_neither_loses_nor_doubles() {
    for lost in [Lost::Done, Lost::Undone] {
        let folder = tempfile::tempdir().unwrap();
        for store in [StoreAt::Database("crm".into()), StoreAt::Folder(folder.path().into())] {
            let world = World::with(&["crm"], store);
            world.run("crm", "r1", 3).await;
            world.database("crm").lose.lock().unwrap().push(lost);
            let first = world.relay().await;
            assert_eq!(first.is_ok(), lost == Lost::Done, "{first:?}");
            world.run("crm", "r2", 3).await;
            assert_eq!(world.relay().await.unwrap().size, 8);
            assert_eq!(verdict(&world).await, (LogVerdict::Ok, 8));
        }
    }
}

#[tokio::test]
async fn a_crash_before_the_checkpoint_is_signed_again_with_the_same_bytes() {
    let mut world = World::in_database(&["crm"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    let signed = world.database("crm").dump().objects;
    world.database("crm").change(|tables| {
        tables.objects.retain(|(_, path), _| path != "checkpoint" && path != "log.vkey");
        tables.receipts.values_mut().for_each(|(_, index)| *index = None);
    });
    world.start().await.unwrap();
    assert_eq!(world.database("crm").dump().objects, signed);
    let again = world.relay().await.unwrap();
    assert_eq!((again.entries, again.acknowledged), (0, 4));
}

#[tokio::test]
async fn a_changed_receipt_stops_the_log_and_is_named() {
    let world = World::in_database(&["crm"]);
    world.run("crm", "r1", 3).await;
    world.database("crm").change(|tables| {
        let (receipt, _) = tables.receipts.values_mut().next().unwrap();
        let at = receipt.body.len() - 10;
        receipt.body[at] ^= 1;
    });
    let fault = world.relay().await.unwrap_err();
    assert_eq!((fault.cause, fault.place.as_str()), (Cause::Evidence, "crm"));
    assert!(fault.found.contains("/old-leads/-/1 was changed"), "{fault}");
    assert_eq!(world.database("crm").dump().heads.len(), 0);
}

#[tokio::test]
async fn a_fenced_holder_writes_nothing() {
    let world = World::in_database(&["crm"]);
    world.run("crm", "r1", 3).await;
    world.database("crm").change(|tables| tables.fence = 2);
    assert_eq!(world.relay().await.unwrap_err().cause, Cause::Fenced);
    assert_eq!(world.database("crm").pending_now(), 4);
}

#[tokio::test]
async fn a_database_that_is_away_waits_and_stops_nobody() {
    let world = World::in_database(&["crm", "shop"]);
    world.run("crm", "r1", 3).await;
    world.run("shop", "r2", 3).await;
    world.database("shop").change(|tables| tables.away = true);
    let relayed = world.relay().await.unwrap();
    assert_eq!((relayed.size, relayed.away), (4, vec!["shop".to_owned()]));
    world.database("shop").change(|tables| tables.away = false);
    assert_eq!(world.relay().await.unwrap().size, 8);
}

#[tokio::test]
async fn two_processes_do_not_write_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::in_folder(&["crm"], folder.path());
    world.relay.start(&world.controls()).await.unwrap();
    let other = crate::evidence::Relay::new(world.config.clone(), super::key()).unwrap();
    let refused: EvidenceFault = other.start(&world.controls()).await.unwrap_err();
    assert_eq!(refused.cause, Cause::Fenced);
}

#[tokio::test]
async fn pruning_needs_a_copy_where_one_is_configured() {
    let world = World::in_database(&["crm", "shop"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    world.database("shop").change(|tables| tables.copies.clear());
    assert_eq!(world.relay.prune(&world.controls(), 0).await.unwrap(), 0);
    world.run("crm", "r2", 3).await;
    world.relay().await.unwrap();
    assert_eq!(world.relay.prune(&world.controls(), 0).await.unwrap(), 6);
    assert_eq!(world.database("crm").dump().receipts.len(), 2);
}

#[tokio::test]
async fn the_policy_lies_beside_the_log_and_its_name_is_a_digest() {
    let world = World::in_database(&["crm"]);
    let digest = "ab".repeat(32);
    world.relay.put_policy(&world.controls(), &digest, "rules: []\n").await.unwrap();
    assert!(world.relay.put_policy(&world.controls(), "../x", "").await.is_err());
    let dump = world.database("crm").dump();
    assert!(dump.objects.contains_key(&(super::ORIGIN.into(), format!("policy/{digest}.yaml"))));
}

#[tokio::test]
async fn the_key_beside_the_log_is_the_one_that_signed_it() {
    let world = World::in_database(&["crm"]);
    world.run("crm", "r1", 1).await;
    world.relay().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    exported(&world, folder.path()).await;
    let text = std::fs::read_to_string(folder.path().join("log.vkey")).unwrap();
    assert_eq!(VerifierKey::parse(&text).unwrap(), VerifierKey::of(&super::key(), super::ORIGIN).unwrap());
}
