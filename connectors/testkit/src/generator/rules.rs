//! A case: a table, its rules, and a table beside it where a rule looks for activity.

use forgetd_connector::{Joined, Latest, Predicate, Since, SinceColumn, TableRef, WhenNull};
use jiff::Timestamp;

use super::columns::{Column, Stock, name, other, time};
use super::moments::When;
use super::predicates::Literals;
use super::words::words;
use super::{Case, Dice, Features, RuleSpec, columns};
use crate::oracle::Native;
use crate::{Cell, ColumnSpec, KeySpec, Kind, Reference, Row, TableSpec};

/// Names of tables; some need their quotes.
const TABLES: &[&str] = &["item", "Order", "quo\"ted", "two words", "n\u{e9}e", "select"];

/// The table beside it.
const CHILD: &str = "child of \"item\"";

/// The table whose rows go with the rows of the first.
const BELOW: &str = "part";

/// The table that references rows of the first and stays.
const BESIDE: &str = "on the side";

pub(super) fn draw(dice: &mut Dice, features: Features) -> Case {
    let mut when = When::random(dice);
    let julian = features.julian && dice.chance(15);
    if julian {
        when.coarse();
    }
    let (keep_for, now) = when.period(dice);
    let others: Vec<(String, Timestamp)> = (0..2).map(|_| when.cutoff(dice, now)).collect();
    let cutoffs: Vec<Timestamp> =
        [when.target, when.target].into_iter().chain(others.iter().map(|(_, cutoff)| *cutoff)).collect();
    let stock = Stock {
        moments: when.moments(dice, &cutoffs),
        words: words(dice),
        features: Features { julian, ..features },
        when: &when,
    };
    let columns = columns(dice, &stock);
    let child = (features.latest && dice.chance(30)).then(|| Child::draw(dice, &stock, &columns));
    let literals = Literals { columns: &columns, words: &stock.words, features };
    let rules = Rules { stock: &stock, columns: &columns, literals, child: child.as_ref() };
    let rule = rules.draw(dice, keep_for);
    let mut keepers = vec![];
    while features.keepers && keepers.len() < 2 && dice.chance(30) {
        keepers.push(rules.draw(dice, others[keepers.len()].0.clone()));
    }
    let mut counted: Vec<RuleSpec> = (0..dice.below(3)).map(|n| rules.draw(dice, others[n].0.clone())).collect();
    let mut table = own_table(dice, &columns);
    let mut below = None;
    if features.cascades && table.key == KeySpec::Id && dice.chance(25) {
        // Rows below must not be kept for longer.
        let keep_for = if dice.chance(60) {
            counted.clear();
            rule.keep_for.clone()
        } else {
            "45s".into()
        };
        below = Some(self::below(dice, &stock, &table, keep_for));
    }
    let beside = (features.cascades && features.keepers && table.key == KeySpec::Id && dice.chance(25))
        .then(|| self::beside(dice, &stock, &table, others[0].0.clone()));
    let rows_max = *dice.pick(&[1, 2, 3, 5, 7, 10, 20, 100]);
    table.columns = columns.into_iter().map(|column| column.spec).collect();
    Case {
        now,
        rule,
        transform: None,
        keepers,
        counted,
        // So that no case has many more batches than a dozen.
        rows_max: rows_max.max(table.rows.len() as u32 / 12),
        sealed: table.key != KeySpec::None && dice.chance(15),
        below: below.as_ref().map(|(_, rule)| rule.clone()),
        beside: beside.as_ref().map(|(_, rule)| rule.clone()),
        tables: [
            Some(table),
            child.map(|child| child.table),
            below.map(|(table, _)| table),
            beside.map(|(table, _)| table),
        ]
        .into_iter()
        .flatten()
        .collect(),
    }
}

