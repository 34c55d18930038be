//! Times that are written as text, against the oracle, which reads them one by one.

use forgetd_connector::{Count, KeptWhy, RowCap, SinceForm, WhenNull};
use forgetd_testkit::{Cell, Kind, TableSpec, TestDatabase as _, in_zone, oracle};
use jiff::Timestamp;

use crate::fixture::{PostgresFixture, arena, due, order};
use crate::since::{counted_from, latest};

const DAYS: &[&str] = &[
    "2024-12-30",
    "2024-12-31",
    "2025-01-01",
    "2024-02-29",
    "2023-02-29",
    "2000-02-29",
    "1900-02-29",
    "2024-02-30",
    "2024-04-31",
    "2024-13-01",
    "2024-00-10",
    "2024-01-00",
    "2024-1-1",
    "0000-02-29",
    "0000-01-01",
    "0001-01-01",
    "9998-12-31",
    "20240101",
    "2024-12-31 ",
    " 2024-12-31",
    "2024-12-3１",
    "-2024-01-01",
    "soon",
    "",
    "2024-12-31\n",
];

const CLOCKS: &[&str] = &[
    "00:00:00",
    "23:59:59",
    "23:00:00",
    "22:59:59.999999",
    "23:00:00.000000",
    "22:59:59.9999999999",
    "23:00:00.0000001",
    "24:00:00",
    "12:60:00",
    "12:00:60",
    "12:00",
    "1:00:00",
    "12:00:00.",
    "12:00:00,5",
    "",
];

const OFFSETS: &[&str] =
    &["Z", "+00:00", "-00:00", "+01:00", "-01:00", "+23:59", "-23:59", "+24:00", "+0100", "+01", "z", " Z", ""];

fn texts(form: SinceForm) -> Vec<String> {
    let mut texts = vec![];
    for day in DAYS {
        if form == SinceForm::Date {
            texts.push((*day).to_owned());
            continue;
        }
        for clock in CLOCKS {
            let offsets = if form == SinceForm::Iso8601 { OFFSETS } else { &[""][..] };
            for (n, offset) in offsets.iter().enumerate() {
                let between = if (clock.len() + n) % 2 == 0 { " " } else { "T" };
                texts.push(format!("{day}{between}{clock}{offset}"));
            }
        }
    }
    texts
}

#[tokio::test]
async fn what_is_time_is_compared_and_what_is_none_is_kept() {
    for (kind, form) in [
        (Kind::Iso8601, SinceForm::Iso8601),
        (Kind::NaiveText, SinceForm::Timestamp),
        (Kind::DateText, SinceForm::Date),
    ] {
        let texts = texts(form);
        let unreadable = texts.iter().filter(|text| !oracle::is_time(text, form)).count() as u64;
        assert!(unreadable > 0 && unreadable < texts.len() as u64);
        let rows = texts.iter().map(|text| vec![Cell::Text(text.clone())]).chain([vec![Cell::Null]]);
        let table = TableSpec::new("item").nullable("at", kind).rows(rows).index(&["at"]);
        let statements: Vec<String> = table.statements(&PostgresFixture);
        let (arena, database) = arena(&statements.join("; ")).await;
        for cutoff in ["2024-12-31T23:00:00Z", "2024-12-31T22:59:59.999999Z", "2024-12-31T22:00:00Z"] {
            let mut wanted = table.selection(&PostgresFixture, "at", cutoff.parse::<Timestamp>().unwrap());
            in_zone(&mut wanted, "Europe/Stockholm");
            let expected: Vec<String> = oracle::due(&table, &wanted).iter().map(ToString::to_string).collect();
            let step = arena.step(wanted).await;
            let found = due(&arena, step.clone()).await.unwrap();
            let other = |a: &[String], b: &[String]| a.iter().find(|id| !b.contains(id)).cloned();
            assert_eq!((other(&found, &expected), other(&expected, &found)), (None, None), "{kind:?} {cutoff}");
            let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
            assert_eq!(measure.due, Count::Exact(expected.len() as u64));
            let profile = arena.connector.profile(&step, RowCap(None)).await.unwrap();
            let counted = profile.kept.iter().find(|kept| kept.why == KeptWhy::Unreadable).unwrap();
            assert_eq!(counted.rows, Count::Exact(unreadable), "{kind:?}");
            assert_eq!(profile.months.iter().map(|month| month.rows).sum::<u64>(), expected.len() as u64);
            // Texts are in an order of their own, so the table is walked in its own.
            assert_eq!(arena.connector.statements(&step).unwrap().walk, "physical");
        }
        let mut wanted = table.selection(&PostgresFixture, "at", "2024-12-31T23:00:00Z".parse().unwrap());
        wanted.terms.when_null = WhenNull::Delete;
        in_zone(&mut wanted, "Europe/Stockholm");
        let kept = oracle::survivors(&table, &wanted);
        arena.drain(&arena.step(wanted).await, 40).await;
        let left = database.texts("select id::text from item order by item.id").await;
        assert!(left.iter().eq(kept.iter().map(ToString::to_string).collect::<Vec<_>>().iter()), "{kind:?}");
    }
}

