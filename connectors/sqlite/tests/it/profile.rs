//! How rows are spread, and which stay and why.

use forgetd_connector::{
    Count, Except, Joined, KeptWhy, Latest, Predicate, Profile, RowCap, Selection, Since, SinceColumn, SinceForm,
    TableRef, Value, WhenNull,
};

use crate::fixture::{arena, selection};

const CUTOFF: &str = "2024-03-10T12:00:00Z";

fn column(name: &str, form: SinceForm) -> SinceColumn {
    let zone = Some(jiff::tz::TimeZone::get("Europe/Stockholm").unwrap());
    SinceColumn { column: name.into(), zone, form: Some(form) }
}

fn months(profile: &Profile) -> Vec<(Option<&str>, u64)> {
    profile.months.iter().map(|month| (month.month.as_deref(), month.rows)).collect()
}

fn kept(profile: &Profile) -> Vec<(KeptWhy, Count)> {
    profile.kept.iter().map(|kept| (kept.why.clone(), kept.rows)).collect()
}

fn exact(null: Option<u64>, future: u64, unreadable: u64) -> Vec<(KeptWhy, Count)> {
    let null = null.map(|rows| (KeptWhy::Null, Count::Exact(rows)));
    let rest = [(KeptWhy::Future, Count::Exact(future)), (KeptWhy::Unreadable, Count::Exact(unreadable))];
    null.into_iter().chain(rest).collect()
}

#[tokio::test]
async fn due_rows_are_counted_by_the_month_their_column_writes() {
    // Each list ends with a row that is not due.
    for (declared, form, values, expected) in [
        (
            "date",
            SinceForm::Date,
            "('2023-12-31'), ('2024-01-01'), ('2024-01-31'), ('2024-03-10')",
            &[("2023-12", 1), ("2024-01", 2)][..],
        ),
        (
            "datetime",
            SinceForm::Timestamp,
            // Midnight in Stockholm is another month in UTC.
            "('2024-01-01 00:00:00'), ('2024-01-31T23:59:59.9'), ('2024-03-10 13:00:00')",
            &[("2024-01", 2)],
        ),
        (
            "text",
            SinceForm::Iso8601,
            "('2024-01-01T00:30:00+01:00'), ('2024-01-01T00:30:00Z'), ('0007-05-01T00:00:00Z'), ('2024-03-10T12:00:00Z')",
            &[("0007-05", 1), ("2023-12", 1), ("2024-01", 1)],
        ),
        (
            "int",
            SinceForm::UnixS,
            "(0), (-1), (-0.5), (2678400), (1710072000)",
            &[("1969-12", 2), ("1970-01", 1), ("1970-02", 1)],
        ),
        ("int", SinceForm::UnixMs, "(0), (-1), (2678399999), (1710072000000)", &[("1969-12", 1), ("1970-01", 2)]),
        (
            "real",
            SinceForm::Julian,
            "(2440587.5), (2440587.4999), (2440618.5), (2460380.0)",
            &[("1969-12", 1), ("1970-01", 1), ("1970-02", 1)],
        ),
    ] {
        for index in ["", "create index i on item (at)"] {
            let (arena, _file) = arena(&format!(
                "create table item (id integer primary key, at {declared}); {index}; insert into item (at) values {values}"
            ))
            .await;
            let step = arena.step(selection("item", "at", Some(form), CUTOFF)).await;
            let profile = arena.connector.profile(&step, RowCap(None)).await.unwrap();
            let expected: Vec<(Option<&str>, u64)> =
                expected.iter().map(|(month, rows)| (Some(*month), *rows)).collect();
            assert_eq!((months(&profile), profile.complete), (expected, true), "{declared} {index}");
        }
    }
}

