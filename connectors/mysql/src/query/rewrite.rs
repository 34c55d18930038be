//! Statements that write into rows which stay: what is read before, and what is written where it is still there.
//!
//! Rows are locked before they are read, so what is written back meets them as they were. Where a table has no locks that
//! last, the old values stand beside the new ones and are compared in the statement that writes.

use forgetd_connector::bulk::{self, READ_BYTES_MAX, ROW_BYTES_MAX};
use forgetd_connector::{Column, ColumnKind, Fault, LockWait, Place, Put, Rewrite, Shape, Value, WhenNull};

use super::along::{Indexes, Referring};
use super::carried::Carrier;
use super::rows::Beside;
use super::selection::Compiler;
use super::undone::Look;
use super::{Query, Sql, of};
use crate::codec;
use crate::flavour::Flavour;
use crate::kind::TypeName;

/// What a rewrite says, as parts of statements.
pub(super) struct Writes {
    /// The columns of its own that the period counts from.
    since: Vec<Column>,
    /// Every column that is written.
    columns: Vec<String>,
    /// `column = expression` for what the server works out itself.
    fixed: Vec<String>,
    /// Whether the server has something of its own to write.
    pending: String,
    /// The same for each column that it writes by itself.
    pending_in: Vec<(String, String)>,
    /// The values of the predicate, and behind them those of `fixed`.
    bound: Sql,
}

/// What keeps others from changing a row between reading and writing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Its lock.
    Locked,
    /// Nothing: predicate and old values are compared when it is written.
    Compared,
}

/// What is known of carried rows when they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// They are locked, and due by what other rows say.
    Locked,
    /// Nothing: the statement asks whether they are due.
    Asked,
}

/// The variables that say what rows hold, and of how many.
const BYTES: &str = "@forgetd_bytes";
const BYTES_ROWS: &str = "@forgetd_bytes_rows";

// === impl Writes ===

impl Writes {
    /// Goes on behind the values of the predicate.
    pub(super) fn new(compiler: &mut Compiler<'_>, rewrite: &Rewrite) -> Result<Self, Fault> {
        let step = compiler.step;
        let own = |compiler: &Compiler<'_>, name: &str| compiler.own(name).cloned();
        let terms = &step.selection.terms;
        let mut since: Vec<&str> = terms.since.columns().into_iter().map(|since| since.column.as_str()).collect();
        if let WhenNull::Use(other) = &terms.when_null {
            since.push(other);
        }
        let since = since.into_iter().map(|name| own(compiler, name)).collect::<Result<Vec<_>, _>>()?;
        let (mut fixed, mut pending) = (vec![], vec![]);
        for place in &rewrite.places {
            fixed.extend(Self::fixed(compiler, place)?);
            pending.extend(Self::pending(compiler, place)?.map(|said| (place.path.column.clone(), said)));
        }
        let pending_in = pending.clone();
        let pending: Vec<String> = pending.into_iter().map(|(_, said)| said).collect();
        let pending = if pending.is_empty() { "false".into() } else { pending.join(" or ") };
        if let Some(marker) = &rewrite.marker {
            let column = own(compiler, &marker.column)?;
            let value = compiler.constant(&column, &marker.value)?;
            fixed.push(format!("{} = {value}", of(&column.name)));
        }
        let pending = format!("coalesce({pending}, false)");
        let columns = rewrite.columns().into_iter().map(ToOwned::to_owned).collect();
        Ok(Self { since, columns, fixed, pending, pending_in, bound: compiler.sql.clone() })
    }

    /// Whether a place that the server writes by itself holds something else.
    fn pending(compiler: &mut Compiler<'_>, place: &Place) -> Result<Option<String>, Fault> {
        let shape = match &place.put {
            Put::Computed => return Ok(None),
            Put::Constant(value) => Shape::Constant(value.clone()),
            Put::Coarser(grain) => Shape::Coarse(grain.clone()),
        };
        compiler.looks(&place.path, &shape, Look::Other).map(|said| Some(said.alone()))
    }

