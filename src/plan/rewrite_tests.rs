//! What a transform may write, case by case: the place, the columns, what is said.

use forgetd_connector::{
    Atomicity, Catalog, Column, ColumnKind, Fit, Grain, Index, OnDelete, Path, Put, Reference, Shape, Since, Table,
    TableKind, TableRef, Undone, Value, WhenNull, Writable,
};

use crate::plan::step;
use crate::plan::testing::{column, reference, rule, table};
use crate::rules::{Action, Period, Policy, Rule, Transform};
use crate::transform::{CheckDigit, TokenKind, Treatment};

const TEXT: TokenKind = TokenKind::Text;

fn token(kind: TokenKind) -> Treatment {
    Treatment::Pseudonymize { kind, domain: "people".into() }
}

fn redact(value: Value) -> Treatment {
    Treatment::Redact(value)
}

fn to(grain: Grain) -> Treatment {
    Treatment::Generalize(grain)
}

fn leads(places: &[(&str, Treatment)]) -> (Rule, Transform) {
    let transform = Transform {
        places: places.iter().map(|(path, treatment)| (Path::parse(path).unwrap(), treatment.clone())).collect(),
        marker: None,
        version: None,
        sweep: Period::parse("30d").unwrap(),
        references_follow: false,
    };
    (rule("leads", "lead"), transform)
}

fn with(rule: Rule, transform: Transform) -> Rule {
    Rule { action: Action::Transform(Box::new(transform)), ..rule }
}

/// A table of people.
fn people() -> Table {
    let nullable = |name: &str, kind| Column { nullable: true, ..column(name, kind) };
    let fitting = |name: &str, kind, type_name: &str, fit: Fit| Column {
        type_name: type_name.into(),
        nullable: true,
        fit,
        ..column(name, kind)
    };
    let chars = |chars_max| Fit { chars_max: Some(chars_max), ..Fit::default() };
    let mut people = table("lead", ColumnKind::Instant);
    people.columns.extend([
        nullable("email", ColumnKind::Text),
        column("name", ColumnKind::Text),
        fitting("short", ColumnKind::Text, "character varying", chars(25)),
        fitting("code", ColumnKind::Text, "character varying", chars(43)),
        fitting("small", ColumnKind::Integer, "smallint", Fit { integer_max: Some(32_767), ..Fit::default() }),
        nullable("number", ColumnKind::Integer),
        nullable("amount", ColumnKind::Number),
        fitting("price", ColumnKind::Number, "numeric", Fit { scale: Some(2), ..Fit::default() }),
        nullable("born", ColumnKind::Date),
        nullable("seen", ColumnKind::Instant),
        nullable("data", ColumnKind::Json),
        fitting("address", ColumnKind::Other, "inet", Fit::default()),
        fitting("guid", ColumnKind::Other, "uuid", Fit::default()),
        fitting("mood", ColumnKind::Other, "mood", Fit { labels: vec!["fine".into()], ..Fit::default() }),
        fitting("raw", ColumnKind::Other, "bytea", Fit::default()),
        fitting("lower", ColumnKind::Text, "text", Fit { writable: Writable::Generated, ..Fit::default() }),
        fitting("counted", ColumnKind::Integer, "bigint", Fit { writable: Writable::Identity, ..Fit::default() }),
        fitting("region", ColumnKind::Text, "text", Fit { partitions: true, ..Fit::default() }),
        nullable("marker", ColumnKind::Instant),
        nullable("owner", ColumnKind::Text),
        nullable("passport", ColumnKind::Text),
        nullable("phone", ColumnKind::Text),
        nullable("flag", ColumnKind::Bool),
    ]);
    people.rows_estimate = Some(1_000_000);
    for (name, unique) in [("email", true), ("number", true), ("phone", true), ("born", true)] {
        people.indexes.push(Index { name: format!("lead_{name}_key"), columns: vec![name.into()], unique });
    }
    people.references.push(Reference {
        name: "lead_owner_fkey".into(),
        columns: vec!["owner".into()],
        parent: TableRef::parse("main.owner"),
    });
    let mut trip = reference("trip", "lead", OnDelete::Refuse);
    trip.parent_columns = vec!["passport".into()];
    people.referenced_by.push(trip);
    people
}

