//! Statements that write into rows which stay: what is read before, and what is written where it is still there.
//!
//! A row is addressed by its physical row id and the version that was read. The ids stand in a list of their own beside
//! the join, because the planner takes such a list for short: it goes to the rows one by one, whatever it knows of the
//! table, and never reads the whole of it for one batch.

use forgetd_connector::bulk::Bulk;
use forgetd_connector::walk::Span;
use forgetd_connector::{
    Column, ColumnKind, Fault, Key, LockWait, Place, Put, Rewrite, Shape, Undone, Value, WhenNull,
};

use super::lock::for_update;
use super::selection::Compiler;
use super::undone::Look;
use super::weight::{self, Weight};
use super::{ALIAS, Param, Query, Returning, Sql, of};
use crate::codec;
use crate::compare::Reported;
use crate::survey::RowTriggers;

/// What a rewrite says, as parts of statements.
pub(super) struct Writes {
    /// The columns whose new values are computed.
    pub(super) computed: Vec<Column>,
    /// The columns of its own that the period counts from.
    pub(super) since: Vec<Column>,
    /// `column = expression` for what the server works out itself.
    fixed: Vec<String>,
    /// Whether the marker says that a row was done.
    pub(super) marked: String,
    /// Whether the server has something of its own to write.
    pending: String,
    /// The parameters of the predicate, and behind them those of `fixed`.
    bound: Sql,
}

