//! Walks that turn out to be the wrong ones: how rows lie is looked at while a lane works.

use forgetd_connector::{AtomicLane, Commit, Cursor, FaultClass, Next, Order, SinceForm, Step};
use forgetd_testkit::Arena;

use crate::fixture::{File, arena, order, selection};

/// Of 80,000 rows one in so many is due; they lie in the order in which they are due, or in none.
fn filled(due_of: u32, place: &str) -> String {
    format!(
        "create table item (id integer primary key, at timestamp, pad text); create index item_at on item (at);
         insert into item (id, at, pad) with recursive s (n) as (select 0 union all select n + 1 from s where n < 79999)
           select {place}, datetime(case n % {due_of} when 0 then '2020-01-01' else '2026-01-01' end, n || ' minutes'), zeroblob(80) from s"
    )
}

const IN_ORDER: &str = "n";
const IN_NONE: &str = "(n * 7919) % 80000";

/// Deletes by batches in a lane of its own, until none is left or `most` are done; how many rows went, and where it goes on, if it
/// does.
async fn walk(arena: &Arena, step: &Step, from: Option<Cursor>, rows_max: u32, most: u64) -> (u64, Option<Cursor>) {
    go_on(arena, &mut *arena.lane(step).await, step, from, rows_max, most).await
}

async fn go_on(
    arena: &Arena,
    lane: &mut dyn AtomicLane,
    step: &Step,
    mut from: Option<Cursor>,
    rows_max: u32,
    most: u64,
) -> (u64, Option<Cursor>) {
    let mut changed = 0;
    let mut sequence = arena.connector.control().next_sequence(&step.rule, "0").await.unwrap();
    for _ in 0..most {
        let effect = lane.change(&Order { from, ..order(rows_max) }).await.unwrap();
        from = effect.next.cursor().cloned();
        if effect.changed > 0 {
            let mut receipt = arena.receipt("0", sequence, from.clone());
            receipt.key.rule.clone_from(&step.rule);
            assert_eq!(lane.commit(&receipt).await, Commit::Committed);
            (changed, sequence) = (changed + effect.changed, sequence + 1);
        } else {
            lane.undo().await.unwrap();
        }
        if effect.next == Next::End {
            break;
        }
    }
    (changed, from)
}

fn is_by_rows(cursor: Option<&Cursor>) -> bool {
    let text = cursor.unwrap().as_text();
    assert!(text.contains("rows") != text.contains("since"), "{text}");
    text.contains("rows")
}

async fn step(arena: &Arena) -> Step {
    arena.step(selection("item", "at", Some(SinceForm::Timestamp), "2024-12-31T23:30:00Z")).await
}