    /// What the server writes at a place by itself.
    fn fixed(compiler: &mut Compiler<'_>, place: &Place) -> Result<Option<String>, Fault> {
        let column = compiler.own(&place.path.column)?.clone();
        let value = match &place.put {
            Put::Computed => return Ok(None),
            Put::Constant(Value::Null) => "null".into(),
            Put::Constant(value) => {
                let value = compiler.constant(&column, value)?;
                if column.nullable {
                    format!("case when {} is not null then {value} end", of(&column.name))
                } else {
                    value
                }
            }
            Put::Coarser(grain) => compiler.coarse(&column, grain)?.value,
        };
        Ok(Some(format!("{} = {value}", of(&column.name))))
    }

    /// Whether the server has something of its own to write, as a condition.
    pub(super) fn pending_text(&self) -> &str {
        &self.pending
    }

    /// The assignments, where the carried rows hold the computed values as texts. Columns of `kept` stay as they are
    /// against the engine's will.
    fn assignments(&self, computed: &[Column], kept: &[String]) -> String {
        let computed = computed.iter().enumerate().map(|(n, column)| {
            let value = codec::from_text(column, &format!("forgetd_keys.forgetd_c{n}"));
            format!("{} = {value}", of(&column.name))
        });
        let kept = kept.iter().filter(|name| !self.columns.contains(name)).map(|name| format!("{0} = {0}", of(name)));
        computed.chain(self.fixed.iter().cloned()).chain(kept).collect::<Vec<_>>().join(", ")
    }

    /// The columns that the period counts from, as texts.
    fn since_texts(&self) -> Vec<String> {
        self.since.iter().map(|column| codec::read(column, &of(&column.name))).collect()
    }
}

impl Query {
    /// Whether rows stay and are written.
    pub(crate) fn rewrites(&self) -> bool {
        self.writes().is_some()
    }

    /// How many columns of its own the period counts from.
    pub(crate) fn since_width(&self) -> usize {
        self.writes().map_or(0, |writes| writes.since.len())
    }

    /// The names of the columns that the period counts from.
    pub(crate) fn since_names(&self) -> Vec<&str> {
        self.writes().map_or_else(Vec::new, |writes| writes.since.iter().map(|column| column.name.as_str()).collect())
    }

    /// Whether what so many rows hold has to be added up before they are read.
    pub(crate) fn weighs(&self, rows: u64) -> bool {
        !bulk::is_narrow(self.computed(), rows)
    }

    /// Adds up what carried rows hold in the columns that others are computed from, so that the statement which reads them
    /// sends nothing where it is too much.
    pub(crate) fn weigh(&self, carrier: Carrier, due: Due) -> Sql {
        let bytes = self.computed().iter().map(|column| format!("coalesce(length({}), 0)", codec::written(column)));
        let bytes: Vec<String> = bytes.chain(["0".to_owned()]).collect();
        let rows = self.rows_of(carrier.keys());
        let text = format!(
            "select coalesce(sum({}), 0), count(*) into {BYTES}, {BYTES_ROWS} from {rows}{}",
            bytes.join(" + "),
            self.due(due)
        );
        self.with_predicate().say(text)
    }

    /// What [`Query::weigh`] found: the bytes, and of how many rows.
    pub(crate) fn weighed() -> Sql {
        Sql::plain(format!("select cast({BYTES} as unsigned), {BYTES_ROWS}"))
    }

    /// Reads carried rows before they are written: the key, what the period counts from, the values that others are
    /// computed from, whether the marker says that the row is done, and whether the server has something of its own to
    /// write. None, where they were `weighed` and are too much.
    pub(crate) fn read_rows(&self, carrier: Carrier, due: Due, weighed: bool) -> Sql {
        let light = format!("{BYTES} <= if({BYTES_ROWS} <= 1, {ROW_BYTES_MAX}, {READ_BYTES_MAX})");
        match (self.due(due), weighed) {
            (due, false) => self.read(carrier, &due, ""),
            (due, true) if due.is_empty() => self.read(carrier, &format!(" where {light}"), ""),
            (due, true) => self.read(carrier, &format!("{due} and {light}"), ""),
        }
    }

