//! What the cases met.

use forgetd_connector::{Check, PathStep, Predicate, Since, SinceColumn, Value};
use forgetd_testkit::generator::{Case, RuleSpec, is_variant};
use forgetd_testkit::{Cell, Kind, TableSpec};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::policy;
use crate::trial::Seen;

/// Around a change of the zone's offset, this far counts as next to it.
const NEAR: SignedDuration = SignedDuration::from_hours(3);

/// Shares of a hundred cases that a run of at least [`MANY`] cases must meet.
const WANTED: &[(&str, u64)] = &[
    ("with_null", 30),
    ("with_ties", 30),
    ("with_dst", 4),
    ("with_case", 8),
    ("transforms", 30),
    ("unique", 2),
    ("unfit", 2),
    ("nested", 6),
    ("marked", 10),
    ("reactivated", 4),
    ("already", 3),
    ("collation", 2),
    ("trailing", 2),
    ("enum", 3),
    ("charset", 3),
    ("fraction", 4),
    ("zero_date", 2),
    ("unsigned", 1),
    ("bits", 1),
];

/// From so many cases on, nothing that is wanted may be missing altogether.
const FEW: u64 = 200;

const MANY: u64 = 1_000;

/// Counts of cases.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    cases: u64,
    counts: std::collections::BTreeMap<&'static str, u64>,
    engines: std::collections::BTreeMap<&'static str, u64>,
    rows: u64,
    due: u64,
}

/// What only documents have: nothing of it may be missing among the cases that ran on them.
const OF_DOCUMENTS: &[&str] = &[
    "missing",
    "other_type",
    "array",
    "field_of_a_field",
    "mixed_keys",
    "rewritten",
    "rewritten_inside",
    "rewritten_elements",
    "rewritten_deep",
    "rewritten_coarser",
    "rewritten_coarser_deep",
    "rewritten_odd",
    "rewritten_unique",
    "rewritten_marked",
    "rewritten_marked_deep",
    "rewritten_mixed_keys",
];

/// What the line of totals has; everything else stands above it.
const FIRST: &[&str] = &[
    "with_null",
    "with_ties",
    "with_dst",
    "with_case",
    "transforms",
    "unique",
    "unfit",
    "nested",
    "marked",
    "reactivated",
    "already",
    "collation",
    "trailing",
    "enum",
    "charset",
    "fraction",
    "zero_date",
    "unsigned",
    "bits",
];

const MORE: &[&str] = &[
    "json",
    "each",
    "latest",
    "greatest",
    "below",
    "beside",
    "keep",
    "native",
    "not",
    "or_null",
    "sealed",
    "partly_due",
    "counted",
    "no_key",
];

// === impl Coverage ===

impl Coverage {
    /// Counts a case that an engine works on.
    pub(crate) fn on(&mut self, engine: &'static str) {
        *self.engines.entry(engine).or_default() += 1;
    }

    /// Counts a case; `seen` is absent where no engine took it, or the first one that did went wrong.
    pub(crate) fn count(&mut self, case: &Case, seen: Option<&Seen>) {
        self.cases += 1;
        if let Some(seen) = seen {
            self.rows += seen.rows;
            self.due += seen.due;
        }
        let rules: Vec<&RuleSpec> = std::iter::once(&case.rule).chain(&case.keepers).collect();
        let any = |what: &dyn Fn(&RuleSpec) -> bool| rules.iter().any(|rule| what(rule));
        let tested = |what: &dyn Fn(&forgetd_connector::Test) -> bool| {
            any(&|rule| rule.predicate.tests().iter().any(|test| what(test)))
        };
        let transform = case.transform.as_ref();
        let facts = seen.and_then(|seen| seen.met.as_ref());
        let met = [
            ("with_null", any(&|rule| has_null(case, rule))),
            ("with_ties", any(&|rule| has_ties(case, rule))),
            ("with_dst", any(&|rule| is_near_a_change(case, rule))),
            ("with_case", any(&|rule| has_variants(case.table(), rule))),
            ("json", tested(&|test| !test.path.steps.is_empty())),
            ("each", tested(&|test| test.path.steps.contains(&PathStep::Each))),
            ("latest", any(&|rule| matches!(rule.since, Since::Latest(_)))),
            ("greatest", any(&|rule| matches!(rule.since, Since::Greatest(_)))),
            ("below", case.below.is_some()),
            ("beside", case.beside.is_some()),
            ("keep", !case.keepers.is_empty()),
            ("native", any(&|rule| rule.native.is_some())),
            ("not", any(&|rule| has_not(&rule.predicate))),
            ("or_null", tested(&|test| test.or_null)),
            ("sealed", case.sealed),
            ("partly_due", seen.is_some_and(|seen| seen.due > 0 && seen.due < seen.rows)),
            ("counted", !case.counted.is_empty()),
            ("transforms", transform.is_some()),
            ("unique", facts.is_some_and(|met| met.rivals > 0)),
            ("unfit", facts.is_some_and(|met| met.unfit > 0)),
            ("nested", transform.is_some_and(|spec| spec.places.iter().any(|place| !place.path.steps.is_empty()))),
            ("marked", transform.is_some_and(|spec| spec.marker.is_some())),
            ("reactivated", facts.is_some_and(|met| met.reactivated > 0)),
            ("already", facts.is_some_and(|met| met.already > 0)),
            ("no_key", case.table().key == forgetd_testkit::KeySpec::None),
        ];
        for (name, met) in met.into_iter().chain(of_few_engines(case, &rules, seen)) {
            *self.counts.entry(name).or_default() += u64::from(met);
        }
    }

