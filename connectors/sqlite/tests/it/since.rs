//! Periods that count from several columns, from another table, or from numbers of days.

use std::sync::Arc;

use forgetd_connector::{
    Joined, Latest, RowCap, Selection, Severity, Since, SinceColumn, SinceForm, TableRef, Untouched, WhenNull,
};

use crate::fixture::{arena, due, order, selection};

/// Every moment below is before this one, or not, by less than a day.
const CUTOFF: &str = "2024-03-10T12:00:00Z";

fn column(name: &str, form: SinceForm) -> SinceColumn {
    let zone = Some(jiff::tz::TimeZone::get("Europe/Stockholm").unwrap());
    SinceColumn { column: name.into(), zone, form: Some(form) }
}

fn counting(since: Since, when_null: WhenNull) -> Selection {
    let mut selection = selection("item", "", None, CUTOFF);
    selection.terms.since = since;
    selection.terms.when_null = when_null;
    selection
}

/// Three columns that write time in three ways, and what is due: `K` where NULL keeps, `D` also where it deletes.
const GREATEST: &[(&str, &str)] = &[
    ("'2024-03-09', '2024-03-10T11:59:59.999Z', 1710071999", "KD"),
    ("'2024-03-10', '2024-03-10T11:59:59.999Z', 1710071999", ""),
    ("'2024-03-09', '2024-03-10T12:00:00Z', 1710071999", ""),
    ("'2024-03-09', '2024-03-10T13:00:00+02:00', 1710072000", ""),
    ("'2024-03-09', null, 1710071999.75", "KD"),
    ("'2024-03-09', null, null", "KD"),
    ("null, '2024-03-10T12:59:59+01:00', null", "KD"),
    ("null, null, 1710072000", ""),
    ("null, null, null", "D"),
    ("'soon', null, null", ""),
    ("'soon', '2020-01-01T00:00:00Z', 5", ""),
    ("'2020-01-01', '2020-01-01', 5", ""),
    ("'2020-01-01', null, '5'", ""),
    ("x'', null, null", ""),
    ("'', null, null", ""),
];

#[tokio::test]
async fn the_latest_of_several_columns_counts() {
    let rows: Vec<String> = GREATEST.iter().enumerate().map(|(id, (row, _))| format!("({id}, {row})")).collect();
    for index in ["", "create index i on item (a)", "create index i on item (c, a)"] {
        let (arena, _file) = arena(&format!(
            "create table item (id integer primary key, a date, b text, c); {index};
             insert into item values {}",
            rows.join(", ")
        ))
        .await;
        for (when_null, letter) in [(WhenNull::Keep, 'K'), (WhenNull::Delete, 'D')] {
            let columns = [("a", SinceForm::Date), ("b", SinceForm::Iso8601), ("c", SinceForm::UnixS)];
            let since = Since::Greatest(columns.map(|(name, form)| column(name, form)).to_vec());
            let expected: Vec<i64> =
                (0..).zip(GREATEST).filter(|(_, (_, due))| due.contains(letter)).map(|(id, _)| id).collect();
            let selection = counting(since, when_null);
            let step = arena.step(selection.clone()).await;
            let walk = arena.connector.statements(&step).unwrap().walk;
            assert_eq!(walk, if index.is_empty() { "physical" } else { "since" });
            assert_eq!(due(&arena, selection).await, expected, "{letter} {index}");
        }
    }
}

#[tokio::test]
async fn the_oldest_of_several_columns_is_the_earliest_latest() {
    let (arena, _file) = arena(
        "create table item (id integer primary key, a date, b text); create index i on item (a);
         insert into item values (1, '2020-01-01', '2021-05-05T00:00:00Z'), (2, null, '2021-04-04T04:04:04Z'),
           (3, '2021-06-06', null), (4, 'soon', '2019-01-01T00:00:00Z'), (5, '2019-01-01', '2030-01-01T00:00:00Z')",
    )
    .await;
    let since = Since::Greatest(vec![column("a", SinceForm::Date), column("b", SinceForm::Iso8601)]);
    let step = arena.step(counting(since, WhenNull::Keep)).await;
    let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
    assert_eq!(measure.oldest, Some("2021-04-04T04:04:04Z".parse().unwrap()));
}

