//! What is asked of a column's own value, in three values: a value of another type than the literal's is unknown, and
//! neither a test nor its negation matches.

use forgetd_connector::{Check, Comparison, Path, Predicate, SinceForm, Test, Value};
use forgetd_testkit::Arena;

use crate::fixture::{File, arena, due, selection};

use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};

/// A table `item` whose rows are all old, with these values in `v`.
pub(crate) struct Rows {
    arena: Arena,
    _file: File,
    count: usize,
}

impl Rows {
    pub(crate) async fn new(declared: &str, stored: &[&str]) -> Self {
        let rows: Vec<String> = stored.iter().enumerate().map(|(id, value)| format!("({id}, {value})")).collect();
        let (arena, file) = arena(&format!(
            "create table item (id integer primary key, v {declared}, at int not null default 0);
             create index item_v on item (v); insert into item (id, v) values {}",
            rows.join(", ")
        ))
        .await;
        Self { arena, _file: file, count: stored.len() }
    }

    /// One letter for each row: `T`, `F` or `U`.
    pub(crate) async fn truths(&self, predicate: Predicate) -> String {
        let mut truths = vec!['U'; self.count];
        let not = Predicate::Not { part: Box::new(predicate.clone()), or_null: false };
        for (predicate, letter) in [(predicate, 'T'), (not, 'F')] {
            let mut selection = selection("item", "at", Some(SinceForm::UnixS), "2024-01-01T00:00:00Z");
            selection.terms.predicate = predicate;
            for id in due(&self.arena, selection).await {
                assert_eq!(truths[id as usize], 'U', "row {id} matches a test and its negation");
                truths[id as usize] = letter;
            }
        }
        truths.into_iter().collect()
    }
}

pub(crate) fn at(path: Path, check: Check) -> Predicate {
    Predicate::Test(Test { path, check, or_null: false })
}

fn v(check: Check) -> Predicate {
    at(Path::column("v"), check)
}

pub(crate) fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn texts(values: &[&str]) -> Vec<Value> {
    values.iter().map(|value| text(value)).collect()
}

fn or_null(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::Test(test) => Predicate::Test(Test { or_null: true, ..test }),
        Predicate::Not { part, .. } => Predicate::Not { part, or_null: true },
        other => other,
    }
}

fn not(predicate: Predicate) -> Predicate {
    Predicate::Not { part: Box::new(predicate), or_null: false }
}

#[tokio::test]
async fn texts_compare_by_code_points_and_with_texts_alone() {
    let stored = [
        "'b'",
        "'B'",
        "'a'",
        "'ba'",
        "'b '",
        "'b' || char(0)",
        "''",
        "'é'",
        "'e' || char(769)",
        "char(65535)",
        "char(128512)",
        "'5'",
        "5",
        "5.5",
        "x'62'",
        "null",
    ];
    for declared in ["", "text", "text collate nocase", "text collate rtrim"] {
        // Affinity makes texts of numbers.
        let end = if declared.starts_with("text") { "TTUU" } else { "UUUU" };
        let other =
            |letter: char| if declared.starts_with("text") { format!("{letter}{letter}UU") } else { "UUUU".into() };
        let rows = Rows::new(declared, &stored).await;
        for (check, truths) in [
            (Check::Compare(Equal, text("b")), format!("TFFFFFFFFFFF{}", other('F'))),
            (Check::Compare(NotEqual, text("b")), format!("FTTTTTTTTTTT{end}")),
            (Check::Compare(Less, text("b")), format!("FTTFFFTFFFFT{end}")),
            (Check::Compare(LessOrEqual, text("b")), format!("TTTFFFTFFFFT{end}")),
            (Check::Compare(Greater, text("b")), format!("FFFTTTFTTTTF{}", other('F'))),
            (Check::Compare(GreaterOrEqual, text("b")), format!("TFFTTTFTTTTF{}", other('F'))),
            (Check::Compare(Greater, text("\u{ffff}")), format!("FFFFFFFFFFTF{}", other('F'))),
            (Check::In(texts(&["b", "é"])), format!("TFFFFFFTFFFF{}", other('F'))),
            (Check::NotIn(texts(&["b", "é"])), format!("FTTTTTTFTTTT{end}")),
            (Check::Prefix("b".into()), format!("TFFTTTFFFFFF{}", other('F'))),
            (Check::Prefix("b\0".into()), format!("FFFFFTFFFFFF{}", other('F'))),
            (Check::Prefix(String::new()), format!("TTTTTTTTTTTT{end}")),
        ] {
            assert_eq!(rows.truths(v(check.clone())).await, truths, "{declared} {check:?}");
        }
    }
}