    /// Counts what a case met that documents alone have.
    pub(crate) fn of_documents(&mut self, met: Vec<(&'static str, bool)>) {
        for (name, met) in met {
            *self.counts.entry(name).or_default() += u64::from(met);
        }
    }

    /// `cases=.. with_null=..`.
    pub(crate) fn line(&self) -> String {
        format!("cases={} {}", self.cases, self.say(FIRST))
    }

    /// The other counts.
    pub(crate) fn more(&self) -> String {
        let engines: String = self.engines.iter().map(|(engine, cases)| format!(" {engine}={cases}")).collect();
        format!("{} {} rows={} due={}{engines}", self.say(MORE), self.say(OF_DOCUMENTS), self.rows, self.due)
    }

    fn say(&self, names: &[&str]) -> String {
        let count = |name: &&str| format!("{name}={}", self.counts.get(name).unwrap_or(&0));
        names.iter().map(count).collect::<Vec<_>>().join(" ")
    }

    /// Whether a case ran on this engine.
    pub(crate) fn ran_on(&self, engine: &str) -> bool {
        self.engines.contains_key(engine)
    }

    /// What too few of many cases met.
    pub(crate) fn lacking(&self) -> Option<&'static str> {
        let met = |name: &str| self.counts.get(name).unwrap_or(&0) * 100;
        let too_few = |name: &str, percent: u64| match self.cases {
            0..FEW => false,
            FEW..MANY => met(name) == 0,
            MANY.. => met(name) < percent * self.cases,
        };
        let documents = OF_DOCUMENTS.iter().filter(|_| self.engines.contains_key("mongodb") && self.cases >= FEW);
        let wanted = WANTED.iter().find(|(name, percent)| too_few(name, *percent)).map(|(name, _)| *name);
        wanted.or_else(|| documents.copied().find(|name| met(name) == 0))
    }
}

/// What an engine can have that others have not: alike but for the collation, a character set, labels, fewer digits of a
/// second, dates that are none, numbers without a sign. Of a case that ran.
fn of_few_engines(case: &Case, rules: &[&RuleSpec], seen: Option<&Seen>) -> [(&'static str, bool); 8] {
    let table = case.table();
    let ran = seen.is_some();
    let tests = |kinds: &[Kind]| {
        let of = |name: &str| table.columns.iter().any(|column| column.name == name && kinds.contains(&column.kind));
        ran && rules.iter().any(|rule| rule.predicate.tests().iter().any(|test| of(&test.path.column)))
    };
    let times = || rules.iter().flat_map(|rule| moments(case, rule));
    let lax = [Kind::LaxText, Kind::Latin, Kind::Narrow];
    let holds = |(table, since): (&TableSpec, &SinceColumn), what: fn(&Cell) -> bool| {
        table.rows.iter().any(|row| what(&table.cell(row, &since.column)))
    };
    let unsigned = table.rows.iter().any(|row| row.1.iter().any(|cell| matches!(cell, Cell::Unsigned(_))));
    [
        ("collation", ran && rules.iter().any(|rule| has_alike(table, rule, Some(&lax), &is_variant))),
        ("trailing", ran && rules.iter().any(|rule| has_alike(table, rule, None, &ends_alike))),
        ("enum", tests(&[Kind::Label, Kind::Marks])),
        ("charset", tests(&[Kind::Latin, Kind::Narrow])),
        ("fraction", ran && times().any(|(table, since)| table.kind(&since.column).second_digits().is_some())),
        ("zero_date", ran && times().any(|of| holds(of, |cell| matches!(cell, Cell::Zero(_))))),
        ("unsigned", unsigned && tests(&[Kind::Unsigned])),
        ("bits", tests(&[Kind::Bits])),
    ]
}

/// Whether two texts differ in nothing but the spaces at their ends.
fn ends_alike(a: &str, b: &str) -> bool {
    a != b && a.trim_end_matches(' ') == b.trim_end_matches(' ')
}

/// The columns that a rule reads: those of the first table, and those of the other.
fn columns(rule: &RuleSpec) -> (Vec<&str>, Vec<&str>) {
    let mut own: Vec<&str> = rule.since.columns().iter().map(|column| column.column.as_str()).collect();
    own.extend(rule.predicate.tests().iter().map(|test| test.path.column.as_str()));
    if let Some(forgetd_connector::WhenNull::Use(column)) = &rule.when_null {
        own.push(column);
    }
    let mut other = vec![];
    if let Since::Latest(latest) = &rule.since {
        other.push(latest.at.column.as_str());
        for joined in &latest.on {
            other.push(&joined.other);
            own.push(&joined.own);
        }
    }
    (own, other)
}

fn has_null(case: &Case, rule: &RuleSpec) -> bool {
    let (own, other) = columns(rule);
    let null = |table: &TableSpec, columns: &[&str]| {
        table.rows.iter().any(|row| columns.iter().any(|column| table.cell(row, column) == Cell::Null))
    };
    null(case.table(), &own) || case.tables.get(1).is_some_and(|table| null(table, &other))
}

/// The columns in which a rule looks for moments, with their table.
fn moments<'a>(case: &'a Case, rule: &'a RuleSpec) -> Vec<(&'a TableSpec, &'a SinceColumn)> {
    let mut moments: Vec<_> = rule.since.columns().into_iter().map(|column| (case.table(), column)).collect();
    if let Since::Latest(latest) = &rule.since {
        moments.push((&case.tables[1], &latest.at));
    }
    moments
}

