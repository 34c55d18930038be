//! Columns that can hold anything: what is due is due exactly, and what is no time is kept.

use forgetd_connector::{Count, RowCap, Severity, SinceForm};

use crate::fixture::{File, arena, ids, installed, selection};

/// Every value in one table, with what must survive: `keep` marks those rows.
async fn survivors(declared: &str, index: &str, form: Option<SinceForm>, cutoff: &str, values: &[(&str, bool)]) {
    let rows: Vec<String> = values.iter().enumerate().map(|(id, (value, _))| format!("({id}, {value})")).collect();
    let sql = format!(
        "create table item (id integer primary key, at {declared}); {index};
         insert into item values {}",
        rows.join(", ")
    );
    let (arena, file) = arena(&sql).await;
    let step = arena.step(selection("item", "at", form, cutoff)).await;
    let due = values.iter().filter(|(_, keep)| !keep).count() as u64;
    let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
    assert_eq!(measure.due, Count::Exact(due), "{declared} {index}");
    let done = arena.drain(&step, 3).await;
    assert_eq!(done.changed, due);
    let left: Vec<&str> = ids(&file, "item").iter().map(|id| values[*id as usize].0).collect();
    let kept: Vec<&str> = values.iter().filter(|(_, keep)| *keep).map(|(value, _)| *value).collect();
    assert_eq!(left, kept, "{declared} {index}");
}

const INDEXES: [&str; 2] = ["", "create index item_at on item (at)"];

#[tokio::test]
async fn naive_times_are_compared_to_any_digit() {
    // 12:30:45.5 in Stockholm.
    let cutoff = "2024-03-10T11:30:45.5Z";
    let values = [
        ("'2024-03-10 12:30:45'", false),
        ("'2024-03-10T12:30:45'", false),
        ("'2024-03-10 12:30:45.4'", false),
        ("'2024-03-10T12:30:45.4999999999999'", false),
        ("'2024-03-10 12:30:45.5'", true),
        ("'2024-03-10 12:30:45.500'", true),
        ("'2024-03-10T12:30:45.50000000001'", true),
        ("'2024-03-10 12:30:46'", true),
        ("'2024-03-10T00:00:00'", false),
        ("'2024-03-10 23:59:59'", true),
        ("'2024-03-09T23:59:59.999999'", false),
        ("'0999-01-01 00:00:00'", false),
        ("'9999-12-31T23:59:59'", true),
        ("null", true),
        // No times, however old they look.
        ("'2020-01-01'", true),
        ("'2020-01-01 10:00'", true),
        ("'2020-02-30 10:00:00'", true),
        ("'2020-01-01 24:00:00'", true),
        ("'2020-01-01 10:00:60'", true),
        ("'2020-01-01 10:00:00Z'", true),
        ("'2020-01-01 10:00:00+02:00'", true),
        ("'2020-01-01 10:00:00.'", true),
        ("'2020-01-01 10:00:00.1x'", true),
        ("'2020-01-01 10:00:00 '", true),
        ("' 2020-01-01 10:00:00'", true),
        ("'2020-1-1 10:00:00'", true),
        ("'-2020-01-01 10:00:00'", true),
        ("'2020-01-01 10:00:00' || char(0) || 'x'", true),
        ("'now'", true),
        ("''", true),
        ("'0'", true),
        ("0", true),
        ("1262304000", true),
        ("2455197.5", true),
        ("x'323032302d30312d30312031303a30303a3030'", true),
        ("x'00'", true),
    ];
    for declared in ["datetime", "timestamp", "text", ""] {
        for index in INDEXES {
            survivors(declared, index, Some(SinceForm::Timestamp), cutoff, &values).await;
        }
    }
}

#[tokio::test]
async fn dates_are_due_when_their_last_moment_passed() {
    let values = [
        ("'2024-03-09'", false),
        ("'2024-03-10'", true),
        ("'2024-03-11'", true),
        ("'2023-02-28'", false),
        ("'2023-02-29'", true),
        ("'2023-02-28 00:00:00'", true),
        ("'2023-02-28 '", true),
        ("'20230228'", true),
        ("20230228", true),
        ("'2023-02'", true),
        ("2460000.5", true),
        ("null", true),
    ];
    for declared in ["date", "text collate nocase", "text collate rtrim"] {
        for index in INDEXES {
            survivors(declared, index, Some(SinceForm::Date), "2024-03-10T22:59:59Z", &values).await;
        }
    }
    // One second later it is the eleventh in Stockholm.
    let values = [("'2024-03-10'", false), ("'2024-03-11'", true)];
    survivors("date", "", None, "2024-03-10T23:00:00Z", &values).await;
}

