//! What every condition is written with: the names of its table, and the values of its statement.

use forgetd_connector::{Cause, Fault, FaultClass, Step, TableRef};

use super::{Query, Shape, quote};

/// Writes conditions on the rows of one table. Values go into [`Composer::query`], whose text stays empty.
///
/// A condition is an expression that is true, false or NULL and stands by itself: nothing around it changes what it
/// means. It never fails on a row, and no index can serve any part of it.
pub(super) struct Composer<'a> {
    pub(super) step: &'a Step,
    /// The table's own quoted name, by which subqueries reach its columns.
    own: String,
    /// The names of the rows around these, where the condition is on the children of a row.
    around: Vec<String>,
    /// Whether texts are stored in an encoding whose order of bytes is that of code points.
    pub(super) code_points: bool,
    pub(super) query: Query,
    /// How many JSON values and children were opened so far.
    opened: usize,
}

/// Why a condition cannot be said here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) cause: Cause,
    /// The column or path; empty for the whole table.
    pub(super) at: String,
    pub(super) detail: Option<String>,
}

// === impl Composer ===

impl<'a> Composer<'a> {
    pub(super) fn new(step: &'a Step, shape: &Shape) -> Self {
        let own = quote(&step.table.name.name);
        Self { step, own, around: vec![], code_points: shape.code_points, query: Query::default(), opened: 0 }
    }

    /// A column of the table. Among the rows of another one its name alone could come to mean a column of that.
    pub(super) fn column(&self, column: &str) -> String {
        if self.around.is_empty() { quote(column) } else { self.own(column) }
    }

    /// A column of the table, as it is written inside a subquery, where another table can have one of its name.
    pub(super) fn own(&self, column: &str) -> String {
        format!("{}.{}", self.own, quote(column))
    }

    /// A name for the rows of another table.
    pub(super) fn other_alias(&self) -> &'static str {
        if self.own.eq_ignore_ascii_case("`other`") { "another" } else { "other" }
    }

    /// A name for the rows of a child: its own, by which a native condition may call it, unless that is taken.
    pub(super) fn child_alias(&mut self, table: &TableRef) -> String {
        let name = quote(&table.name);
        let taken = |other: &String| other.eq_ignore_ascii_case(&name);
        if !taken(&self.own) && !self.around.iter().any(taken) {
            return name;
        }
        self.opened += 1;
        format!("child{}", self.opened)
    }

    /// Writes something about the rows of another step's table, which stand under this alias; values go on in the same
    /// statement.
    pub(super) fn on_rows_of<T>(
        &mut self,
        step: &Step,
        alias: &str,
        write: impl FnOnce(&mut Composer<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let (query, around) =
            (std::mem::take(&mut self.query), self.around.iter().chain([&self.own]).cloned().collect());
        let (own, code_points, opened) = (alias.to_owned(), self.code_points, self.opened);
        let mut inner = Composer { step, own, around, code_points, query, opened };
        let written = write(&mut inner);
        (self.query, self.opened) = (inner.query, inner.opened);
        written
    }

    /// A new name for the parts of a JSON value. Never that of the table.
    pub(super) fn json_alias(&mut self) -> String {
        self.opened += 1;
        let stem = if self.own.to_ascii_lowercase().starts_with("`j") { "part" } else { "j" };
        format!("{stem}{}", self.opened)
    }
}

// === impl Refused ===

impl Refused {
    pub(super) fn new(cause: Cause, at: impl Into<String>) -> Self {
        Self { cause, at: at.into(), detail: None }
    }

    #[must_use]
    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The fault that stops the rule. `place` is the table's.
    pub(super) fn into_fault(self, place: &str) -> Fault {
        let at = if self.at.is_empty() { place.to_owned() } else { format!("{place}.{}", self.at) };
        let fault = Fault::new(FaultClass::Blocked(self.cause), "build statements", at);
        match self.detail {
            Some(detail) => fault.with_detail(detail),
            None => fault,
        }
    }
}