fn latest(form: SinceForm, on: &[(&str, &str)], or: Option<SinceColumn>) -> Since {
    let on = on.iter().map(|(other, own)| Joined { other: (*other).into(), own: (*own).into() }).collect();
    Since::Latest(Box::new(Latest { table: TableRef::parse("visit"), at: column("at", form), on, or }))
}

/// A row's own date, the dates of its visits, and what is due: `K` where NULL keeps, `D` also where it deletes, `k` and
/// `d` the same where the own date counts without a visit.
const LATEST: &[(&str, &[&str], &str)] = &[
    ("'2020-01-01'", &["'2024-03-09'"], "KDkd"),
    ("'2030-01-01'", &["'2024-03-09'", "'2001-01-01'"], "KDkd"),
    ("'2020-01-01'", &["'2001-01-01'", "'2024-03-10'"], ""),
    ("'2020-01-01'", &["'2001-01-01'", "'soon'"], ""),
    ("'2020-01-01'", &["'2001-01-01'", "5"], ""),
    ("'2020-01-01'", &["'2001-01-01'", "x''"], ""),
    ("'2020-01-01'", &["'2001-01-01'", "null"], "KDkd"),
    ("'2020-01-01'", &[], "Dkd"),
    ("'2020-01-01'", &["null", "null"], "Dkd"),
    ("'2030-01-01'", &[], "D"),
    ("'soon'", &["null"], "D"),
    ("null", &[], "Dd"),
    ("null", &["'2024-03-10'"], ""),
    ("null", &["'2024-03-09'"], "KDkd"),
];

#[tokio::test]
async fn the_latest_activity_counts_and_what_cannot_be_read_keeps() {
    let mut rows = vec![];
    let mut visits = vec![];
    for (id, (own, dates, _)) in LATEST.iter().enumerate() {
        rows.push(format!("({id}, {own})"));
        visits.extend(dates.iter().map(|date| format!("({id}, {date})")));
    }
    for index in ["", "create index i on visit (item)", "create index i on visit (item, at)"] {
        let (arena, _file) = arena(&format!(
            "create table item (id integer primary key, at date); create index item_at on item (at);
             create table visit (id integer primary key, item int, at date); {index};
             insert into item values {}; insert into visit (item, at) values {}, (99, '2030-01-01'), (null, '2030-01-01')",
            rows.join(", "),
            visits.join(", ")
        ))
        .await;
        for (when_null, or, letter) in [
            (WhenNull::Keep, None, 'K'),
            (WhenNull::Delete, None, 'D'),
            (WhenNull::Keep, Some(column("at", SinceForm::Date)), 'k'),
            (WhenNull::Delete, Some(column("at", SinceForm::Date)), 'd'),
        ] {
            let expected: Vec<i64> =
                (0..).zip(LATEST).filter(|(_, (.., due))| due.contains(letter)).map(|(id, _)| id).collect();
            let since = latest(SinceForm::Date, &[("item", "id")], or);
            assert_eq!(due(&arena, counting(since, when_null)).await, expected, "{letter} {index}");
        }
    }
}

#[tokio::test]
async fn rows_belong_together_by_exact_values() {
    // Every row has an old visit, and one of today under a key that is nearly the same.
    for (declared, theirs, mine) in [
        ("text collate nocase", "'a'", "'A'"),
        ("text collate rtrim", "'a'", "'a '"),
        ("text", "'é'", "'e' || char(769)"),
        ("", "5", "'5'"),
        ("", "'5'", "x'35'"),
        ("int", "9007199254740993", "9007199254740992.0"),
    ] {
        let (arena, _file) = arena(&format!(
            "create table item (id integer primary key, key {declared}); insert into item values (1, {mine});
             create table visit (key {declared}, at date); create index i on visit (key);
             insert into visit values ({mine}, '2020-01-01'), ({theirs}, '2030-01-01')"
        ))
        .await;
        let since = latest(SinceForm::Date, &[("key", "key")], None);
        assert_eq!(due(&arena, counting(since, WhenNull::Keep)).await, [1], "{declared} {theirs} {mine}");
    }
    // By value they are the same.
    let (arena, _file) = arena(
        "create table item (id integer primary key, key real, part text); insert into item values (1, 5, 'p'), (2, 6, 'p');
         create table visit (key int, part text, at date);
         insert into visit values (5, 'p', '2030-01-01'), (6, 'q', '2030-01-01'), (6, 'p', '2020-01-01')",
    )
    .await;
    let since = latest(SinceForm::Date, &[("key", "key"), ("part", "part")], None);
    assert_eq!(due(&arena, counting(since, WhenNull::Keep)).await, [2]);
}