fn has_ties(case: &Case, rule: &RuleSpec) -> bool {
    moments(case, rule).into_iter().any(|(table, since)| {
        let mut cells: Vec<String> = table
            .rows
            .iter()
            .map(|row| table.cell(row, &since.column))
            .filter(|cell| *cell != Cell::Null)
            .map(|cell| format!("{cell:?}"))
            .collect();
        let all = cells.len();
        cells.sort_unstable();
        cells.dedup();
        cells.len() < all
    })
}

fn is_near_a_change(case: &Case, rule: &RuleSpec) -> bool {
    let zone = policy::zone(rule);
    if changes_near(&zone, policy::cutoff(case, rule)) {
        return true;
    }
    moments(case, rule).into_iter().any(|(table, since)| {
        let Some(zone) = &since.zone else { return false };
        table.rows.iter().any(|row| match table.cell(row, &since.column) {
            Cell::Naive(local) => zone.to_timestamp(local).is_ok_and(|at| changes_near(zone, at)),
            _ => false,
        })
    })
}

fn changes_near(zone: &TimeZone, at: Timestamp) -> bool {
    zone.following(at - NEAR).next().is_some_and(|change| change.timestamp() <= at + NEAR)
}

fn has_variants(table: &TableSpec, rule: &RuleSpec) -> bool {
    has_alike(table, rule, None, &is_variant)
}

/// Whether a rule asks for a text that is nearly the one of a row, in a column of these kinds.
fn has_alike(table: &TableSpec, rule: &RuleSpec, kinds: Option<&[Kind]>, alike: &dyn Fn(&str, &str) -> bool) -> bool {
    rule.predicate.tests().into_iter().any(|test| {
        if kinds.is_some_and(|kinds| !kinds.contains(&table.kind(&test.path.column))) {
            return false;
        }
        let mut literals: Vec<&str> = vec![];
        for value in test.check.values() {
            if let Value::Text(text) = value {
                literals.push(text);
            }
        }
        if let Check::Prefix(text) | Check::Like(text) = &test.check {
            literals.push(text);
        }
        table.rows.iter().any(|row| match table.cell(row, &test.path.column) {
            Cell::Text(text) => literals.iter().any(|literal| alike(&text, literal)),
            Cell::Json(json) => texts(&json).iter().any(|text| literals.iter().any(|literal| alike(text, literal))),
            _ => false,
        })
    })
}

/// Every text inside.
fn texts(json: &serde_json::Value) -> Vec<&str> {
    match json {
        serde_json::Value::String(text) => vec![text],
        serde_json::Value::Array(elements) => elements.iter().flat_map(texts).collect(),
        serde_json::Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => vec![],
    }
}

fn has_not(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::All(parts) | Predicate::Any(parts) => parts.iter().any(has_not),
        Predicate::Not { .. } => true,
        Predicate::Test(_) => false,
    }
}