/// The table of the rules with its rows, its key and its indexes, still without its columns.
fn own_table(dice: &mut Dice, columns: &[Column]) -> TableSpec {
    let key = key(dice, columns);
    let mut table = TableSpec::new(dice.pick::<&str>(TABLES)).key(key);
    let how_many = how_many(dice);
    table.rows = rows(dice, columns, how_many);
    if let KeySpec::Columns(key) = &table.key
        && key.as_slice() != ["id"]
    {
        unique(&mut table.rows, columns, key);
    }
    for _ in 0..dice.below(3) {
        let name = dice.pick(columns).spec.name;
        let is_json = columns.iter().any(|column| column.spec.name == name && column.spec.kind == Kind::Json);
        if !is_json && !table.indexes.contains(&vec![name]) {
            table = if dice.chance(70) { table.index(&[name]) } else { table.index(&[name, "id"]) };
        }
    }
    table
}

/// One column that holds moments at least, and up to five more of any kind.
fn columns(dice: &mut Dice, stock: &Stock<'_>) -> Vec<Column> {
    let mut columns: Vec<Column> = vec![];
    for n in 0..1 + dice.below(6) {
        let kind = match n {
            0 if stock.features.julian && dice.chance(60) => Kind::Julian,
            0 => time(dice, stock.features),
            // The same kind again, so that `use` and `greatest` have something to work with.
            1 if dice.chance(40) => columns[0].spec.kind,
            _ if dice.chance(25) => time(dice, stock.features),
            _ => other(dice, stock.features),
        };
        let name = name(dice, &columns);
        columns.push(Column::new(dice, name, kind, stock));
    }
    let mut order: Vec<Column> = columns;
    dice.shuffle(&mut order);
    order
}

fn how_many(dice: &mut Dice) -> usize {
    match dice.below(100) {
        0..20 => dice.below(6),
        20..90 => 5 + dice.below(36),
        90..99 => 40 + dice.below(21),
        _ => 100 + dice.below(200),
    }
}

fn rows(dice: &mut Dice, columns: &[Column], how_many: usize) -> Vec<Row> {
    let ids = 1..=i64::try_from(how_many).expect("a few rows");
    ids.map(|id| (id, columns.iter().map(|column| column.draw(dice)).collect())).collect()
}

/// What tells rows apart: mostly `id`, else a text that looks like an identifier, several columns, or nothing.
fn key(dice: &mut Dice, columns: &[Column]) -> KeySpec {
    let fits = |column: &&Column| {
        !column.spec.nullable
            && match column.spec.kind {
                Kind::Int | Kind::Bool | Kind::Text | Kind::Instant | Kind::Date => true,
                // Sets of labels are in an order that some engine cannot walk in.
                Kind::Unsigned | Kind::Bits | Kind::Label | Kind::Latin | Kind::Narrow => true,
                kind => kind.second_digits().is_some(),
            }
    };
    let names: Vec<&'static str> = columns.iter().filter(fits).map(|column| column.spec.name).collect();
    let text = columns.iter().find(|column| !column.spec.nullable && column.spec.kind == Kind::Text);
    match dice.below(10) {
        0..5 => KeySpec::Id,
        5 => KeySpec::None,
        6 if text.is_some() => KeySpec::Columns(text.map(|column| column.spec.name).into_iter().collect()),
        _ if names.is_empty() => KeySpec::Columns(vec!["id"]),
        _ => {
            let mut key = vec![*dice.pick(&names), "id"];
            dice.shuffle(&mut key);
            KeySpec::Columns(key)
        }
    }
}