#[tokio::test]
async fn the_other_table_can_be_the_same_one_or_have_any_name() {
    for name in ["visit", "other", "OTHER", "item"] {
        let sql = format!(
            "create table `{name}` (id integer primary key, at date, up int);
             insert into `{name}` values (1, '2030-01-01', null), (2, '2020-01-01', 1), (3, '2030-01-01', 2)"
        );
        let (arena, _file) = arena(&sql).await;
        let joined = Joined { other: "up".into(), own: "id".into() };
        let at = column("at", SinceForm::Date);
        let latest = Latest { table: TableRef::parse(name), at: at.clone(), on: vec![joined], or: Some(at) };
        let mut selection = counting(Since::Latest(Box::new(latest)), WhenNull::Keep);
        selection.table = TableRef::parse(name);
        // 1 has an old child, 2 one of the future, 3 none and its own date.
        assert_eq!(due(&arena, selection).await, [1], "{name}");
    }
}

#[tokio::test]
async fn the_oldest_activity_is_read_in_every_form() {
    for (form, values, oldest) in [
        (SinceForm::Date, ["'2020-01-01'", "'2020-01-02'", "'2020-02-01'"], "2020-01-02T23:00:00Z"),
        (
            SinceForm::Timestamp,
            ["'2020-01-01 05:00:00'", "'2020-01-01T06:00:00'", "'2020-02-01 00:00:00'"],
            "2020-01-01T05:00:00Z",
        ),
        (
            SinceForm::Iso8601,
            ["'2020-01-02T05:00:00.5+14:00'", "'2020-01-01T20:00:00.25Z'", "'2020-02-01T00:00:00Z'"],
            "2020-01-01T20:00:00.25Z",
        ),
        (SinceForm::UnixS, ["5", "5.5", "99"], "1970-01-01T00:00:05.5Z"),
        (SinceForm::UnixMs, ["-5", "5.5", "99"], "1970-01-01T00:00:00.0055Z"),
        (SinceForm::Julian, ["2440587", "2440587.5", "2450000"], "1970-01-01T00:00:00Z"),
    ] {
        let [a, b, c] = values;
        let (arena, _file) = arena(&format!(
            "create table item (id integer primary key); insert into item values (1), (2);
             create table visit (item int, at); insert into visit values (1, {a}), (1, {b}), (2, {c})"
        ))
        .await;
        let step = arena.step(counting(latest(form, &[("item", "id")], None), WhenNull::Keep)).await;
        let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
        assert_eq!(measure.oldest, Some(oldest.parse().unwrap()), "{form:?}");
    }
}

#[tokio::test]
async fn a_row_that_gets_activity_before_its_change_stays() {
    use forgetd_connector::{Atomicity, Lane};

    let (arena, file) = arena(
        "create table item (id integer primary key); insert into item values (1), (2);
         create table visit (item int, at date); insert into visit values (1, '2020-01-01'), (2, '2020-01-01')",
    )
    .await;
    let mut step = arena.step(counting(latest(SinceForm::Date, &[("item", "id")], None), WhenNull::Keep)).await;
    step.atomicity = Atomicity::Sealed;
    let Lane::Sealed(mut lane) = arena.connector.lane(&step, &arena.claim(), Arc::new(Untouched)).await.unwrap() else {
        panic!("atomic")
    };
    let keys = lane.pick(&order(10)).await.unwrap().keys;
    assert_eq!(keys.len(), 2);
    file.open().execute_batch("insert into visit values (2, '2030-01-01')").unwrap();
    assert_eq!(lane.finish(&keys).await.unwrap().changed, 1);
    assert_eq!(crate::fixture::ids(&file, "item"), [2]);
}

