//! Earlier states put back: whoever remembers more stops the log, and nothing ever begins anew.

use forgetd_connector::{Cause, HeadPlace};

use super::{World, exported, receipt};
use crate::evidence::store::Folder;
use crate::evidence::verify::{Knowledge, LogVerdict, verify};

#[tokio::test]
async fn a_restored_home_is_noticed_by_the_copy_in_another_database() {
    let mut world = World::in_database(&["crm", "shop"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    let dump = world.database("crm").dump();
    world.run("crm", "r2", 3).await;
    world.relay().await.unwrap();
    world.database("crm").restore(dump);
    let fault = world.start().await.unwrap_err();
    assert_eq!(fault.cause, Cause::Restored, "{fault}");
    assert!(fault.found.contains("shop remembers 8"), "{fault}");
    // Nothing was written by the refusal.
    assert_eq!(world.database("crm").dump().heads[super::ORIGIN].size, 4);
}

#[tokio::test]
async fn a_restored_home_is_noticed_by_the_remembering_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::in_database(&["crm"]).remembering(folder.path());
    for run in ["r1", "r2"] {
        world.run("crm", run, 3).await;
        world.relay().await.unwrap();
        if run == "r1" {
            world.database("crm").change(|tables| tables.place = HeadPlace::Same);
        }
    }
    let full = world.database("crm").dump();
    world.start().await.unwrap();
    let text = std::fs::read_to_string(folder.path().join("checkpoints")).unwrap();
    assert_eq!(text.matches(super::ORIGIN).count(), 4, "each once, in text and signature: {text}");
    let mut older = full.clone();
    older.heads.clear();
    older.leaves.clear();
    older.objects.clear();
    older.receipts.clear();
    world.database("crm").restore(older);
    let fault = world.start().await.unwrap_err();
    assert_eq!(fault.cause, Cause::Restored, "{fault}");
    // A checkpoint torn by a crash while it was appended changes nothing.
    world.database("crm").restore(full);
    std::fs::write(folder.path().join("checkpoints"), format!("{text}{}", &text[..30])).unwrap();
    world.start().await.unwrap();
}

/// Nobody else remembers, but the process that wrote the log does, and goes on remembering after it refused.
#[tokio::test]
async fn a_home_put_back_under_a_running_process_is_refused_again_and_again() {
    let world = World::in_database(&["crm"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    let dump = world.database("crm").dump();
    world.run("crm", "r2", 3).await;
    world.relay().await.unwrap();
    world.database("crm").restore(dump);
    world.run("crm", "r3", 2).await;
    for _ in 0..3 {
        assert_eq!(world.relay().await.unwrap_err().cause, Cause::Restored);
    }
    let fault = world.relay.start(&world.controls()).await.unwrap_err();
    assert!(fault.found.contains("this process remembers 8"), "{fault}");
    assert_eq!(world.database("crm").dump().heads[super::ORIGIN].size, 4, "nothing was written");
}

/// A process that holds its own folder's lock looks at everything anew.
#[tokio::test]
async fn a_folder_is_looked_at_again_by_the_process_that_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::in_folder(&["crm"], folder.path());
    for run in ["r1", "r2"] {
        world.run("crm", run, 3).await;
        world.relay.start(&world.controls()).await.unwrap();
        world.relay().await.unwrap();
    }
}

#[tokio::test]
async fn a_restored_database_beside_the_home_is_named() {
    let mut world = World::in_database(&["crm", "shop"]);
    world.run("shop", "r1", 3).await;
    world.relay().await.unwrap();
    let dump = world.database("shop").dump();
    world.run("shop", "r2", 3).await;
    world.relay().await.unwrap();
    world.database("shop").restore(dump);
    let fault = world.start().await.unwrap_err();
    assert_eq!((fault.cause, fault.place.as_str()), (Cause::Restored, "shop"), "{fault}");
}

#[tokio::test]
async fn a_head_row_in_another_table_than_it_was_written_in_is_a_restore() {
    let mut world = World::in_database(&["crm"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    world.database("crm").change(|tables| tables.place = HeadPlace::Other);
    let fault = world.start().await.unwrap_err();
    assert_eq!(fault.cause, Cause::Restored, "{fault}");
}

#[tokio::test]
async fn the_same_receipt_with_other_bytes_is_a_restore() {
    let world = World::in_database(&["crm"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    let generation = world.database("crm").generation();
    world.database("crm").insert(receipt(&generation.0, "crm", ("old-leads", "0", 2), "other", &super::batch()));
    let fault = world.relay().await.unwrap_err();
    assert_eq!(fault.cause, Cause::Restored, "{fault}");
    assert!(fault.found.contains("/old-leads/0/2 is in the log with other bytes"), "{fault}");
}

#[tokio::test]
async fn an_emptied_store_never_begins_again() {
    let mut world = World::in_database(&["crm"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    // Nothing outside remembers, but receipts were acknowledged by a log.
    world.database("crm").change(|tables| {
        tables.heads.clear();
        tables.objects.clear();
        tables.leaves.clear();
    });
    let fault = world.start().await.unwrap_err();
    assert_eq!(fault.cause, Cause::Restored, "{fault}");
    world.run("crm", "r2", 3).await;
    assert_eq!(world.relay().await.unwrap_err().cause, Cause::Restored);
    assert!(world.database("crm").dump().heads.is_empty());
}

#[tokio::test]
async fn two_heads_of_one_size_stop_the_log() {
    let mut world = World::in_database(&["crm", "shop"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    world.database("shop").change(|tables| tables.copies.values_mut().for_each(|copy| copy.root = [1; 32]));
    let fault = world.start().await.unwrap_err();
    assert_eq!(fault.cause, Cause::Restored, "{fault}");
    assert!(fault.found.contains("another root for size 4"), "{fault}");
}

#[tokio::test]
async fn a_kept_checkpoint_shows_what_an_offline_look_cannot() {
    let (old, new, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let world = World::in_database(&["crm"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    exported(&world, old.path()).await;
    world.run("crm", "r2", 3).await;
    world.relay().await.unwrap();
    exported(&world, new.path()).await;
    let read = |folder: &tempfile::TempDir| std::fs::read(folder.path().join("checkpoint")).unwrap();
    let since = |bytes: Vec<u8>| Knowledge { since: Some(bytes), ..Knowledge::default() };

    let folder = Folder::new(old.path());
    assert_eq!(verify(&folder, &Knowledge::default()).await.unwrap().verdict, LogVerdict::Ok);
    let found = verify(&folder, &since(read(&new))).await.unwrap();
    assert_eq!(found.verdict, LogVerdict::RolledBack);
    assert_eq!(found.verdict.exit_code(), 11);
    let grown = verify(&Folder::new(new.path()), &since(read(&old))).await.unwrap();
    assert_eq!(grown.verdict, LogVerdict::Ok);

    // Another log under the same origin and key, of another history: a fork.
    let fork = World::in_database(&["crm"]);
    fork.run("crm", "other", 5).await;
    fork.relay().await.unwrap();
    exported(&fork, other.path()).await;
    let found = verify(&Folder::new(other.path()), &since(read(&old))).await.unwrap();
    assert_eq!(found.verdict, LogVerdict::RolledBack, "{:?}", found.problems);
}