/// Makes the texts of a key of one text column differ.
fn unique(rows: &mut [Row], columns: &[Column], key: &[&'static str]) {
    let [only] = key else { return };
    let at = columns.iter().position(|column| column.spec.name == *only).expect("a column of the key");
    for (id, cells) in rows {
        // Order by key is not order by id.
        let scattered = id.wrapping_mul(0x9e37_79b9) & 0xffff_ffff;
        if let Cell::Text(text) = &mut cells[at] {
            *text = format!("{scattered:08x}-{id}-{text}");
        }
    }
}

/// A table whose rows go with the rows of `parent`, and the rule on it.
fn below(dice: &mut Dice, stock: &Stock<'_>, parent: &TableSpec, keep_for: String) -> (TableSpec, RuleSpec) {
    let kind = time(dice, stock.features);
    let at = Column::new(dice, "written", kind, stock);
    let mut table = TableSpec::new(BELOW);
    let how_many = if parent.rows.is_empty() { 0 } else { dice.below(60) };
    for (id, mut cells) in rows(dice, std::slice::from_ref(&at), how_many) {
        cells.push(Cell::Int(dice.pick(&parent.rows).0));
        table.rows.push((id, cells));
    }
    let rule = RuleSpec {
        keep_for,
        since: Since::Column(moment(dice, stock, &at)),
        when_null: at.spec.nullable.then(|| if dice.chance(50) { WhenNull::Keep } else { WhenNull::Delete }),
        predicate: Predicate::always(),
        native: None,
    };
    let own = ColumnSpec { name: "of", kind: Kind::Int, nullable: false };
    table.columns = vec![at.spec, own];
    table.below = Some(Reference { column: "of", parent: parent.name });
    if dice.chance(70) {
        table = table.index(&["of"]);
    }
    (table, rule)
}

/// A table whose rows reference rows of `parent` and stay, and the rule that keeps some of them.
fn beside(dice: &mut Dice, stock: &Stock<'_>, parent: &TableSpec, keep_for: String) -> (TableSpec, RuleSpec) {
    let mut columns = vec![];
    for kind in [time(dice, stock.features), other(dice, stock.features)] {
        let name = name(dice, &columns);
        columns.push(Column::new(dice, name, kind, stock));
    }
    let mut table = TableSpec::new(BESIDE);
    let how_many = if parent.rows.is_empty() { 0 } else { dice.below(60) };
    for (id, mut cells) in rows(dice, &columns, how_many) {
        cells.push(if dice.chance(15) { Cell::Null } else { Cell::Int(dice.pick(&parent.rows).0) });
        table.rows.push((id, cells));
    }
    let predicate = if dice.chance(50) {
        Predicate::always()
    } else {
        Literals { columns: &columns, words: &stock.words, features: stock.features }.predicate(dice)
    };
    let at = &columns[0];
    let rule = RuleSpec {
        keep_for,
        since: Since::Column(moment(dice, stock, at)),
        when_null: at.spec.nullable.then(|| if dice.chance(50) { WhenNull::Keep } else { WhenNull::Delete }),
        predicate,
        native: (stock.features.natives && dice.chance(15)).then(|| *dice.pick(Native::ALL)),
    };
    let own = ColumnSpec { name: "of", kind: Kind::Int, nullable: true };
    table.columns = columns.into_iter().map(|column| column.spec).chain([own]).collect();
    table.beside = Some(Reference { column: "of", parent: parent.name });
    if dice.chance(70) {
        table = table.index(&["of"]);
    }
    (table, rule)
}

/// A column as a moment.
fn moment(dice: &mut Dice, stock: &Stock<'_>, column: &Column) -> SinceColumn {
    let naive =
        matches!(column.spec.kind, Kind::Naive | Kind::NaiveOf(_) | Kind::Date | Kind::NaiveText | Kind::DateText);
    let zone = (naive || dice.chance(30)).then(|| stock.when.zone.clone());
    SinceColumn { column: column.spec.name.into(), zone, form: None }
}

/// A table whose rows are activity.
struct Child {
    table: TableSpec,
    at: Column,
    on: Vec<Joined>,
}

impl Child {
    fn draw(dice: &mut Dice, stock: &Stock<'_>, own: &[Column]) -> Self {
        let kind = time(dice, stock.features);
        let at = Column::new(dice, "seen", kind, stock);
        let mut columns = vec![at.clone()];
        let mut on = vec![];
        let joinable = |column: &&Column| {
            let plain = matches!(column.spec.kind, Kind::Int | Kind::Text | Kind::LaxText | Kind::Bool);
            plain || matches!(column.spec.kind, Kind::Unsigned | Kind::Latin | Kind::Narrow | Kind::Label)
        };
        let candidates: Vec<&Column> = own.iter().filter(joinable).collect();
        if candidates.is_empty() || dice.chance(70) {
            let mut theirs = Column::new(dice, "item id", Kind::Int, stock);
            theirs.pool = (1..=40).map(Cell::Int).collect();
            columns.push(theirs);
            on.push(Joined { other: "item id".into(), own: "id".into() });
        }
        if !candidates.is_empty() && (on.is_empty() || dice.chance(30)) {
            let theirs = (*dice.pick(&candidates)).clone();
            let own = theirs.spec.name;
            columns.push(Column { spec: ColumnSpec { name: "theirs", ..theirs.spec }, ..theirs });
            on.push(Joined { other: "theirs".into(), own: own.into() });
        }
        let how_many = dice.below(80);
        let mut table = TableSpec::new(CHILD);
        table.rows = rows(dice, &columns, how_many);
        table.columns = columns.into_iter().map(|column| column.spec).collect();
        if dice.chance(50) {
            let first = table.columns[1].name;
            table = table.index(&[first]);
        }
        Self { table, at, on }
    }
}

/// What rules of one case share.
struct Rules<'a> {
    stock: &'a Stock<'a>,
    columns: &'a [Column],
    literals: Literals<'a>,
    child: Option<&'a Child>,
}