#[tokio::test]
async fn julian_days_are_compared_to_the_last_bit() {
    // 2460380.0 is noon of 2024-03-10 in UTC.
    let values = [
        ("2460379", true),
        ("2460379.9999999995", true),
        ("2460380", false),
        ("2460380.0", false),
        ("2460380.0000000005", false),
        ("1721059.5", true),
        ("1721059.4", false),
        ("0", false),
        ("-5.5", false),
        ("5373484.5", false),
        ("'2460379'", false),
        ("x'00'", false),
        ("-9e999", false),
        ("null", false),
    ];
    let rows: Vec<String> = values.iter().enumerate().map(|(id, (value, _))| format!("({id}, {value})")).collect();
    for index in ["", "create index i on item (at)"] {
        // An integer's day ends at the next noon.
        for (cutoff, fraction) in [(CUTOFF, false), ("2024-03-10T12:00:00.000000001Z", true)] {
            let (arena, _file) = arena(&format!(
                "create table item (id integer primary key, at); {index}; insert into item values {}",
                rows.join(", ")
            ))
            .await;
            let mut selection = selection("item", "at", Some(SinceForm::Julian), cutoff);
            selection.terms.when_null = WhenNull::Keep;
            let expected: Vec<i64> =
                (0..).zip(values).filter(|(id, (_, due))| *due || (fraction && *id == 3)).map(|(id, _)| id).collect();
            assert_eq!(due(&arena, selection).await, expected, "{index} {cutoff}");
        }
    }
    // What SQLite itself writes.
    let (arena, _file) = arena(
        "create table item (id integer primary key, at real);
         insert into item values (1, julianday('2024-03-10 11:59:59.999')), (2, julianday('2024-03-10 12:00:00'))",
    )
    .await;
    assert_eq!(due(&arena, selection("item", "at", Some(SinceForm::Julian), CUTOFF)).await, [1]);
}

#[tokio::test]
async fn every_column_that_a_moment_is_read_from_is_sampled() {
    let (arena, _file) = arena(
        "create table item (id integer primary key, a date, b date, made date);
         insert into item values (1, 'marker', 'marker', 'marker'), (2, 'marker', null, '2020-01-01');
         create table visit (item int, at date); create index visit_at on visit (at);
         insert into visit values (1, 'marker'), (1, 5), (1, x''), (1, null)",
    )
    .await;
    let date = |name: &str| column(name, SinceForm::Date);
    let greatest = counting(Since::Greatest(vec![date("a"), date("b")]), WhenNull::Keep);
    let activity = counting(latest(SinceForm::Date, &[("item", "id")], Some(date("made"))), WhenNull::Keep);
    let mut used = counting(Since::Column(date("a")), WhenNull::Use("b".into()));
    used.except.push(forgetd_connector::Except::Kept { rule: "keeper".into(), terms: activity.terms.clone() });
    for (selection, places) in [
        (greatest, &[("crm.item.a", 2), ("crm.item.b", 1)][..]),
        (activity, &[("crm.item.made", 1), ("crm.visit.at", 3)]),
        (used, &[("crm.item.a", 2), ("crm.item.b", 1), ("crm.item.made", 1), ("crm.visit.at", 3)]),
    ] {
        let step = arena.step(selection).await;
        let findings = arena.connector.preflight(&step).await.unwrap();
        let found: Vec<&str> = findings.iter().map(|finding| finding.place.as_str()).collect();
        assert_eq!(found, places.iter().map(|(place, _)| *place).collect::<Vec<_>>());
        for (finding, (_, rows)) in findings.iter().zip(places) {
            assert_eq!((finding.id.as_str(), finding.severity), ("since_unreadable", Severity::Warning));
            assert!(finding.message.contains(&format!("at least {rows} rows")), "{finding:?}");
        }
        assert!(!format!("{findings:?}").contains("marker"));
    }
}