#[tokio::test]
async fn offsets_are_honoured_exactly() {
    let values = [
        ("'2024-03-10T11:30:44.999999999Z'", false),
        ("'2024-03-10T11:30:45Z'", false),
        ("'2024-03-10T11:30:45.25Z'", true),
        ("'2024-03-10T11:30:45.2Z'", false),
        ("'2024-03-10T11:30:45.250000000001Z'", true),
        ("'2024-03-11T00:30:45.0+13:00'", false),
        ("'2024-03-11T01:30:45.1+14:00'", false),
        ("'2024-03-09 23:30:46-12:00'", true),
        ("'2024-03-09 23:30:45-12:00'", false),
        ("'2024-03-10 06:15:45.3-05:15'", true),
        ("'2024-03-10T11:30:45'", true),
        ("'2024-03-10T11:30Z'", true),
        ("'2020-01-01T10:00:00 Z'", true),
        ("'2020-01-01T10:00:00+0200'", true),
        ("'2020-01-01T10:00:00+02'", true),
        ("'2020-01-01T10:00:00+99:00'", true),
        ("'2020-01-01T10:00:00.Z'", true),
        ("'2020-01-01T10:00:00z'", true),
        ("'2020-01-01'", true),
        ("1577872800", true),
        ("null", true),
    ];
    for index in INDEXES {
        survivors("text", index, Some(SinceForm::Iso8601), "2024-03-10T11:30:45.25Z", &values).await;
        survivors("timestamptz", index, None, "2024-03-10T11:30:45.25Z", &values).await;
    }
}

#[tokio::test]
async fn numbers_are_seconds_or_milliseconds_and_nothing_else() {
    let values = [
        ("1699999999", false),
        // A whole second, which the cutoff lies in.
        ("1700000000", true),
        ("1700000001", true),
        ("-5", false),
        ("1699999999.9", false),
        ("1700000000.25", false),
        ("1700000000.4999998", false),
        ("1700000000.5", true),
        ("1700000000.75", true),
        ("'soon'", true),
        ("x'00'", true),
        ("-1e30", true),
        ("-9e999", true),
        ("null", true),
    ];
    for index in INDEXES {
        survivors("numeric", index, Some(SinceForm::UnixS), "2023-11-14T22:13:20.5Z", &values).await;
    }
    let values = [("1700000000499", false), ("1700000000500", true), ("1700000000", false), ("'1'", true)];
    survivors("", INDEXES[1], Some(SinceForm::UnixMs), "2023-11-14T22:13:20.5Z", &values).await;
    // Digits that were stored as text are text.
    survivors("text", INDEXES[1], Some(SinceForm::UnixS), "2023-11-14T22:13:20.5Z", &[("'5'", true)]).await;
}

#[tokio::test]
async fn values_that_are_no_time_are_counted() {
    let (arena, _file) = arena(
        "create table item (id integer primary key, at datetime); create index item_at on item (at);
         insert into item (at) values ('2020-01-01 00:00:00'), ('marker'), (12), (null), ('2020-01-01')",
    )
    .await;
    let step = arena.step(selection("item", "at", None, "2024-01-01T00:00:00Z")).await;
    let findings = arena.connector.preflight(&step).await.unwrap();
    let found = findings.iter().find(|finding| finding.id == "since_unreadable").unwrap();
    assert_eq!((found.severity, found.place.as_str()), (Severity::Warning, "crm.item.at"));
    assert!(found.message.contains("at least 3 rows"), "{found:?}");
    assert!(!format!("{findings:?}").contains("marker"));
}

