//! A standby that is promoted shows what a restored backup shows: the head of then, under a later timeline. The process
//! that wrote it knows whether anything is missing.

use forgetd_connector::{Cause, HeadPlace};

use super::World;
use super::double::{Lost, Tables};

/// A home whose log has grown twice, and what it held in between.
async fn grown() -> (World, Tables) {
    let world = World::in_database(&["crm"]);
    world.run("crm", "r1", 3).await;
    world.relay().await.unwrap();
    let before = world.database("crm").dump();
    world.run("crm", "r2", 3).await;
    (world, before)
}

/// What a server shows that was led to instead of the one before.
fn led_to(world: &World, tables: Tables, place: HeadPlace) {
    world.database("crm").restore(Tables { place, ..tables });
}

/// A look of the same process at everything.
async fn looks(world: &World) -> Result<(), Cause> {
    world.relay.start(&world.controls()).await.map(drop).map_err(|fault| fault.cause)
}

#[tokio::test]
async fn a_promoted_standby_that_misses_nothing_goes_on() {
    let (mut world, _) = grown().await;
    world.relay().await.unwrap();
    let all = world.database("crm").dump();
    led_to(&world, all.clone(), HeadPlace::LaterTimeline);
    assert!(!world.relay.is_as_left(&world.controls()).await);
    assert_eq!(looks(&world).await, Ok(()));
    // The row names its new timeline, so that whoever comes next has nothing to ask.
    assert_eq!(world.relay().await.unwrap().entries, 0);
    let (now, head) = (world.database("crm").dump(), all.heads[super::ORIGIN].clone());
    assert_eq!((now.place, &now.heads[super::ORIGIN]), (HeadPlace::Same, &head));
    assert!(world.relay.is_as_left(&world.controls()).await);
    world.run("crm", "r3", 1).await;
    world.relay().await.unwrap();
    world.start().await.unwrap();
}

#[tokio::test]
async fn who_remembers_nothing_takes_it_for_a_restore() {
    let (mut world, _) = grown().await;
    world.relay().await.unwrap();
    let all = world.database("crm").dump();
    led_to(&world, all, HeadPlace::LaterTimeline);
    let fault = world.start().await.unwrap_err();
    assert_eq!(fault.cause, Cause::Restored, "{fault}");
    assert!(fault.found.contains("later timeline"), "{fault}");
}

#[tokio::test]
async fn what_misses_entries_or_receipts_is_a_restore() {
    let (world, before) = grown().await;
    world.relay().await.unwrap();
    led_to(&world, before.clone(), HeadPlace::LaterTimeline);
    assert_eq!(looks(&world).await, Err(Cause::Restored), "entries are missing");

    // Receipts that were seen to wait, and never came into the log.
    let (world, before) = grown().await;
    world.database("crm").lose.lock().unwrap().push(Lost::Undone);
    world.relay().await.unwrap_err();
    let all = world.database("crm").dump();
    led_to(&world, before.clone(), HeadPlace::LaterTimeline);
    assert_eq!(looks(&world).await, Err(Cause::Restored), "receipts are missing");
    led_to(&world, all, HeadPlace::LaterTimeline);
    assert_eq!(looks(&world).await, Ok(()));

    // Receipts that a run wrote, and that no relay saw.
    let (world, before) = grown().await;
    world.database("crm").dump().receipts.keys().for_each(|key| world.relay.own().wrote(key));
    led_to(&world, before, HeadPlace::LaterTimeline);
    assert_eq!(looks(&world).await, Err(Cause::Restored), "receipts are missing");
    // Nor does it become right by being looked at again.
    assert_eq!(looks(&world).await, Err(Cause::Restored));
}

#[tokio::test]
async fn a_head_whose_commit_was_not_answered_may_stand() {
    for lost in [Lost::Away, Lost::Undone] {
        let (world, _) = grown().await;
        world.database("crm").lose.lock().unwrap().push(lost);
        world.relay().await.unwrap_err();
        let left = Tables { away: false, ..world.database("crm").dump() };
        led_to(&world, left, HeadPlace::LaterTimeline);
        assert_eq!(looks(&world).await, Ok(()), "{lost:?}");
        assert_eq!(world.relay().await.unwrap().size, 8, "{lost:?}");
    }
}

/// A standby may show less than there was, as long as it only follows.
#[tokio::test]
async fn nothing_is_said_of_a_log_that_a_standby_shows() {
    let (world, before) = grown().await;
    world.relay().await.unwrap();
    let all = world.database("crm").dump();
    for shown in [&before, &all] {
        led_to(&world, shown.clone(), HeadPlace::Standby);
        assert_eq!(looks(&world).await, Err(Cause::ReadOnly));
    }
    led_to(&world, all, HeadPlace::LaterTimeline);
    assert_eq!(looks(&world).await, Ok(()));
}