#[tokio::test]
async fn patterns_tell_case_and_take_every_character_as_it_is() {
    let stored = [
        "'100%'",
        "'100'",
        "'a*b'",
        "'axxb'",
        "'a[b'",
        "'a?b'",
        "'A*B'",
        "'a\\b'",
        "'äöü'",
        "'a' || char(10) || 'b'",
        "'a' || char(0) || 'b'",
        "7",
        "null",
    ];
    let rows = Rows::new("", &stored).await;
    for (pattern, truths) in [
        (r"100\%", "TFFFFFFFFFUUU"),
        ("100%", "TTFFFFFFFFUUU"),
        ("%", "TTTTTTTTTTUUU"),
        ("", "FFFFFFFFFFUUU"),
        ("a%b", "FFTTTTFTFTUUU"),
        ("a_b", "FFTFTTFTFTUUU"),
        ("a*b", "FFTFFFFFFFUUU"),
        ("a[b", "FFFFTFFFFFUUU"),
        ("a?b", "FFFFFTFFFFUUU"),
        (r"a\\b", "FFFFFFFTFFUUU"),
        ("___", "FTTFTTTTTTUUU"),
        ("%ö%", "FFFFFFFFTFUUU"),
        ("a\0b", "FFFFFFFFFFUUU"),
    ] {
        assert_eq!(rows.truths(v(Check::Like(pattern.into()))).await, truths, "{pattern}");
    }
}

#[tokio::test]
async fn numbers_compare_by_value_across_their_kinds() {
    let stored = [
        "5",
        "5.0",
        "4.9999999999999991",
        "-0.0",
        "0",
        "9007199254740993",
        "9007199254740992.0",
        "9223372036854775807",
        "9223372036854775808.0",
        "-9223372036854775808",
        "9e999",
        "'5'",
        "x'05'",
        "null",
    ];
    let rows = Rows::new("", &stored).await;
    for (comparison, value, truths) in [
        (Equal, Value::Int(5), "TTFFFFFFFFFUUU"),
        (NotEqual, Value::Int(5), "FFTTTTTTTTTUUU"),
        (Equal, Value::Real(5.0), "TTFFFFFFFFFUUU"),
        (Equal, Value::Int(0), "FFFTTFFFFFFUUU"),
        (Equal, Value::Real(-0.0), "FFFTTFFFFFFUUU"),
        (Less, Value::Int(0), "FFFFFFFFFTFUUU"),
        (Less, Value::Int(5), "FFTTTFFFFTFUUU"),
        (Equal, Value::Int(9_007_199_254_740_993), "FFFFFTFFFFFUUU"),
        (Equal, Value::Real(9_007_199_254_740_992.0), "FFFFFFTFFFFUUU"),
        (Greater, Value::Real(9_007_199_254_740_992.0), "FFFFFTFTTFTUUU"),
        (GreaterOrEqual, Value::Int(i64::MAX), "FFFFFFFTTFTUUU"),
        (Less, Value::Real(9_223_372_036_854_775_808.0), "TTTTTTTTFTFUUU"),
        (LessOrEqual, Value::Int(i64::MIN), "FFFFFFFFFTFUUU"),
    ] {
        let check = Check::Compare(comparison, value.clone());
        assert_eq!(rows.truths(v(check)).await, truths, "{comparison:?} {}", value.canonical_text());
    }
    let list = vec![Value::Int(5), Value::Real(9_007_199_254_740_992.0)];
    assert_eq!(rows.truths(v(Check::In(list.clone()))).await, "TTFFFFTFFFFUUU");
    assert_eq!(rows.truths(v(Check::NotIn(list))).await, "FFTTTTFTTTTUUU");
}

#[tokio::test]
async fn truth_values_are_zero_and_one_and_have_no_order() {
    let stored = ["1", "0", "2", "1.0", "'true'", "'1'", "null"];
    let rows = Rows::new("", &stored).await;
    for (check, truths) in [
        (Check::Compare(Equal, Value::Bool(true)), "TFUUUUU"),
        (Check::Compare(NotEqual, Value::Bool(true)), "FTUUUUU"),
        (Check::In(vec![Value::Bool(false)]), "FTUUUUU"),
        (Check::NotIn(vec![Value::Bool(false), Value::Bool(true)]), "FFUUUUU"),
        (Check::Compare(Less, Value::Bool(true)), "UUUUUUU"),
        (Check::Compare(GreaterOrEqual, Value::Bool(false)), "UUUUUUU"),
    ] {
        assert_eq!(rows.truths(v(check.clone())).await, truths, "{check:?}");
    }
    assert_eq!(
        Rows::new("boolean", &stored).await.truths(v(Check::Compare(NotEqual, Value::Bool(true)))).await,
        "FTUFUFU"
    );
}

#[tokio::test]
async fn a_list_of_several_types_asks_each_value_by_its_own() {
    let stored = ["1", "'1'", "2.5", "'2.5'", "x'31'", "x'32'", "0", "null"];
    let rows = Rows::new("", &stored).await;
    let list = vec![Value::Int(1), text("1"), Value::Real(2.5)];
    assert_eq!(rows.truths(v(Check::In(list.clone()))).await, "TTTFUUFU");
    assert_eq!(rows.truths(v(Check::NotIn(list))).await, "FFFTUUTU");
    assert_eq!(rows.truths(v(Check::In(texts(&["1"])))).await, "UTUFUUUU");
    assert_eq!(rows.truths(v(Check::NotIn(vec![Value::Bytes(b"1".to_vec())]))).await, "UUUUFTUU");
    assert_eq!(rows.truths(v(Check::Compare(Less, Value::Bytes(b"9".to_vec())))).await, "UUUUUUUU");
}