#[tokio::test]
async fn the_oldest_is_read_as_an_instant() {
    for (declared, form, values, oldest) in [
        ("date", None, "('2020-01-02'), ('2020-01-01'), ('1999')", "2020-01-01T23:00:00Z"),
        ("datetime", None, "('2020-01-01T05:00:00'), ('2020-01-01 06:00:00')", "2020-01-01T04:00:00Z"),
        (
            "text",
            Some(SinceForm::Iso8601),
            "('2020-01-02T05:00:00+14:00'), ('2020-01-01T20:00:00Z')",
            "2020-01-01T15:00:00Z",
        ),
        ("integer", Some(SinceForm::UnixMs), "(1500), (2500)", "1970-01-01T00:00:01.5Z"),
    ] {
        let (arena, _file) = arena(&format!(
            "create table item (id integer primary key, at {declared}); insert into item (at) values {values}"
        ))
        .await;
        let step = arena.step(selection("item", "at", form, "2024-01-01T00:00:00Z")).await;
        let measure = arena.connector.measure(&step, RowCap(None)).await.unwrap();
        assert_eq!(measure.oldest, Some(oldest.parse().unwrap()), "{declared}");
    }
}

#[tokio::test]
async fn thousands_of_times_around_the_cutoff_agree_with_arithmetic() {
    // Texts of every precision and offset around one moment; what is due is computed from nanoseconds.
    let cutoff: jiff::Timestamp = "2024-06-30T23:59:59.123456789Z".parse().unwrap();
    let mut seed: u64 = 42;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let scales: [i64; 6] = [1, 1_000, 1_000_000, 1_000_000_000, 3_600_000_000_000, 86_400_000_000_000];
    let mut expected = vec![];
    let mut rows = vec![];
    for id in 0..3_000 {
        let distance = (random(2_001) as i64 - 1_000) * scales[random(6) as usize];
        let digits = random(10) as u32;
        let unit = 10_i128.pow(9 - digits);
        let nanos = (cutoff.as_nanosecond() + i128::from(distance)).div_euclid(unit) * unit;
        let at = jiff::Timestamp::from_nanosecond(nanos).unwrap();
        let minutes = random(28 * 60 + 1) as i32 - 14 * 60;
        let offset = jiff::tz::Offset::from_seconds(minutes * 60).unwrap();
        let local = offset.to_datetime(at);
        let fraction = if digits == 0 {
            String::new()
        } else {
            format!(".{:09}", local.time().subsec_nanosecond())[..=digits as usize].to_owned()
        };
        let sign = if minutes < 0 { '-' } else { '+' };
        let zone = match minutes {
            0 => "Z".to_owned(),
            _ => format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60),
        };
        let separator = if random(2) == 0 { ' ' } else { 'T' };
        rows.push(format!("({id}, '{}{separator}{}{fraction}{zone}')", local.date(), local.strftime("%H:%M:%S")));
        if at >= cutoff {
            expected.push(id);
        }
    }
    let (arena, file) = arena(&format!(
        "create table item (id integer primary key, at text); create index item_at on item (at); insert into item values {}",
        rows.join(", ")
    ))
    .await;
    let step = arena.step(selection("item", "at", Some(SinceForm::Iso8601), &cutoff.to_string())).await;
    arena.drain(&step, 100).await;
    assert_eq!(ids(&file, "item"), expected);
}

#[tokio::test]
async fn a_file_in_utf_16_tells_the_same_time() {
    for encoding in ["UTF-16le", "UTF-16be", "UTF-8"] {
        for (form, index) in [
            (SinceForm::Date, ""),
            (SinceForm::Date, INDEXES[1]),
            (SinceForm::Timestamp, INDEXES[1]),
            (SinceForm::Iso8601, INDEXES[1]),
        ] {
            let (rest, offset) = match form {
                SinceForm::Date => ("", ""),
                SinceForm::Timestamp => (" 10:00:00.25", ""),
                _ => ("T10:00:00.25", "+02:00"),
            };
            let file = File::bare();
            file.open()
                .execute_batch(&format!(
                    "pragma encoding = '{encoding}'; create table item (id integer primary key, at text); {index};
                     insert into item (at) values ('2020-01-01{rest}{offset}'), ('2024-03-09{rest}{offset}'),
                       ('2024-03-10{rest}{offset}'), ('2020-01-01{rest}{offset}' || char(0)), ('2020-01-0€{rest}{offset}'),
                       ('€'), (null), ('2031-01-01{rest}{offset}')"
                ))
                .unwrap();
            let arena = installed(&file).await;
            let step = arena.step(selection("item", "at", Some(form), "2024-03-10T00:00:00+01:00")).await;
            assert_eq!(arena.drain(&step, 1).await.changed, 2, "{encoding} {form:?} {index}");
            assert_eq!(ids(&file, "item"), [3, 4, 5, 6, 7, 8]);
        }
    }
}