#[tokio::test]
async fn the_oldest_and_the_months_of_texts() {
    for (form, type_name, values, oldest, months) in [
        (
            SinceForm::Iso8601,
            "text",
            "('2024-03-01T00:30:00+01:00'), ('2024-03-01T00:30:00Z'), ('soon'), (null)",
            "2024-02-29T23:30:00Z",
            "2024-02 1, 2024-03 1",
        ),
        (
            SinceForm::Timestamp,
            "varchar(30)",
            "('2024-03-01T00:30:00.5'), ('2024-04-01 00:30:00'), ('2024-04-01')",
            "2024-02-29T23:30:00.5Z",
            "2024-03 1, 2024-04 1",
        ),
        (
            SinceForm::Date,
            "char(30)",
            "('2024-03-01'), ('2024-04-01'), ('2024-04-01 00:00:00'), ('0000-01-01')",
            "2024-02-29T23:00:00Z",
            "none 1, 2024-03 1, 2024-04 1",
        ),
    ] {
        let (arena, _) = arena(&format!(
            "create table item (id serial primary key, at {type_name}); insert into item (at) values {values}"
        ))
        .await;
        let mut since = crate::since::column("at");
        since.form = Some(form);
        let step = arena.step(counted_from(forgetd_connector::Since::Column(since), WhenNull::Keep)).await;
        for cap in [None, Some(9)] {
            let measure = arena.connector.measure(&step, RowCap(cap)).await.unwrap();
            assert_eq!(measure.oldest, Some(oldest.parse().unwrap()), "{form:?}");
        }
        let profile = arena.connector.profile(&step, RowCap(None)).await.unwrap();
        let text: Vec<String> = profile
            .months
            .iter()
            .map(|month| format!("{} {}", month.month.as_deref().unwrap_or("none"), month.rows))
            .collect();
        assert_eq!(text.join(", "), months, "{form:?}");
    }
}

/// Activity that cannot be read keeps its row, as if it were still to come.
#[tokio::test]
async fn activity_that_cannot_be_read_keeps_the_row() {
    let (arena, database) = arena(
        "create table item (id int primary key, at timestamptz, born text);
         create table orders (item int, made text); create index on orders (item);
         insert into item values (1, null, null), (2, null, null), (3, '2024-01-01', '2024-01-01'), (4, null, null), (5, null, 'soon');
         insert into orders values (1, '2024-01-01T00:00:00Z'), (2, '2024-01-01T00:00:00Z'), (2, 'soon'), (4, null)",
    )
    .await;
    let mut wanted = counted_from(latest(Some("at")), WhenNull::Keep);
    let forgetd_connector::Since::Latest(since) = &mut wanted.terms.since else { unreachable!() };
    since.at.form = Some(SinceForm::Iso8601);
    let step = arena.step(wanted.clone()).await;
    assert_eq!(due(&arena, step.clone()).await.unwrap(), ["1", "3"]);
    let kept = arena.connector.profile(&step, RowCap(None)).await.unwrap().kept;
    let counts: Vec<(KeptWhy, Count)> = kept.into_iter().map(|kept| (kept.why, kept.rows)).collect();
    assert_eq!(
        counts,
        [(KeptWhy::Null, Count::Exact(2)), (KeptWhy::Future, Count::Exact(0)), (KeptWhy::Unreadable, Count::Exact(1))]
    );
    let mut greatest = wanted;
    let born = forgetd_connector::SinceColumn { form: Some(SinceForm::Date), ..crate::since::column("born") };
    greatest.terms.since = forgetd_connector::Since::Greatest(vec![crate::since::column("at"), born]);
    assert_eq!(due(&arena, arena.step(greatest).await).await.unwrap(), ["3"]);
    assert_eq!(crate::fixture::attempt(&arena, &step, &order(1_000)).await.unwrap().changed, 2);
    assert_eq!(database.number("select count(*) from item").await, 5);
}