/// Which rows are meant.
#[derive(Clone, Copy)]
pub(crate) enum Among<'a> {
    /// Those of a span.
    Span(&'a Span),
    /// Those of these keys.
    Keys(&'a [Key]),
    /// Those of these physical row ids, which are locked.
    Locked(&'a [String]),
}

/// A row as it was read.
pub(crate) struct RowRead {
    /// Its physical row id.
    pub(crate) id: String,
    /// The transaction that wrote this version of it.
    pub(crate) version: String,
    /// The columns that the period counts from, as texts.
    pub(crate) since: Vec<Option<String>>,
    /// The columns of its key, as texts, where they are wanted.
    pub(crate) key: Vec<Option<String>>,
}

/// A row and the texts that its computed columns shall hold.
pub(crate) struct RowToWrite {
    pub(crate) row: RowRead,
    pub(crate) values: Vec<Option<String>>,
}

// === impl Writes ===

impl Writes {
    /// Goes on behind the parameters of the predicate. Columns whose texts depend on settings are noted as pinned.
    pub(super) fn new(compiler: &mut Compiler<'_>, rewrite: &Rewrite) -> Result<Self, Fault> {
        let step = compiler.step;
        let own = |compiler: &Compiler<'_>, name: &str| compiler.own(name).cloned();
        let computed = rewrite.computed().into_iter().map(|name| own(compiler, name)).collect::<Result<Vec<_>, _>>()?;
        let terms = &step.selection.terms;
        let mut since: Vec<&str> = terms.since.columns().into_iter().map(|since| since.column.as_str()).collect();
        if let WhenNull::Use(other) = &terms.when_null {
            since.push(other);
        }
        let since = since.into_iter().map(|name| own(compiler, name)).collect::<Result<Vec<_>, _>>()?;
        let (mut fixed, mut pending) = (vec![], vec![]);
        for place in &rewrite.places {
            fixed.extend(Self::fixed(compiler, place)?);
            pending.extend(Self::pending(compiler, place)?);
        }
        let pending = if pending.is_empty() { "false".into() } else { pending.join(" or ") };
        let mut marked = String::from("false");
        if let Some(marker) = &rewrite.marker {
            let column = own(compiler, &marker.column)?;
            fixed.push(format!("{} = {}", codec::quote(&column.name), compiler.constant(&column, &marker.value)));
            marked = format!("{} is not null", of(&column.name));
            for undone in &step.selection.undone {
                if let Undone::MarkedBefore { marker, since } = undone
                    && *marker == column.name
                {
                    let before = compiler.marked_before(terms, marker, since)?;
                    marked = format!("({marked} and not coalesce({before}, false))");
                }
            }
        }
        compiler.pinned.extend(computed.iter().chain(&since).cloned());
        let pending = format!("coalesce({pending}, false)");
        Ok(Self { computed, since, fixed, marked, pending, bound: compiler.sql.clone() })
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
        let column = compiler.own(&place.path.column)?;
        let value = match &place.put {
            Put::Computed => return Ok(None),
            Put::Constant(Value::Null) => "null".into(),
            Put::Constant(value) => {
                let value = compiler.constant(column, value);
                if column.nullable {
                    format!("case when {} is not null then {value} end", of(&column.name))
                } else {
                    value
                }
            }
            Put::Coarser(grain) => compiler.coarse(column, grain)?.value,
        };
        Ok(Some(format!("{} = {value}", codec::quote(&column.name))))
    }

    /// The assignments, where `v` holds the computed values as texts. A text is assigned as it is, so that one which does
    /// not fit is an error and not cut.
    fn assignments(&self) -> String {
        let computed = self.computed.iter().enumerate().map(|(n, column)| {
            let value = format!("v.forgetd_c{n}");
            let value = match column.kind {
                ColumnKind::Text => value,
                _ => codec::from_text(column, &value),
            };
            format!("{} = {value}", codec::quote(&column.name))
        });
        computed.chain(self.fixed.iter().cloned()).collect::<Vec<_>>().join(", ")
    }

    /// Whether a computed column holds something else than was sent, where triggers could put it there; the form that the
    /// column itself gives a value is no difference.
    fn altered(&self, triggers: RowTriggers) -> String {
        let altered: Vec<String> = match triggers {
            RowTriggers::None => vec![],
            RowTriggers::Before => {
                let columns = self.computed.iter().enumerate();
                columns.map(|(n, column)| differs(column, &format!("v.forgetd_c{n}"))).collect()
            }
        };
        if altered.is_empty() { "false".into() } else { altered.join(" or ") }
    }

    /// The columns that the period counts from, as texts.
    fn since_texts(&self) -> Vec<String> {
        self.since.iter().map(|column| codec::read(column.kind, &of(&column.name))).collect()
    }

    /// Whether one of the columns that the period counts from is another than before.
    fn moved(&self) -> String {
        let moved = self
            .since_texts()
            .into_iter()
            .enumerate()
            .map(|(n, text)| format!("{text} is distinct from v.forgetd_s{n}"));
        let moved: Vec<String> = moved.collect();
        if moved.is_empty() { "false".into() } else { moved.join(" or ") }
    }
}

impl Query {
    /// What is written, if rows stay.
    pub(super) fn writes(&self) -> Option<&Writes> {
        self.writes.as_ref()
    }

    /// Whether rows stay and are written.
    pub(crate) fn rewrites(&self) -> bool {
        self.writes.is_some()
    }

    /// What a command that changed so many rows said about its table.
    pub(crate) fn reported(&self, rows: u64) -> Reported {
        if self.rewrites() { Reported::Updated(rows) } else { Reported::Deleted(rows) }
    }

    /// The columns whose new values are computed from the old ones; none where the server does all of it.
    pub(crate) fn computed(&self) -> &[Column] {
        self.writes().map_or(&[], |writes| &writes.computed)
    }

    /// How many columns of its own the period counts from.
    pub(crate) fn since_width(&self) -> usize {
        self.writes().map_or(0, |writes| writes.since.len())
    }

    /// Reads due rows before they are written: in front what their values come to and how many rows there are, where that is
    /// added up (see [`Weight`]); physical row id, version, what the period counts from, the values that others are computed
    /// from, whether the marker says that the row is done, whether the server has something of its own to write, and the key
    /// if it is wanted. At most `limit`.
    pub(crate) fn read_rows(
        &self,
        among: Among<'_>,
        locks: Option<LockWait>,
        limit: u64,
        returning: Returning,
        bulk: Bulk,
    ) -> Sql {
        let Some(writes) = self.writes() else { return Sql::default() };
        let mut sql = writes.bound.clone();
        let rows = self.rows(among, &mut sql);
        let weight = Weight::of(&writes.computed, limit, bulk);
        let mut columns = vec![format!("{ALIAS}.ctid::text"), format!("{ALIAS}.xmin::text")];
        columns.extend(writes.since_texts());
        let computed = columns.len()..columns.len() + writes.computed.len();
        columns.extend(weight.computed(&writes.computed));
        columns.extend([writes.marked.clone(), writes.pending.clone()]);
        if returning == Returning::Keys {
            columns.extend(self.key_texts());
        }
        let limit = sql.bind(limit.into());
        let lock = locks.map(|locks| format!(" {}", for_update(locks))).unwrap_or_default();
        if let Some(front) = weight.front(&writes.computed) {
            let text = format!("select {front}, {} from {rows} limit {limit}{lock}", columns.join(", "));
            return sql.say(text);
        }
        let named = columns.iter().enumerate().map(|(n, column)| format!("{column} as forgetd_{n}"));
        let read = format!("select {} from {rows} limit {limit}{lock}", named.collect::<Vec<_>>().join(", "));
        sql.say(weight::added_up(&read, columns.len(), computed))
    }

    /// Writes the computed values, and what goes with them, into those of the rows that still are as they were read and,
    /// where their fate hangs on other rows, are still due. What comes back: see [`done`].
    pub(crate) fn write_rows(&self, rows: &[RowToWrite], returning: Returning, triggers: RowTriggers) -> Sql {
        let Some(writes) = self.writes() else { return Sql::default() };
        let mut sql = writes.bound.clone();
        let texts = |of: &dyn Fn(&RowToWrite) -> Option<String>| Param::Texts(rows.iter().map(of).collect());
        let ids = sql.bind(texts(&|row| Some(row.row.id.clone())));
        let mut arrays = vec![ids.clone(), sql.bind(texts(&|row| Some(row.row.version.clone())))];
        // None of a name that a native condition could mean.
        let mut names = vec!["forgetd_id".to_owned(), "forgetd_version".to_owned()];
        for n in 0..writes.since.len() {
            arrays.push(sql.bind(texts(&|row| row.row.since.get(n).cloned().flatten())));
            names.push(format!("forgetd_s{n}"));
        }
        for n in 0..writes.computed.len() {
            arrays.push(sql.bind(texts(&|row| row.values.get(n).cloned().flatten())));
            names.push(format!("forgetd_c{n}"));
        }
        for n in 0..self.keys_returned(returning) {
            arrays.push(sql.bind(texts(&|row| row.row.key.get(n).cloned().flatten())));
            names.push(format!("forgetd_k{n}"));
        }
        let arrays: Vec<String> = arrays.iter().map(|array| format!("{array}::text[]")).collect();
        let due = if self.looks_elsewhere() { format!(" and {}", self.predicate()) } else { String::new() };
        let text = format!(
            "with forgetd_done as (update {table} set {assignments} from unnest({arrays}) as v({names}) \
             where {ALIAS}.ctid = any (array(select w::tid from unnest({ids}::text[]) as w)) \
             and {ALIAS}.ctid = v.forgetd_id::tid and {ALIAS}.xmin = v.forgetd_version::xid{due} returning {returned}) {read}",
            table = self.from(),
            assignments = writes.assignments(),
            arrays = arrays.join(", "),
            names = names.join(", "),
            returned = self.returned(&writes.moved(), &writes.altered(triggers), returning),
            read = self.done(returning),
        );
        sql.say(text)
    }

    /// Writes what needs no computing into the due rows. What comes back: see [`done`].
    pub(crate) fn write(&self, among: Among<'_>, locks: LockWait, returning: Returning) -> Sql {
        let Some(writes) = self.writes() else { return Sql::default() };
        let mut sql = writes.bound.clone();
        let rows = self.rows(among, &mut sql);
        let since =
            writes.since.iter().enumerate().map(|(n, column)| format!(", {} as forgetd_s{n}", of(&column.name)));
        let keys = match returning {
            Returning::Nothing => vec![],
            Returning::Keys => self.key_texts(),
        };
        let keys = keys.into_iter().enumerate().map(|(n, text)| format!(", {text} as forgetd_k{n}"));
        let lock = match locks {
            LockWait::Wait => String::new(),
            LockWait::Skip => format!(" {}", for_update(locks)),
        };
        let moved: Vec<String> = writes
            .since
            .iter()
            .enumerate()
            .map(|(n, column)| format!("{} is distinct from v.forgetd_s{n}", of(&column.name)))
            .collect();
        let moved = if moved.is_empty() { "false".into() } else { moved.join(" or ") };
        let text = format!(
            "with forgetd_old as materialized (select {ALIAS}.ctid as forgetd_id, {ALIAS}.xmin as forgetd_version{since}{keys} from {rows}{lock}), \
             forgetd_done as (update {table} set {assignments} from forgetd_old as v \
             where {ALIAS}.ctid = any (array(select forgetd_id from forgetd_old)) \
             and {ALIAS}.ctid = v.forgetd_id and {ALIAS}.xmin = v.forgetd_version returning {returned}) {read}",
            since = since.collect::<String>(),
            keys = keys.collect::<String>(),
            table = self.from(),
            assignments = writes.assignments(),
            returned = self.returned(&moved, "false", returning),
            read = self.done(returning),
        );
        sql.say(text)
    }

    /// Counts those of the rows that still are as they were read: nothing wrote them.
    pub(crate) fn as_read(&self, rows: &[RowToWrite]) -> Sql {
        let mut sql = Sql::default();
        let ids = sql.bind(Param::Texts(rows.iter().map(|row| Some(row.row.id.clone())).collect()));
        let versions = sql.bind(Param::Texts(rows.iter().map(|row| Some(row.row.version.clone())).collect()));
        let text = format!(
            "select count(*) from {}, unnest({ids}::text[], {versions}::text[]) as v(forgetd_id, forgetd_version) \
             where {ALIAS}.ctid = any (array(select w::tid from unnest({ids}::text[]) as w)) \
             and {ALIAS}.ctid = v.forgetd_id::tid and {ALIAS}.xmin = v.forgetd_version::xid",
            self.from()
        );
        sql.say(text)
    }

    /// The statements that change a batch of about `rows` rows in a span, in their order, for whoever looks at them.
    pub(crate) fn change(&self, span: &Span, rows: u32) -> Vec<Sql> {
        let (locks, nothing) = (LockWait::Wait, Returning::Nothing);
        let limit = u64::from(rows) + 1;
        let looks = self.looks_elsewhere();
        let ids = || vec!["(0,1)".to_owned(); rows as usize];
        match self.writes() {
            Some(writes) if !writes.computed.is_empty() => {
                let row = || RowToWrite {
                    row: RowRead { id: "(0,1)".into(), version: "0".into(), since: vec![], key: vec![] },
                    values: vec![],
                };
                let written: Vec<RowToWrite> = (0..rows).map(|_| row()).collect();
                let locks = looks.then_some(locks);
                let read = self.read_rows(Among::Span(span), locks, limit, nothing, Bulk::default());
                vec![read, self.write_rows(&written, nothing, RowTriggers::None)]
            }
            Some(_) if looks => {
                vec![self.lock(span, locks, limit), self.write(Among::Locked(&ids()), locks, nothing)]
            }
            Some(_) => vec![self.write(Among::Span(span), locks, nothing)],
            None if looks => vec![self.lock(span, locks, limit), self.delete_locked(&ids(), nothing)],
            None => vec![self.delete(span, locks, nothing)],
        }
    }

    /// `table where ..`: the due rows among these.
    fn rows(&self, among: Among<'_>, sql: &mut Sql) -> String {
        let (from, predicate) = (self.from(), self.predicate());
        match among {
            Among::Span(span) => format!("{from} where {} and {predicate}", self.within(span, sql)),
            Among::Keys(keys) => format!("{from} cross join {} and {predicate}", self.listed(keys, sql)),
            Among::Locked(ids) => {
                let ids = sql.bind(Param::Texts(ids.iter().cloned().map(Some).collect()));
                format!(
                    "{from} where {ALIAS}.ctid = any (array(select w::tid from unnest({ids}::text[]) as w)) and {predicate}"
                )
            }
        }
    }

    /// How many columns of the key come back.
    fn keys_returned(&self, returning: Returning) -> usize {
        match returning {
            Returning::Nothing => 0,
            Returning::Keys => self.key.len(),
        }
    }

    /// What a written row gives back; its key as it was read, for it may be written too.
    fn returned(&self, moved: &str, altered: &str, returning: Returning) -> String {
        let mut columns = vec![format!("({moved}) as moved"), format!("({altered}) as altered")];
        columns.extend((0..self.keys_returned(returning)).map(|n| format!("v.forgetd_k{n} as k{n}")));
        columns.join(", ")
    }

    /// How the written rows are told: their number, whether one of them moved and whether one was altered; or each of
    /// them with all that, its key behind.
    fn done(&self, returning: Returning) -> String {
        match self.keys_returned(returning) {
            0 => "select count(*), coalesce(bool_or(moved), false), coalesce(bool_or(altered), false) \
                  from forgetd_done"
                .into(),
            keys => {
                let keys: String = (0..keys).map(|n| format!(", k{n}")).collect();
                format!(
                    "select count(*) over (), bool_or(moved) over (), bool_or(altered) over (){keys} from forgetd_done"
                )
            }
        }
    }
}

/// In front of the keys of written rows: their number, whether one of them moved, and whether one was altered.
pub(crate) const BEFORE_KEYS: usize = 3;

/// Whether a column holds another value than a text that was assigned to it. Spaces at the end are the column's own
/// matter, and so are decimals that it does not keep.
fn differs(column: &Column, sent: &str) -> String {
    let own = of(&column.name);
    let typed = codec::from_text(column, sent);
    match (column.kind, column.type_name.as_str()) {
        (ColumnKind::Text, _) => format!("rtrim({own}::text) collate \"C\" is distinct from rtrim({sent})"),
        (ColumnKind::Number, "numeric") => {
            let kept = column.fit.scale.map_or_else(|| typed.clone(), |scale| format!("round({typed}, {scale})"));
            format!("{own} is distinct from {kept}")
        }
        (ColumnKind::Json, "json") | (ColumnKind::Other, _) => {
            format!("{own}::text collate \"C\" is distinct from ({typed})::text")
        }
        _ => format!("{own} is distinct from {typed}"),
    }
}
