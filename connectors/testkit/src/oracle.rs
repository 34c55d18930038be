//! The predicate oracle: which rows are due, worked out in memory, one row at a time.
//!
//! It shares the words of a selection with the connectors and nothing of how they evaluate it. Where a column says less
//! than an instant, the oracle lists the instants that it could mean and takes the last.

use forgetd_connector::{Check, Comparison, Predicate, Selection, Value, WhenNull};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::{Cell, TableSpec};

/// A truth value of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// True.
    True,
    /// False.
    False,
    /// NULL was involved.
    Unknown,
}

/// The ids of the rows that are due, ascending.
pub fn due(table: &TableSpec, selection: &Selection) -> Vec<i64> {
    split(table, selection).0
}

/// The ids of the rows that survive, ascending.
pub fn survivors(table: &TableSpec, selection: &Selection) -> Vec<i64> {
    split(table, selection).1
}

fn split(table: &TableSpec, selection: &Selection) -> (Vec<i64>, Vec<i64>) {
    let mut due = vec![];
    let mut kept = vec![];
    for row in &table.rows {
        let over = period_over(table, row, selection);
        let matches = holds(table, row, &selection.terms.predicate);
        // Only true AND true deletes; unknown never does.
        if over == Truth::True && matches == Truth::True { due.push(row.0) } else { kept.push(row.0) }
    }
    due.sort_unstable();
    kept.sort_unstable();
    (due, kept)
}

fn period_over(table: &TableSpec, row: &(i64, Vec<Cell>), selection: &Selection) -> Truth {
    let since = selection.terms.since.single().expect("one column");
    let zone = since.zone.clone().unwrap_or(TimeZone::UTC);
    let over = |column: &str| match table.cell(row, column) {
        Cell::Null => Truth::Unknown,
        cell if last_moment_before(cell, &zone, selection.terms.cutoff.0) => Truth::True,
        _ => Truth::False,
    };
    match (over(&since.column), &selection.terms.when_null) {
        (Truth::Unknown, WhenNull::Delete) => Truth::True,
        (Truth::Unknown, WhenNull::Use(other)) => over(other),
        (answer, _) => answer,
    }
}

/// Whether every instant that the cell can mean lies before the cutoff.
fn last_moment_before(cell: &Cell, zone: &TimeZone, cutoff: Timestamp) -> bool {
    match cell {
        Cell::Instant(instant) => *instant < cutoff,
        Cell::Naive(local) => match last_reading(*local, zone) {
            Some(instant) => instant < cutoff,
            // No clock of the zone ever showed it: it is over once one shows a later time.
            None => *local < zone.to_datetime(cutoff),
        },
        Cell::Date(date) => day_after_begins(*date, zone) <= cutoff,
        other => panic!("{other:?} is no time"),
    }
}

/// The last instant at which a clock of the zone shows this local time.
fn last_reading(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let as_utc = TimeZone::UTC.to_timestamp(local).expect("a time of this age of the world");
    // No zone is further than 26 hours from UTC, and none changes its offset by a part of a quarter of an hour today.
    let around = (-26 * 4..=26 * 4).map(|quarter| as_utc + (quarter * 15).minutes());
    around.filter(|instant| zone.to_datetime(*instant) == local).max()
}

/// When the first later date that exists in the zone begins.
fn day_after_begins(date: Date, zone: &TimeZone) -> Timestamp {
    let midnight = date.tomorrow().expect("a date of this age of the world").at(0, 0, 0, 0);
    let as_utc = TimeZone::UTC.to_timestamp(midnight).expect("a time of this age of the world");
    let around = (-26 * 4..=52 * 4).map(|quarter| as_utc + (quarter * 15).minutes());
    around.filter(|instant| zone.to_datetime(*instant).date() > date).min().expect("every date ends")
}

/// Whether the predicate holds for a row, in three-valued logic.
fn holds(table: &TableSpec, row: &(i64, Vec<Cell>), predicate: &Predicate) -> Truth {
    match predicate {
        Predicate::All(parts) => {
            let truths: Vec<Truth> = parts.iter().map(|part| holds(table, row, part)).collect();
            if truths.contains(&Truth::False) {
                Truth::False
            } else if truths.contains(&Truth::Unknown) {
                Truth::Unknown
            } else {
                Truth::True
            }
        }
        Predicate::Test(test) => {
            let cell = table.cell(row, &test.path.column);
            let truths: Vec<Truth> = match &test.check {
                Check::Compare(Comparison::Equal, value) => vec![equals(cell, value)],
                Check::In(values) => values.iter().map(|value| equals(cell, value)).collect(),
                other => panic!("{other:?}"),
            };
            if truths.contains(&Truth::True) {
                Truth::True
            } else if truths.contains(&Truth::Unknown) {
                Truth::Unknown
            } else {
                Truth::False
            }
        }
        other => panic!("{other:?}"),
    }
}