/// The findings as `id place: message`; none: the rule is a step.
fn said(rule: &Rule, table: Table) -> Vec<String> {
    let now = "2026-06-30T12:00:00Z".parse().unwrap();
    let catalog = Catalog { tables: vec![table] };
    let policy = Policy { rules: vec![rule.clone()], ..Policy::default() };
    match step(rule, &catalog, "crm", now, Atomicity::Atomic, &policy) {
        Ok(_) => vec![],
        Err(findings) => findings
            .iter()
            .map(|finding| {
                assert!(!finding.fix.is_empty());
                format!("{} {}: {}", finding.id, finding.place, finding.message)
            })
            .collect(),
    }
}

/// One place, what shall happen there, and what is said.
type Refusal<'a> = (&'a str, Treatment, &'a str);

#[track_caller]
fn refused(cases: &[Refusal<'_>]) {
    for (path, treatment, expected) in cases {
        let (rule, transform) = leads(&[(path, treatment.clone())]);
        let mut found = said(&with(rule, transform), people());
        // Everything is said at once; that a place shows nothing is a matter of its own.
        found.retain(|finding| finding == expected || !finding.starts_with("no_shape"));
        assert_eq!(found, [*expected], "{path}");
    }
}

#[test]
fn a_token_that_does_not_fit_is_refused_at_its_place() {
    let integer = |max| TokenKind::Integer { max };
    refused(&[
        (
            "short",
            token(TEXT),
            "transform_unfit crm.lead.short: short (character varying) takes 25 characters, and the token has 26",
        ),
        (
            "code",
            token(TokenKind::Email),
            "transform_unfit crm.lead.code: code (character varying) takes 43 characters, and the token has 44",
        ),
        ("number", token(TEXT), "transform_unfit crm.lead.number: number (integer) takes no token of the form `text`"),
        ("born", token(TEXT), "transform_unfit crm.lead.born: born (date) takes no token of the form `text`"),
        ("raw", token(TEXT), "transform_unfit crm.lead.raw: raw (bytea) takes no token of the form `text`"),
        (
            "mood",
            token(TEXT),
            "transform_unfit crm.lead.mood: mood (mood) takes only its own words, and no token is among them",
        ),
        ("data", token(TEXT), "transform_unfit crm.lead.data: data (json) takes no token of the form `text`"),
        ("guid", token(TEXT), "transform_unfit crm.lead.guid: guid (uuid) takes no token of the form `text`"),
        (
            "address",
            token(TokenKind::Email),
            "transform_unfit crm.lead.address: address (inet) takes no token of the form `email`",
        ),
        (
            "short",
            token(TokenKind::Uuid),
            "transform_unfit crm.lead.short: short (character varying) takes 25 characters, and the token has 36",
        ),
        (
            "short",
            token(TokenKind::Ip),
            "transform_unfit crm.lead.short: short (character varying) takes 25 characters, and the token has 39",
        ),
        (
            "small",
            token(integer(Some(40_000))),
            "transform_unfit crm.lead.small: small (smallint) takes numbers up to 32767, and tokens go up to 40000",
        ),
        (
            "number",
            token(integer(Some(1_000_000))),
            "not_unique crm.lead.number: number is unique (lead_number_key), and of 1000000 tokens of 20 bits two are the same with odds of nearly 1",
        ),
        (
            "phone",
            token(TokenKind::Phone),
            "not_unique crm.lead.phone: phone is unique (lead_phone_key), and of 1000000 tokens of 33 bits two are the same with odds of nearly 1",
        ),
    ]);
}

#[test]
fn a_constant_or_a_coarser_value_that_does_not_fit_is_refused() {
    let text = |text: &str| redact(Value::Text(text.into()));
    refused(&[
        (
            "email",
            text("gone"),
            "not_unique crm.lead.email: email is unique (lead_email_key), and the constant is the same in every row",
        ),
        (
            "born",
            to(Grain::Year),
            "not_unique crm.lead.born: born is unique (lead_born_key), and coarser values coincide",
        ),
        ("name", redact(Value::Null), "transform_unfit crm.lead.name: name (text) cannot be NULL"),
        (
            "small",
            redact(Value::Int(40_000)),
            "transform_unfit crm.lead.small: small (smallint) takes numbers up to 32767, and the constant is beyond",
        ),
        (
            "small",
            text("x"),
            "transform_unfit crm.lead.small: small (smallint) takes no such constant; write null, or a value of its type",
        ),
        (
            "short",
            text("a constant that is much too long"),
            "transform_unfit crm.lead.short: short (character varying) takes 25 characters, and the constant has 32",
        ),
        (
            "mood",
            text("bad"),
            "transform_unfit crm.lead.mood: mood (mood) takes only its own words, and the constant is none",
        ),
        (
            "born",
            text("1970-01-01"),
            "transform_unfit crm.lead.born: born (date) takes no such constant; write null, or a value of its type",
        ),
        ("born", to(Grain::Day), "transform_unfit crm.lead.born: born (date) is no finer than a day"),
        ("name", to(Grain::Year), "transform_unfit crm.lead.name: name (text) cannot become coarser by `year`"),
        (
            "small",
            to(Grain::Step("0.5".into())),
            "transform_unfit crm.lead.small: small (smallint) holds whole numbers, and the step has a fraction",
        ),
        (
            "amount",
            to(Grain::Prefix(3)),
            "transform_unfit crm.lead.amount: amount (number) cannot become coarser by `prefix 3`",
        ),
        (
            "short",
            to(Grain::Network { v4: 24, v6: 48 }),
            "transform_unfit crm.lead.short: short (character varying) takes 25 characters, and a network with its length needs up to 43",
        ),
        (
            "data.born",
            to(Grain::Year),
            "transform_unfit crm.lead.data.born: data.born lies inside JSON, where nothing is made coarser",
        ),
    ]);
}

#[test]
fn what_the_column_would_round_is_refused() {
    refused(&[
        (
            "price",
            redact(Value::Real(0.125)),
            "transform_unfit crm.lead.price: price (numeric) keeps fewer decimals than the constant has",
        ),
        (
            "price",
            to(Grain::Step("0.125".into())),
            "transform_unfit crm.lead.price: price (numeric) keeps fewer decimals than the step has",
        ),
    ]);
}

#[test]
fn a_column_that_is_not_ours_to_write_is_refused() {
    let integer = |max| TokenKind::Integer { max };
    let digits = TokenKind::Digits { check: Some(CheckDigit::Luhn) };
    refused(&[
        ("nothing", token(TEXT), "column_missing crm.lead.nothing: main.lead has no column nothing"),
        (
            "number.born",
            redact(Value::Null),
            "column_type crm.lead.number.born: the rule looks into number (integer), which holds no JSON",
        ),
        ("lower", token(TEXT), "generated crm.lead.lower: lower is generated from other columns"),
        (
            "counted",
            redact(Value::Null),
            "generated crm.lead.counted: counted is an identity column: the engine counts it",
        ),
        (
            "region",
            token(TEXT),
            "transform_unfit crm.lead.region: region decides in which partition of main.lead a row lies",
        ),
        (
            "closed_at",
            to(Grain::Month),
            "transform_unfit crm.lead.closed_at: the period counts from closed_at, and a transform never moves that",
        ),
        (
            "owner",
            token(TEXT),
            "referenced crm.lead.owner: owner references main.owner (lead_owner_fkey), where no such row would be",
        ),
        (
            "passport",
            token(TEXT),
            "referenced crm.lead.passport: main.trip (trip_lead_fk) references passport and does not follow it",
        ),
        ("id", token(integer(None)), "referenced crm.lead.id: id is part of the key of main.lead"),
        ("name", token(digits), "no_shape crm.lead.name: nothing tells whether name of main.lead is done"),
        ("small", token(integer(None)), "no_shape crm.lead.small: nothing tells whether small of main.lead is done"),
        (
            "data.phone",
            token(TokenKind::Phone),
            "no_shape crm.lead.data.phone: nothing tells whether data.phone of main.lead is done",
        ),
    ]);
}

#[test]
fn what_fits_is_a_step() {
    for (path, treatment) in [
        ("email", token(TokenKind::Email)),
        ("name", token(TEXT)),
        ("code", token(TokenKind::Uuid)),
        ("guid", token(TokenKind::Uuid)),
        ("address", token(TokenKind::Ip)),
        ("address", to(Grain::Network { v4: 24, v6: 48 })),
        ("code", to(Grain::Network { v4: 24, v6: 48 })),
        ("email", redact(Value::Null)),
        ("owner", redact(Value::Null)),
        ("mood", redact(Value::Text("fine".into()))),
        ("seen", to(Grain::Day)),
        ("amount", to(Grain::Step("0.01".into()))),
        ("price", to(Grain::Step("0.25".into()))),
        ("price", redact(Value::Real(0.5))),
        ("small", to(Grain::Step("10".into()))),
        ("name", to(Grain::Prefix(3))),
        ("data.items[].email", token(TokenKind::Email)),
        ("data.born", redact(Value::Bool(false))),
        ("data", redact(Value::Null)),
        ("flag", redact(Value::Bool(false))),
    ] {
        let (rule, transform) = leads(&[(path, treatment)]);
        assert!(said(&with(rule, transform), people()).is_empty(), "{path}");
    }
}

#[test]
fn a_marker_speaks_for_what_shows_nothing_and_has_to_be_one() {
    let phone = || token(TokenKind::Digits { check: None });
    for (marker, expected) in [
        ("marker", None),
        ("flag", None),
        ("passport", None),
        ("number", None),
        ("nothing", Some("column_missing crm.lead.nothing: main.lead has no column nothing")),
        (
            "active",
            Some("no_shape crm.lead.active: the marker active cannot be NULL, so nothing tells a row that is not done"),
        ),
        ("data", Some("column_type crm.lead.data: data (json) cannot be a marker")),
        ("short", None),
        ("lower", Some("generated crm.lead.lower: the marker lower is written by the engine itself")),
    ] {
        let (rule, transform) = leads(&[("name", phone())]);
        let transform = Transform { marker: Some(marker.into()), ..transform };
        let found = said(&with(rule, transform), people());
        assert_eq!(found, expected.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{marker}");
    }
}

#[test]
fn references_follow_where_the_rule_and_the_foreign_key_say_so() {
    let (rule, transform) = leads(&[("passport", token(TEXT))]);
    let mut following = people();
    following.referenced_by[0].follows = true;
    let refused = said(&with(rule.clone(), transform.clone()), following.clone());
    assert_eq!(
        refused,
        ["referenced crm.lead.passport: main.trip (trip_lead_fk) references passport and would change with it"]
    );
    let follows = with(rule, Transform { references_follow: true, ..transform });
    assert_eq!(said(&follows, people()).len(), 1, "the foreign key does not follow");
    let now = "2026-06-30T12:00:00Z".parse().unwrap();
    let catalog = Catalog { tables: vec![following] };
    let policy = Policy { rules: vec![follows.clone()], ..Policy::default() };
    let step = step(&follows, &catalog, "crm", now, Atomicity::Atomic, &policy).unwrap();
    assert_eq!(step.rewrite().unwrap().follows, [TableRef::parse("main.trip")]);
}

#[test]
fn a_table_without_a_key_is_refused() {
    let (rule, transform) = leads(&[("name", token(TEXT))]);
    let keyless = Table { key: vec![], ..people() };
    let expected =
        "no_key crm.lead: main.lead has no primary key and no unique not-null key, and a transform needs one";
    assert_eq!(said(&with(rule, transform), keyless), [expected]);
}

#[test]
fn a_step_says_what_is_written_and_what_shows_that_it_is_not() {
    let (rule, transform) = leads(&[
        ("email", token(TokenKind::Email)),
        ("name", redact(Value::Text("x".into()))),
        ("seen", to(Grain::Day)),
    ]);
    let rule = with(rule, Transform { marker: Some("marker".into()), ..transform });
    let now = "2026-06-30T12:00:00Z".parse().unwrap();
    let policy = Policy { rules: vec![rule.clone()], ..Policy::default() };
    let catalog = Catalog { tables: vec![people()] };
    let step = step(&rule, &catalog, "crm", now, Atomicity::Atomic, &policy).unwrap();
    let rewrite = step.rewrite().unwrap();
    let puts: Vec<_> = rewrite.places.iter().map(|place| (place.path.column.as_str(), place.put.clone())).collect();
    let constant = Put::Constant(Value::Text("x".into()));
    assert_eq!(puts, [("email", Put::Computed), ("name", constant), ("seen", Put::Coarser(Grain::Day))]);
    let marker = rewrite.marker.as_ref().unwrap();
    assert_eq!((marker.column.as_str(), &marker.value), ("marker", &Value::Text("2026-06-30 12:00:00+00:00".into())));
    let signs: Vec<String> = step
        .selection
        .undone
        .iter()
        .map(|undone| match undone {
            Undone::Unmarked(marker) => format!("{marker} is null"),
            Undone::MarkedBefore { marker, since } => format!("{marker} < {since}"),
            Undone::Other { path, shape } => format!(
                "{path} {}",
                match shape {
                    Shape::Nothing => "is there",
                    Shape::Constant(_) => "is another",
                    Shape::Coarse(_) => "is finer",
                    Shape::Like(_) => "is unlike",
                }
            ),
            Undone::Is { .. } => panic!("only a sweep finds these"),
        })
        .collect();
    assert_eq!(signs, ["marker is null", "marker < closed_at", "email is unlike", "name is another", "seen is finer"]);
}

fn collection() -> Table {
    let mut table = people();
    (table.kind, table.columns, table.indexes) = (TableKind::Collection, vec![], vec![]);
    (table.references, table.referenced_by, table.key) = (vec![], vec![], vec!["_id".into()]);
    table
}

/// A field of a document is anything; what the period counts from, or what it lies in, is not written.
#[test]
fn fields_of_documents_are_written_unless_the_period_counts_from_them() {
    for (path, treatment, expected) in [
        ("contact.email", token(TokenKind::Email), ""),
        ("name", token(TEXT), ""),
        ("items[].name", redact(Value::Null), ""),
        ("contact", redact(Value::Text("x".into())), "transform_unfit crm.lead.contact"),
        ("contact.at", redact(Value::Null), "transform_unfit crm.lead.contact.at"),
        ("born", to(Grain::Year), ""),
        ("person.born", to(Grain::Month), ""),
        ("address", to(Grain::Network { v4: 24, v6: 48 }), ""),
        ("person.address", to(Grain::Network { v4: 24, v6: 48 }), "transform_unfit crm.lead.person.address"),
        ("people[].born", to(Grain::Year), "transform_unfit crm.lead.people[].born"),
        (r"a\.b", redact(Value::Null), r"column_missing crm.lead.a\.b"),
        ("_id", token(TEXT), "referenced crm.lead._id"),
    ] {
        let (rule, transform) = leads(&[(path, treatment)]);
        let rule = Rule { since: Since::column("contact.at"), when_null: Some(WhenNull::Keep), ..rule };
        let mut found = said(&with(rule, transform), collection());
        found.retain(|finding| !finding.starts_with("no_shape"));
        assert_eq!(found.is_empty(), expected.is_empty(), "{path}: {found:?}");
        assert!(found.iter().all(|found| found.starts_with(expected)), "{path}: {found:?}");
    }
}

/// A version is a field of a document that nothing else means.
#[test]
fn a_version_is_of_documents_and_counts_nothing_else() {
    let version = |version: &str, table: Table| {
        let (rule, transform) = leads(&[("email", redact(Value::Null))]);
        let rule = Rule { since: Since::column("contact.at"), when_null: Some(WhenNull::Keep), ..rule };
        let version = Some(Path::parse(version).unwrap());
        said(&with(rule, Transform { version, ..transform }), table)
    };
    for (path, expected) in [
        ("meta.v", None),
        ("contact.at", Some("transform_unfit crm.lead.contact.at: rule leads counts from contact.at")),
        ("_id", Some("transform_unfit crm.lead._id: _id is of the key")),
        ("_id.v", Some("transform_unfit crm.lead._id.v: _id.v is of the key")),
        (r"a\.b", Some(r"column_missing crm.lead.a\.b")),
    ] {
        let found = version(path, collection());
        assert_eq!(found.is_empty(), expected.is_none(), "{path}: {found:?}");
        assert!(found.iter().all(|found| found.starts_with(expected.unwrap_or_default())), "{path}: {found:?}");
    }
    let found = version("number", people());
    assert!(
        found.iter().any(|found| found.starts_with("transform_unfit crm.lead.number: main.lead holds rows")),
        "{found:?}"
    );
}

#[test]
fn the_moment_may_lie_in_another_table() {
    let (rule, transform) = leads(&[("name", token(TEXT))]);
    let greatest = Rule { since: Since::Greatest(vec![]), ..rule };
    // `closed_at` is free where nothing counts from it.
    let (_, moved) = leads(&[("closed_at", to(Grain::Month))]);
    let other = Rule { since: Since::column("seen"), when_null: Some(forgetd_connector::WhenNull::Keep), ..greatest };
    assert!(said(&with(other.clone(), moved), people()).is_empty());
    assert!(said(&with(other, transform), people()).is_empty());
}
