//! Cases for every connector, drawn from a seed: tables, rows, rules and a moment.
//!
//! What is drawn has to do with one another: literals come from the rows, moments lie around the cutoffs and around
//! changes of summer time, and values repeat, so that most conditions are decided by few characters or microseconds.

mod columns;
mod dice;
mod documents;
mod moments;
mod predicates;
mod rules;
mod transforms;
mod words;
mod written;

use forgetd_connector::{Latest, Predicate, Since, SinceColumn, WhenNull};
use jiff::Timestamp;

pub use dice::Dice;
pub use transforms::{Deed, EditSpec, PlaceSpec, TokenForm, TransformSpec};
pub use words::is_variant;
pub use written::Unreadable;

use crate::oracle::Native;
use crate::{Fixture, Kind, TableSpec};

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The moment of the run.
    pub now: Timestamp,
    /// The rule's own table, and those that deciding about its rows looks into.
    pub tables: Vec<TableSpec>,
    /// The rule whose rows go, or are transformed.
    pub rule: RuleSpec,
    /// What the rule writes into its rows; absent: they go.
    pub transform: Option<TransformSpec>,
    /// Rules that keep rows of the same table.
    pub keepers: Vec<RuleSpec>,
    /// Rules on the same table that are only counted.
    pub counted: Vec<RuleSpec>,
    /// The rule on the table whose rows go with rows of the first, if there is one. It selects by its period alone.
    pub below: Option<RuleSpec>,
    /// The rule that keeps rows of the table whose references to rows of the first are set to NULL, if there is one.
    pub beside: Option<RuleSpec>,
    /// The most rows of one batch.
    pub rows_max: u32,
    /// Whether batches are sealed.
    pub sealed: bool,
}

/// A rule on the first table of a case, as far as it says which rows are due.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSpec {
    /// How long rows are kept.
    pub keep_for: String,
    /// From when on. The forms of columns are left to [`Case::since_on`].
    pub since: Since,
    /// What NULL means.
    pub when_null: Option<WhenNull>,
    /// What else must hold.
    pub predicate: Predicate,
    /// A condition of the engine's own.
    pub native: Option<Native>,
}

/// What may occur in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// More than equality of columns.
    pub all_predicates: bool,
    /// Conditions on what lies inside JSON.
    pub json: bool,
    /// The latest of several columns.
    pub greatest: bool,
    /// Activity in another table.
    pub latest: bool,
    /// Rules that keep rows.
    pub keepers: bool,
    /// Native conditions.
    pub natives: bool,
    /// Times as text.
    pub text_times: bool,
    /// Texts among them that are no time.
    pub unreadable_times: bool,
    /// Julian days.
    pub julian: bool,
    /// Tables whose rows go with others, or lose their reference.
    pub cascades: bool,
    /// Rules that transform: a third of the cases.
    pub transforms: bool,
    /// Values that few engines have: a fifth of the cases, each run on those that have them.
    pub rare: bool,
}

// === impl Features ===

impl Features {
    /// Everything.
    pub const ALL: Self = Self {
        all_predicates: true,
        json: true,
        greatest: true,
        latest: true,
        keepers: true,
        natives: true,
        text_times: true,
        unreadable_times: true,
        julian: true,
        cascades: true,
        transforms: true,
        rare: true,
    };

    pub(crate) const fn fits(self, kind: Kind) -> bool {
        match kind {
            Kind::Iso8601 | Kind::NaiveText | Kind::DateText => self.text_times,
            Kind::Julian => self.julian,
            Kind::Json => self.json,
            _ => true,
        }
    }
}

// === impl Case ===

impl Case {
    /// The case of this seed and number.
    pub fn draw(seed: u64, number: u64, features: Features) -> Self {
        let mut dice = Dice::new(seed, number);
        let features = Features { rare: features.rare && number % 5 == 3, ..features };
        if features.transforms && number % 3 == 2 {
            transforms::draw(&mut dice, features)
        } else {
            rules::draw(&mut dice, features)
        }
    }

    /// The table that the rules are about.
    pub fn table(&self) -> &TableSpec {
        &self.tables[0]
    }

    /// The table whose rows go with rows of the first.
    pub fn table_below(&self) -> Option<&TableSpec> {
        self.tables.iter().find(|table| table.below.is_some())
    }

    /// The table whose references to rows of the first are set to NULL.
    pub fn table_beside(&self) -> Option<&TableSpec> {
        self.tables.iter().find(|table| table.beside.is_some())
    }

    /// All of its rules.
    pub fn rules(&self) -> impl Iterator<Item = &RuleSpec> {
        std::iter::once(&self.rule).chain(&self.keepers).chain(&self.counted).chain(&self.below).chain(&self.beside)
    }

    /// The same case with other tables' names, so that many stand in one database.
    #[must_use]
    pub fn numbered(mut self, number: u64) -> Self {
        let numbered = |name: &str| format!("{name} {number}");
        for table in &mut self.tables {
            table.name = numbered(table.name).leak();
            for reference in table.below.iter_mut().chain(&mut table.beside) {
                reference.parent = numbered(reference.parent).leak();
            }
        }
        let rules = std::iter::once(&mut self.rule).chain(&mut self.keepers).chain(&mut self.counted);
        for rule in rules.chain(&mut self.below).chain(&mut self.beside) {
            if let Since::Latest(latest) = &mut rule.since {
                latest.table.name = numbered(&latest.table.name);
            }
        }
        self
    }

    /// What a rule on `table` counts from, with the forms that this engine's columns need.
    pub fn since_on(&self, fixture: &dyn Fixture, table: &TableSpec, rule: &RuleSpec) -> Since {
        let form = |table: &TableSpec, since: &SinceColumn| {
            let kind = table.columns.iter().find(|column| column.name == since.column).map(|column| column.kind);
            let form = kind.and_then(|kind| fixture.column(kind)).and_then(|column| column.form);
            SinceColumn { form, ..since.clone() }
        };
        match &rule.since {
            Since::Column(since) => Since::Column(form(table, since)),
            Since::Greatest(all) => Since::Greatest(all.iter().map(|since| form(table, since)).collect()),
            Since::Latest(latest) => {
                let other = self.tables.iter().find(|table| table.name == latest.table.name);
                Since::Latest(Box::new(Latest {
                    at: form(other.expect("a table of the case"), &latest.at),
                    or: latest.or.as_ref().map(|or| form(table, or)),
                    ..(**latest).clone()
                }))
            }
        }
    }
}