fn left(file: &File) -> i64 {
    file.open().query_row("select count(*) from item where at < '2025-01-01'", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn rows_that_lie_scattered_are_walked_by_row_id() {
    let (arena, file) = arena(&filled(2, IN_NONE)).await;
    let step = step(&arena).await;
    let (before, cursor) = walk(&arena, &step, None, 500, 4).await;
    assert!(!is_by_rows(cursor.as_ref()));
    let (rest, cursor) = walk(&arena, &step, cursor, 500, 1).await;
    assert!(!is_by_rows(cursor.as_ref()), "a lane that is opened again goes on as it went");
    assert_eq!(left(&file), 40_000 - i64::try_from(before + rest).unwrap());

    let (turned, cursor) = walk(&arena, &step, None, 500, 6).await;
    assert!(is_by_rows(cursor.as_ref()));
    let (end, cursor) = walk(&arena, &step, cursor, 500, 1_000).await;
    assert_eq!((before + rest + turned + end, left(&file)), (40_000, 0));
    assert_eq!(cursor, None);
}

#[tokio::test]
async fn rows_that_lie_together_and_few_among_many_are_walked_by_since() {
    for (due_of, place) in [(2, IN_ORDER), (52, IN_NONE)] {
        let (arena, file) = arena(&filled(due_of, place)).await;
        let step = step(&arena).await;
        let (changed, cursor) = walk(&arena, &step, None, 100, 6).await;
        assert!(!is_by_rows(cursor.as_ref()), "{due_of} {place}");
        assert_eq!(left(&file), i64::from(80_000_u32.div_ceil(due_of)) - i64::try_from(changed).unwrap());
    }
}

/// It would be met again behind a turn, and counted twice.
#[tokio::test]
async fn a_lane_that_passed_over_a_row_does_not_turn() {
    let (arena, file) = arena(&filled(2, IN_NONE)).await;
    let oldest: i64 = file.open().query_row("select id from item order by at limit 1", [], |row| row.get(0)).unwrap();
    let snare = format!(
        "create trigger snare before delete on item when old.id = {oldest} begin select raise(abort, 'no'); end"
    );
    file.open().execute_batch(&snare).unwrap();
    let step = step(&arena).await;
    let mut lane = arena.lane(&step).await;
    let fault = lane.change(&order(1)).await.unwrap_err();
    assert!(matches!(fault.class, FaultClass::Row(_)), "{fault}");
    let (passed, next) = lane.pass(&order(1)).await.unwrap();
    assert_eq!(passed, 1);
    let (_, cursor) = go_on(&arena, &mut *lane, &step, next.cursor().cloned(), 500, 8).await;
    assert!(!is_by_rows(cursor.as_ref()));
}

/// VACUUM, and any change of the schema for all we know, numbers rows anew where no column names them.
#[tokio::test]
async fn row_ids_that_do_not_last_are_no_walk_to_turn_to() {
    let sql = filled(2, IN_NONE)
        .replace("id integer primary key", "id int unique")
        .replace("(id, at, pad)", "(rowid, at, pad)");
    let (arena, file) = arena(&sql).await;
    file.open().execute_batch("update item set id = rowid").unwrap();
    let step = step(&arena).await;
    let (_, cursor) = walk(&arena, &step, None, 500, 8).await;
    assert!(!is_by_rows(cursor.as_ref()));
}

/// What a lane writes goes into the file meanwhile: a log that grew for a whole run would be the next writer's work.
#[tokio::test]
async fn the_log_is_moved_into_the_file_between_batches() {
    let (arena, file) = arena(&filled(2, IN_NONE)).await;
    file.open().execute_batch("pragma wal_checkpoint(truncate)").unwrap();
    let step = step(&arena).await;
    let (changed, _) = walk(&arena, &step, None, 500, 1_000).await;
    assert_eq!(changed, 40_000);
    let log = std::fs::metadata(format!("{}-wal", file.path().display())).unwrap().len();
    assert!(log < 16 << 20, "{log} bytes");
}

/// The time of a transaction says nothing of how long it was waited for the lock.
#[tokio::test]
async fn a_transaction_lasts_from_the_lock_to_its_end() {
    let (arena, file) = arena(&filled(2, IN_ORDER)).await;
    let step = step(&arena).await;
    let mut lane = arena.lane(&step).await;
    assert_eq!(lane.last_open(), None);
    let other = file.open();
    other.execute_batch("begin immediate").unwrap();
    let releasing = tokio::task::spawn_blocking(move || {
        std::thread::sleep(std::time::Duration::from_millis(30));
        let released = std::time::Instant::now();
        other.execute_batch("commit").unwrap();
        released
    });
    let order = order(10);
    let change = async {
        loop {
            match lane.change(&order).await {
                Err(fault) if fault.class == FaultClass::Locked => {}
                changed => break changed,
            }
        }
    };
    let (effect, released) = tokio::join!(change, releasing);
    let mut receipt = arena.receipt("0", 1, effect.unwrap().next.cursor().cloned());
    receipt.key.rule.clone_from(&step.rule);
    assert_eq!(lane.commit(&receipt).await, Commit::Committed);
    let open = lane.last_open().unwrap();
    assert!(open <= released.unwrap().elapsed(), "{open:?}");
}