#[tokio::test]
async fn rows_stay_for_reasons_that_are_counted() {
    let values = [
        (
            "date",
            SinceForm::Date,
            "'2020-01-01', null, '2999-01-01', 'soon', 5, x'', date('now', '+2 days'), date('now')",
        ),
        (
            "datetime",
            SinceForm::Timestamp,
            "'2020-01-01 00:00:00', null, '2999-01-01T00:00:00', 'soon', '2999-01-01', x'', datetime('now', '+1 day'), '2024-03-10 13:00:00'",
        ),
        (
            "text",
            SinceForm::Iso8601,
            "'2020-01-01T00:00:00Z', null, '2999-01-01T00:00:00+02:00', 'soon', '2999-01-01', x'', strftime('%FT%TZ', 'now', '+1 hour'), '2024-03-10T12:00:00Z'",
        ),
        ("", SinceForm::UnixS, "5, null, 9999999999, 'soon', -9e999, '5', unixepoch() + 3600, 1710072000"),
        (
            "",
            SinceForm::UnixMs,
            "5, null, 9999999999999, 'soon', 9e999, x'', (unixepoch() + 3600) * 1000, 1710072000000",
        ),
        ("", SinceForm::Julian, "2440587, null, 3000000, 'soon', 0, '5', julianday('now') + 1, 2460380"),
    ];
    for (declared, form, values) in values {
        for index in ["", "create index i on item (at)"] {
            let rows: Vec<String> = split(values).into_iter().map(|value| format!("({value}, 'a')")).collect();
            assert_eq!(rows.len(), 8);
            let (arena, _file) = arena(&format!(
                "create table item (id integer primary key, at {declared}, state text); {index};
                 insert into item (at, state) values {}, ('soon', 'b'), (null, 'b'), (null, null)",
                rows.join(", ")
            ))
            .await;
            let mut selection = selection("item", "at", Some(form), CUTOFF);
            selection.terms.predicate = Predicate::equal("state", Value::Text("a".into()));
            let profile = arena.connector.profile(&arena.step(selection.clone()).await, RowCap(None)).await.unwrap();
            assert_eq!(kept(&profile), exact(Some(1), 2, 3), "{form:?} {index}");
            selection.terms.when_null = WhenNull::Delete;
            let profile = arena.connector.profile(&arena.step(selection).await, RowCap(None)).await.unwrap();
            assert_eq!(kept(&profile), exact(None, 2, 3), "{form:?} {index}");
            assert_eq!((months(&profile)[0], months(&profile).len()), ((None, 1), 2), "no moment has no month");
        }
    }
}

/// A list of values, at the commas outside of parentheses.
fn split(values: &str) -> Vec<String> {
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for character in values.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        match character {
            ',' if depth == 0 => parts.push(String::new()),
            character => parts.last_mut().unwrap().push(character),
        }
    }
    parts
}

#[tokio::test]
async fn several_columns_and_other_tables_have_the_same_reasons() {
    let (arena, _file) = arena(
        "create table item (id integer primary key, a date, b date);
         insert into item values (1, '2020-01-01', '2021-02-02'), (2, null, '2021-03-03'), (3, null, null),
           (4, '2020-01-01', '2999-01-01'), (5, 'soon', '2999-01-01'), (6, '2999-01-01', null), (7, '2024-03-10', null);
         create table visit (item int, at date);
         insert into visit values (1, '2019-05-05'), (1, '2020-06-06'), (2, '2999-01-01'), (2, '2000-01-01'), (3, null),
           (4, 'soon'), (4, '2999-01-01'), (7, '2024-03-10')",
    )
    .await;
    let date = |name: &str| column(name, SinceForm::Date);
    let latest = |or| {
        let on = vec![Joined { other: "item".into(), own: "id".into() }];
        Since::Latest(Box::new(Latest { table: TableRef::parse("visit"), at: date("at"), on, or }))
    };
    for (since, when_null, expected_months, expected) in [
        (
            Since::Greatest(vec![date("a"), date("b")]),
            WhenNull::Keep,
            &[("2021-02", 1), ("2021-03", 1)][..],
            exact(Some(1), 2, 1),
        ),
        (Since::Column(date("a")), WhenNull::Use("b".into()), &[("2020-01", 2), ("2021-03", 1)], exact(Some(1), 1, 1)),
        // 3, 5 and 6 have no visit.
        (latest(None), WhenNull::Keep, &[("2020-06", 1)], exact(Some(3), 1, 1)),
        (latest(Some(date("b"))), WhenNull::Keep, &[("2020-06", 1)], exact(Some(2), 2, 1)),
        (latest(Some(date("a"))), WhenNull::Delete, &[("", 1), ("2020-06", 1)], exact(None, 2, 2)),
    ] {
        let mut selection = selection("item", "", None, CUTOFF);
        selection.terms.since = since.clone();
        selection.terms.when_null = when_null;
        let profile = arena.connector.profile(&arena.step(selection).await, RowCap(None)).await.unwrap();
        let expected_months: Vec<(Option<&str>, u64)> = expected_months
            .iter()
            .map(|(month, rows)| (Some(*month).filter(|month| !month.is_empty()), *rows))
            .collect();
        assert_eq!((months(&profile), kept(&profile)), (expected_months, expected), "{since}");
    }
}