    /// Locks the due rows among those carried and reads them in the same statement: for rows whose fate hangs on nothing
    /// else.
    pub(crate) fn read_locked(&self, locks: LockWait) -> Sql {
        self.read(Carrier::Due, &self.still(), &format!(" {}", self.flavour().for_update("t", locks)))
    }

    fn due(&self, due: Due) -> String {
        match due {
            Due::Locked => self.still(),
            Due::Asked => format!(" where {}", self.predicate()),
        }
    }

    fn read(&self, carrier: Carrier, condition: &str, locking: &str) -> Sql {
        let Some(writes) = self.writes() else { return Sql::default() };
        let mut columns = self.key_texts();
        columns.extend(writes.since_texts());
        columns.extend(self.computed().iter().map(codec::written));
        columns.extend([self.marked().to_owned(), writes.pending.clone()]);
        let rows = self.rows_of(carrier.keys());
        let text = format!("select {} from {rows}{condition}{locking}", columns.join(", "));
        writes.bound.clone().say(text)
    }

    /// Writes what needs no computing into carried rows; absent where the step writes nothing.
    pub(crate) fn write_carried(&self, carrier: Carrier, kept: &[String]) -> Option<Sql> {
        let writes = self.writes()?;
        let rows = self.rows_of(carrier.keys());
        let at_once = self.flavour().at_once();
        let text = format!("{at_once}update {rows} set {}{}", writes.assignments(self.computed(), kept), self.still());
        Some(writes.bound.clone().say(text))
    }

    /// The same into those of the carried rows that are due: for tables whose rows cannot be locked.
    pub(crate) fn write_due(&self, carrier: Carrier, kept: &[String]) -> Option<Sql> {
        let writes = self.writes()?;
        let rows = self.rows_of(carrier.keys());
        let text =
            format!("update {rows} set {} where {}", writes.assignments(self.computed(), kept), self.predicate());
        Some(writes.bound.clone().say(text))
    }

    /// Writes the computed values of the rows that were carried, and what goes with them.
    pub(crate) fn write_rows(&self, beside: Beside, guard: Guard, kept: &[String]) -> Sql {
        let Some(writes) = self.writes() else { return Sql::default() };
        let from = self.rows_to_write(beside, Beside { since: false, old: guard == Guard::Compared });
        let compared = match guard {
            Guard::Locked => String::new(),
            Guard::Compared => {
                let old = self.computed().iter().enumerate();
                let same = old.map(|(n, column)| {
                    // What was read came in another character set than the column may have.
                    let held = codec::bytes_of(column, &codec::written(column));
                    format!("{held} <=> cast(forgetd_keys.forgetd_o{n} as binary)")
                });
                let same = same.chain([self.predicate().to_owned()]).collect::<Vec<_>>();
                format!(" where {}", same.join(" and "))
            }
        };
        let at_once = self.flavour().at_once();
        let text = format!("{at_once}update {from} set {}{compared}", writes.assignments(self.computed(), kept));
        writes.bound.clone().say(text)
    }

    /// What follows the carried rows when [`Query::write_carried`] writes them.
    pub(crate) fn follow_carried(&self, carrier: Carrier, indexes: &Indexes) -> Vec<Referring> {
        let Some(writes) = self.writes() else { return vec![] };
        let rows = self.rows_of(carrier.keys());
        let follow = |key: &forgetd_connector::ForeignKey| {
            self.followed(writes.bound.clone(), key, &rows, &self.renamed(key), indexes)
        };
        self.following().map(follow).collect()
    }

    /// What follows the rows when [`Query::write_rows`] writes them.
    pub(crate) fn follow_rows(&self, beside: Beside, indexes: &Indexes) -> Vec<Referring> {
        let Some(writes) = self.writes() else { return vec![] };
        let rows = self.rows_to_write(beside, Beside::default());
        let follow = |key: &forgetd_connector::ForeignKey| {
            self.followed(writes.bound.clone(), key, &rows, &self.renamed(key), indexes)
        };
        self.following().map(follow).collect()
    }

