use forgetd_connector::{Cause, Count, Measure, Outside};

use super::check;
use crate::plan::testing::rule;

fn measure(due: Count, total: Count) -> Measure {
    Measure { due, oldest: None, total, outside: Outside::Rows }
}

#[test]
fn guards_that_are_not_set_never_trip() {
    let rule = rule("r", "t");
    assert_eq!(check(&rule, &measure(Count::Exact(u64::MAX), Count::Exact(1))), None);
    assert_eq!(check(&rule, &measure(Count::Blind(Cause::RowSecurity), Count::Exact(1))), None);
}

#[test]
fn rows_max_trips_above_it_and_where_it_cannot_be_decided() {
    let mut rule = rule("r", "t");
    rule.guard.rows_max = Some(10);
    let total = Count::Exact(1000);
    for (due, trips) in [
        (Count::Exact(10), false),
        (Count::Exact(11), true),
        (Count::Estimate(10), false),
        (Count::Estimate(11), true),
        (Count::Capped(11), true),
        (Count::Capped(5), true),
        (Count::Blind(Cause::RowSecurity), true),
    ] {
        let found = check(&rule, &measure(due, total));
        assert_eq!(found.as_ref().map(|(cause, _)| *cause), trips.then_some(Cause::RowsMax), "{due:?}");
    }
    let (_, text) = check(&rule, &measure(Count::Exact(11), total)).unwrap();
    assert_eq!(text, "11 rows are due, more than guard.rows_max 10");
}

#[test]
fn share_max_trips_above_it_and_where_it_cannot_be_decided() {
    let mut rule = rule("r", "t");
    rule.guard.share_max = Some(0.2);
    for (due, total, trips) in [
        (Count::Exact(20), Count::Exact(100), false),
        (Count::Exact(21), Count::Exact(100), true),
        (Count::Exact(0), Count::Exact(0), false),
        (Count::Exact(0), Count::Estimate(0), false),
        (Count::Exact(5), Count::Estimate(0), true),
        (Count::Exact(20), Count::Capped(100), false),
        (Count::Exact(21), Count::Capped(100), true),
        (Count::Capped(20), Count::Exact(1000), true),
        (Count::Exact(1), Count::Blind(Cause::Privilege), true),
    ] {
        let found = check(&rule, &measure(due, total));
        assert_eq!(found.as_ref().map(|(cause, _)| *cause), trips.then_some(Cause::ShareMax), "{due:?} {total:?}");
    }
    let (_, text) = check(&rule, &measure(Count::Exact(21), Count::Exact(100))).unwrap();
    assert_eq!(text, "21 of 100 rows are due, a share of 0.210, more than guard.share_max 0.2");
}