#[tokio::test]
async fn a_rule_is_named_for_what_would_be_due_without_it() {
    let (arena, _file) = arena(
        "create table item (id integer primary key, at int not null default 0, state text, until date);
         insert into item (id, state, until) values (1, 'a', '2020-01-01'), (2, 'a', '2030-01-01'), (3, 'a', null),
           (4, 'b', '2030-01-01'), (5, 'c', null);
         insert into item values (6, 4102444800, 'a', null)",
    )
    .await;
    let text = |value: &str| Value::Text(value.into());
    let mut step_selection: Selection = selection("item", "at", Some(SinceForm::UnixS), CUTOFF);
    step_selection.terms.predicate = Predicate::one_of("state", vec![text("a"), text("b")]);
    for (rule, state) in [("first", "a"), ("second", "b"), ("third", "c")] {
        let mut terms = selection("item", "until", Some(SinceForm::Date), CUTOFF).terms;
        terms.predicate = Predicate::equal("state", text(state));
        step_selection.except.push(Except::Kept { rule: rule.into(), terms });
    }
    let profile = arena.connector.profile(&arena.step(step_selection).await, RowCap(None)).await.unwrap();
    let rule = |name: &str, rows| (KeptWhy::Rule(name.into()), Count::Exact(rows));
    assert_eq!(months(&profile), [(Some("1970-01"), 1)]);
    // `at` cannot be NULL.
    let mut expected = exact(None, 1, 0);
    expected.extend([rule("first", 2), rule("second", 1), rule("third", 0)]);
    assert_eq!(kept(&profile), expected);
}

#[tokio::test]
async fn looking_stops_at_the_cap_and_says_so() {
    for (index, at_the_cap, beyond) in [
        // Without an index, only the first rows of the table are looked at.
        ("", vec![(KeptWhy::Null, Count::Capped(3)), (KeptWhy::Future, Count::Capped(0))], true),
        (
            "create index i on item (at)",
            vec![(KeptWhy::Null, Count::Capped(3)), (KeptWhy::Future, Count::Exact(2))],
            true,
        ),
    ] {
        let (arena, _file) = arena(&format!(
            "create table item (id integer primary key, at date); {index};
             insert into item (at) values (null), (null), (null), (null), ('2020-01-01'), ('2020-01-01'), ('2020-02-01'),
               ('2020-03-01'), ('2999-01-01'), ('2999-01-01'), ('soon')"
        ))
        .await;
        let step = arena.step(selection("item", "at", Some(SinceForm::Date), CUTOFF)).await;
        let profile = arena.connector.profile(&step, RowCap(Some(3))).await.unwrap();
        assert_eq!(profile.complete, !beyond);
        assert_eq!(profile.months.iter().map(|month| month.rows).sum::<u64>(), 3);
        assert_eq!(kept(&profile)[..2], at_the_cap[..], "{index}");
        assert_eq!(kept(&profile)[2], (KeptWhy::Unreadable, Count::Capped(0)));
        for cap in [RowCap(Some(11)), RowCap(None)] {
            let profile = arena.connector.profile(&step, cap).await.unwrap();
            assert_eq!((profile.complete, kept(&profile)), (true, exact(Some(4), 2, 1)), "{cap:?} {index}");
        }
    }
}