    /// Whether a row will get another value in a column that this foreign key points at.
    fn renamed(&self, key: &forgetd_connector::ForeignKey) -> String {
        let fixed = self.writes().map(|writes| writes.pending_in.as_slice()).unwrap_or_default();
        let fixed = fixed.iter().filter(|(name, _)| key.parent_columns.contains(name)).map(|(_, said)| said.clone());
        let computed = self.computed().iter().enumerate();
        let computed = computed.filter(|(_, column)| key.parent_columns.contains(&column.name)).map(|(n, column)| {
            let held = codec::bytes_of(column, &codec::written(column));
            format!("not ({held} <=> cast(forgetd_keys.forgetd_c{n} as binary))")
        });
        let any: Vec<String> = computed.chain(fixed).collect();
        if any.is_empty() { "false".into() } else { format!("coalesce({}, false)", any.join(" or ")) }
    }

    /// Looks at rows that were written: how many count from another moment than before, and how many hold something else
    /// than was written; the form that a column itself gives a value is no difference.
    pub(crate) fn check_rows(&self, beside: Beside) -> Sql {
        let Some(writes) = self.writes() else { return Sql::default() };
        let from = self.rows_to_write(beside, Beside { since: true, old: false });
        let moved = writes.since.iter().enumerate().map(|(n, column)| {
            format!("not ({} <=> forgetd_keys.forgetd_s{n})", codec::read(column, &of(&column.name)))
        });
        let altered = self.computed().iter().enumerate();
        let altered = altered.map(|(n, column)| differs(self.flavour(), column, &format!("forgetd_keys.forgetd_c{n}")));
        let any = |parts: Vec<String>| if parts.is_empty() { "false".to_owned() } else { parts.join(" or ") };
        let text = format!(
            "select coalesce(sum({}), 0), coalesce(sum({}), 0) from {from}",
            any(moved.collect()),
            any(altered.collect())
        );
        Sql::plain(text)
    }

    /// The statements that write so many rows, for whoever looks at them.
    pub(super) fn written(&self, rows: u32) -> Vec<Sql> {
        let (computed, weighs) = (!self.computed().is_empty(), self.weighs(rows.into()));
        if computed && !self.looks_elsewhere() && !weighs {
            return vec![self.read_locked(LockWait::Wait), self.write_rows(Beside::default(), Guard::Locked, &[])];
        }
        let mut written = vec![self.lock(LockWait::Wait)];
        written.extend(self.looks_elsewhere().then(|| self.judge_held()));
        if computed {
            written.extend(weighs.then(|| self.weigh(self.chosen(), Due::Locked)));
            written.push(self.read_rows(self.chosen(), Due::Locked, weighs));
            written.push(self.write_rows(Beside::default(), Guard::Locked, &[]));
        } else {
            written.extend(self.write_carried(self.chosen(), &[]));
        }
        written
    }
}

/// Whether a column holds another value than a text that was assigned to it. Spaces at the end are the column's own
/// matter, and so are digits that it does not keep.
fn differs(flavour: Flavour, column: &Column, sent: &str) -> String {
    let own = codec::written(column);
    match (column.kind, TypeName::of(column).base) {
        (ColumnKind::Text, _) => format!("not (rtrim({}) <=> rtrim({sent}))", codec::unicode(column, &own)),
        (ColumnKind::Json, _) => format!("not ({} <=> {})", flavour.same_json(&own), flavour.same_json(sent)),
        (ColumnKind::Number, "decimal") => {
            let scale = column.fit.scale.unwrap_or(30).min(30);
            format!("not ({own} <=> cast({sent} as decimal(65,{scale})))")
        }
        (ColumnKind::Number, _) => format!("not ({own} <=> {sent} + 0e0)"),
        _ => format!("not ({own} <=> {sent})"),
    }
}