fn equals(cell: &Cell, value: &Value) -> Truth {
    let equal = match (cell, value) {
        (Cell::Null, _) | (_, Value::Null) => return Truth::Unknown,
        (Cell::Int(cell), Value::Int(value)) => cell == value,
        (Cell::Bool(cell), Value::Bool(value)) => cell == value,
        (Cell::Text(cell), Value::Text(value)) => cell == value,
        _ => false,
    };
    if equal { Truth::True } else { Truth::False }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Cutoff, Predicate, Selection, Since, SinceColumn, TableRef, Terms, Value, WhenNull};
    use jiff::civil::{date, datetime};
    use jiff::tz::TimeZone;

    use super::{due, survivors};
    use crate::{Cell, Kind, TableSpec};

    fn selection(column: &str, zone: &str, cutoff: &str) -> Selection {
        let since = SinceColumn { column: column.into(), zone: Some(TimeZone::get(zone).unwrap()), form: None };
        let terms = Terms {
            since: Since::Column(since),
            cutoff: Cutoff(cutoff.parse().unwrap()),
            when_null: WhenNull::Keep,
            predicate: Predicate::always(),
            native: None,
        };
        Selection::new(TableRef::parse("t"), terms)
    }

    #[test]
    fn a_folded_hour_is_over_after_its_second_pass() {
        let table = TableSpec::new("t").column("at", Kind::Naive).rows([
            vec![Cell::Naive(datetime(2026, 10, 25, 1, 59, 0, 0))],
            vec![Cell::Naive(datetime(2026, 10, 25, 2, 10, 0, 0))],
            vec![Cell::Naive(datetime(2026, 10, 25, 3, 0, 0, 0))],
        ]);
        // In the first pass of 02:00 to 03:00 nothing of that hour is over.
        assert_eq!(due(&table, &selection("at", "Europe/Stockholm", "2026-10-25T00:30:00Z")), [1]);
        assert_eq!(due(&table, &selection("at", "Europe/Stockholm", "2026-10-25T01:05:00Z")), [1]);
        assert_eq!(due(&table, &selection("at", "Europe/Stockholm", "2026-10-25T01:30:00Z")), [1, 2]);
        assert_eq!(survivors(&table, &selection("at", "Europe/Stockholm", "2026-10-25T01:30:00Z")), [3]);
    }

    #[test]
    fn a_date_is_over_when_the_next_one_begins_in_its_zone() {
        let table = TableSpec::new("t").column("day", Kind::Date).rows([
            vec![Cell::Date(date(2011, 12, 28))],
            vec![Cell::Date(date(2011, 12, 29))],
            vec![Cell::Date(date(2011, 12, 31))],
        ]);
        // Samoa went from the end of 29 December to 31 December 2011 at 10:00 UTC.
        assert_eq!(due(&table, &selection("day", "Pacific/Apia", "2011-12-30T09:59:59Z")), [1]);
        assert_eq!(due(&table, &selection("day", "Pacific/Apia", "2011-12-30T10:00:00Z")), [1, 2]);
    }

    #[test]
    fn unknown_deletes_nothing_unless_the_rule_says_what_null_means() {
        let cutoff: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let old = Cell::Instant("2020-01-01T00:00:00Z".parse().unwrap());
        let table = TableSpec::new("t")
            .nullable("at", Kind::Instant)
            .nullable("made", Kind::Instant)
            .nullable("state", Kind::Text)
            .rows([
                vec![old.clone(), old.clone(), Cell::Text("a".into())],
                vec![old.clone(), old.clone(), Cell::Null],
                vec![Cell::Null, old.clone(), Cell::Text("a".into())],
                vec![Cell::Null, Cell::Null, Cell::Text("a".into())],
                vec![Cell::Instant(cutoff), old, Cell::Text("a".into())],
            ]);
        let mut selection = selection("at", "UTC", "2026-01-01T00:00:00Z");
        assert_eq!(due(&table, &selection), [1, 2]);
        selection.terms.predicate = Predicate::equal("state", Value::Text("a".into()));
        assert_eq!(due(&table, &selection), [1]);
        selection.terms.when_null = WhenNull::Delete;
        assert_eq!(due(&table, &selection), [1, 3, 4]);
        selection.terms.when_null = WhenNull::Use("made".into());
        assert_eq!(due(&table, &selection), [1, 3]);
    }
}