#[tokio::test]
async fn null_is_asked_for_by_name() {
    let rows = Rows::new("", &["null", "''", "0", "x''", "'null'"]).await;
    assert_eq!(rows.truths(v(Check::Null(true))).await, "TFFFF");
    assert_eq!(rows.truths(v(Check::Null(false))).await, "FTTTT");
    // In a column of JSON its null is nothing too, and what is no JSON is something.
    let stored =
        ["null", "'null'", "' null '", "'0'", "'{}'", "'nul'", "'\"null\"'", "jsonb('null')", "x''", "jsonb('[]')"];
    let rows = Rows::new("json", &stored).await;
    assert_eq!(rows.truths(v(Check::Null(true))).await, "TTTFFFFTFF");
    assert_eq!(rows.truths(v(Check::Null(false))).await, "FFFTTTTFTT");
}

#[tokio::test]
async fn parts_join_in_three_values() {
    let rows = Rows::new("", &["'a'", "'b'", "5", "null"]).await;
    let a = || v(Check::Compare(Equal, text("a")));
    let five = || v(Check::Compare(Equal, Value::Int(5)));
    let null = || v(Check::Null(true));
    for (predicate, truths) in [
        (Predicate::All(vec![]), "TTTT"),
        (Predicate::Any(vec![]), "FFFF"),
        (a(), "TFUU"),
        (not(a()), "FTUU"),
        (not(not(a())), "TFUU"),
        (or_null(a()), "TFTT"),
        (or_null(not(a())), "FTTT"),
        (not(or_null(a())), "FTFF"),
        (Predicate::Any(vec![a(), five()]), "TUTU"),
        (Predicate::All(vec![a(), five()]), "UFUU"),
        (Predicate::Any(vec![a(), null()]), "TFUT"),
        (Predicate::All(vec![not(a()), not(null())]), "FTUF"),
        (not(Predicate::Any(vec![a(), null()])), "FTUF"),
        (not(Predicate::All(vec![])), "FFFF"),
        (not(Predicate::Any(vec![])), "TTTT"),
        (Predicate::Any(vec![Predicate::All(vec![a(), not(null())]), or_null(five())]), "TTTT"),
    ] {
        assert_eq!(rows.truths(predicate.clone()).await, truths, "{predicate:?}");
    }
}

#[tokio::test]
async fn what_has_no_exact_form_is_refused() {
    let (arena, file) = arena("create table item (id integer primary key, v text, at int)").await;
    let refusal = async |predicate: Predicate| {
        let mut selection = selection("item", "at", Some(SinceForm::UnixS), "2024-01-01T00:00:00Z");
        selection.terms.predicate = predicate;
        let step = arena.step(selection).await;
        arena.connector.statements(&step).err().map(|fault| (fault.cause(), fault.place))
    };
    use forgetd_connector::Cause;
    let foreign = Value::Typed { kind: "uuid".into(), text: "marker".into() };
    let blocked = |cause| Some((cause, "crm.item.v".to_owned()));
    assert_eq!(refusal(v(Check::Compare(Equal, foreign.clone()))).await, blocked(Cause::ColumnType));
    assert_eq!(refusal(v(Check::In(vec![text("a"), foreign]))).await, blocked(Cause::ColumnType));
    assert_eq!(refusal(v(Check::Exists(true))).await, blocked(Cause::ColumnType));
    assert_eq!(refusal(v(Check::Like("[".repeat(20_000)))).await, blocked(Cause::Unsupported));
    assert_eq!(refusal(v(Check::Like("%".repeat(20_000)))).await, None);
    drop(file);
}

#[tokio::test]
async fn a_file_in_utf_16_has_equality_and_no_order() {
    let file = File::bare();
    file.open()
        .execute_batch(
            "pragma encoding = 'UTF-16le'; create table item (id integer primary key, v text, at int not null default 0);
             insert into item (id, v) values (0, 'a€'), (1, 'A€'), (2, 'a€b'), (3, null)",
        )
        .unwrap();
    let arena = crate::fixture::installed(&file).await;
    let rows = Rows { arena, _file: file, count: 4 };
    for (check, truths) in [
        (Check::Compare(Equal, text("a€")), "TFFU"),
        (Check::In(texts(&["a€", "x"])), "TFFU"),
        (Check::Like("a_".into()), "TFFU"),
        (Check::Prefix("a€".into()), "TFTU"),
    ] {
        assert_eq!(rows.truths(v(check.clone())).await, truths, "{check:?}");
    }
    let mut selection = selection("item", "at", Some(SinceForm::UnixS), "2024-01-01T00:00:00Z");
    selection.terms.predicate = v(Check::Compare(Less, text("b")));
    let step = rows.arena.step(selection).await;
    assert_eq!(rows.arena.connector.statements(&step).unwrap_err().cause(), forgetd_connector::Cause::Unsupported);
}