impl Rules<'_> {
    fn draw(&self, dice: &mut Dice, keep_for: String) -> RuleSpec {
        let times: Vec<&Column> = self.columns.iter().filter(|column| columns::is_time(column.spec.kind)).collect();
        let features = self.stock.features;
        let (since, can_be_missing) = match self.child {
            Some(child) if dice.chance(60) => self.latest(dice, child, &times),
            _ if times.len() > 1 && features.greatest && dice.chance(45) => {
                let mut chosen = times.clone();
                dice.shuffle(&mut chosen);
                chosen.truncate(2 + dice.below(2));
                let missing = chosen.iter().all(|column| column.spec.nullable);
                (Since::Greatest(chosen.into_iter().map(|column| moment(dice, self.stock, column)).collect()), missing)
            }
            _ => {
                let column = *dice.pick(&times);
                (Since::Column(moment(dice, self.stock, column)), column.spec.nullable)
            }
        };
        let when_null = (can_be_missing || dice.chance(20)).then(|| self.when_null(dice, &since, &times));
        let native = (features.natives && dice.chance(15)).then(|| *dice.pick(Native::ALL));
        RuleSpec { keep_for, since, when_null, predicate: self.literals.predicate(dice), native }
    }

    fn latest(&self, dice: &mut Dice, child: &Child, times: &[&Column]) -> (Since, bool) {
        let or = dice.chance(60).then(|| *dice.pick(times));
        let latest = Latest {
            table: TableRef { schema: None, name: child.table.name.into() },
            at: moment(dice, self.stock, &child.at),
            on: child.on.clone(),
            or: or.map(|column| moment(dice, self.stock, column)),
        };
        (Since::Latest(Box::new(latest)), or.is_none_or(|column| column.spec.nullable))
    }

    fn when_null(&self, dice: &mut Dice, since: &Since, times: &[&Column]) -> WhenNull {
        if let Some(single) = since.single()
            && dice.chance(50)
        {
            let kind = times.iter().find(|column| column.spec.name == single.column).map(|column| column.spec.kind);
            let alike = |column: &&&Column| Some(column.spec.kind) == kind && column.spec.name != single.column;
            if let Some(other) = times.iter().find(alike) {
                return WhenNull::Use(other.spec.name.into());
            }
        }
        if dice.chance(50) { WhenNull::Keep } else { WhenNull::Delete }
    }
}
