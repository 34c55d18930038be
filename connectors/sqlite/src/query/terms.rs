//! What makes a row due, as one condition: the same text in every statement.

use forgetd_connector::{Cause, Child, Except, Joined, Predicate, Selection, Stays, Terms, Until};

use super::composer::{Composer, Refused};
use super::{native, quote};

// === impl Composer ===

impl Composer<'_> {
    /// Which rows a selection means. Parts are joined with `and`, each on a line of its own.
    pub(super) fn selection(&mut self, selection: &Selection) -> Result<String, Refused> {
        let mut parts = vec![self.over(&selection.terms, Until::Cutoff(selection.terms.cutoff))?];
        parts.extend(self.conditions(&selection.terms)?);
        parts.extend(self.unfinished(selection)?);
        for except in &selection.except {
            parts.push(format!("not {}", self.excepted(except)?));
        }
        Ok(parts.join("\n  and "))
    }

    /// `where` and `where_native`: everything but the period.
    pub(super) fn conditions(&mut self, terms: &Terms) -> Result<Vec<String>, Refused> {
        let mut parts = vec![];
        for part in top_level(&terms.predicate) {
            parts.push(self.predicate(part)?);
        }
        if let Some(native) = &terms.native {
            parts.push(self.native(native)?);
        }
        Ok(parts)
    }

    /// The operator's own condition.
    pub(super) fn native(&self, native: &str) -> Result<String, Refused> {
        let refused = |why| Refused::new(Cause::Native, "").with_detail(format!("where_native: {why}"));
        native::expression(native).map_err(refused)
    }

    /// Whether a row is not due whatever the terms say: 0 or 1.
    pub(super) fn excepted(&mut self, except: &Except) -> Result<String, Refused> {
        match except {
            Except::Kept { terms, .. } => self.kept(terms),
            Except::Due(selection) => Ok(format!("ifnull(({}), 0)", self.selection(selection)?)),
            Except::Child(child) => self.held(child),
        }
    }

    /// Whether a child that must stay hangs on a row: 0 or 1.
    fn held(&mut self, child: &Child) -> Result<String, Refused> {
        let alias = self.child_alias(&child.table);
        let mut parts = vec![];
        for Joined { other, own } in &child.on {
            // The parent's column first: a foreign key compares by its collation.
            parts.push(format!("{} = {alias}.{}", self.own(own), quote(other)));
        }
        parts.extend(self.stays(child, &alias)?);
        let table = quote(&child.table.name);
        Ok(format!("exists (select 1 from main.{table} as {alias} where {})", parts.join("\n    and ")))
    }

    /// Whether a child that is called so stays as it is: all of these hold.
    fn stays(&mut self, child: &Child, alias: &str) -> Result<Vec<String>, Refused> {
        let mut parts = vec![];
        for step in child.steps() {
            parts.push(self.on_rows_of(step, alias, |inner| match &child.stays {
                Stays::UnlessDue(_) => Ok(format!("not ifnull(({}), 0)", inner.selection(&step.selection)?)),
                Stays::IfKept(_) => inner.kept(&step.selection.terms),
            })?);
        }
        Ok(match child.stays {
            Stays::UnlessDue(_) => parts,
            Stays::IfKept(_) => vec![format!("({})", parts.join(" or "))],
        })
    }

    /// Whether the rule of these terms keeps a row: 0 or 1. What is not known to be over is kept.
    fn kept(&mut self, terms: &Terms) -> Result<String, Refused> {
        let mut parts = self.conditions(terms)?;
        parts.push(format!("not ifnull({}, 0)", self.over(terms, Until::Cutoff(terms.cutoff))?));
        Ok(format!("ifnull({}, 0)", parts.join("\n    and ")))
    }
}

/// The parts that all must hold.
pub(super) fn top_level(predicate: &Predicate) -> &[Predicate] {
    match predicate {
        Predicate::All(parts) => parts,
        one => std::slice::from_ref(one),
    }
}
