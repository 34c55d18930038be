//! Whether what happened is what was announced.
//!
//! The engine counts no rows by table. It counts, for the session, every row that a statement or a trigger of its deletes
//! or updates. What foreign keys do some versions count and others do not: they are left nothing to delete, see
//! [`crate::query::Children`]; and where they change rows that stay, more may have been updated than we did.

use forgetd_connector::{Cause, Fault, FaultClass};
use mysql_async::Row;

use super::packet::Tally;
use crate::answer::{get, odd};
use crate::query::Sql;

/// Rows that the session had the engines delete and update, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Handled {
    deleted: u64,
    updated: u64,
}

/// Reads them.
pub(crate) fn handled() -> Sql {
    Sql::plain("show session status where variable_name in ('Handler_delete', 'Handler_update')")
}

// === impl Handled ===

impl Handled {
    pub(crate) fn read(rows: &[Row], place: &str) -> Result<Self, Fault> {
        let mut handled = Self::default();
        for row in rows {
            let (name, text): (String, String) = (get(row, 0, place)?, get(row, 1, place)?);
            let value = text.parse().map_err(|_| odd(place))?;
            match name.to_ascii_lowercase().as_str() {
                "handler_delete" => handled.deleted = value,
                _ => handled.updated = value,
            }
        }
        Ok(handled)
    }

    /// How many rows were deleted and updated between the two; absent: the counters went back.
    pub(crate) fn since(self, before: Self) -> Option<(u64, u64)> {
        Some((self.deleted.checked_sub(before.deleted)?, self.updated.checked_sub(before.updated)?))
    }
}

/// Compares what the statements said with each other and with the session's counters. `reaches` says that foreign keys
/// change rows that stay.
pub(crate) fn agree(tally: &Tally, rewrites: bool, reaches: bool, place: &str) -> Result<(), Fault> {
    let differs =
        |what: String| Fault::new(FaultClass::Blocked(Cause::EffectDiffers), "compare effect", place).with_detail(what);
    if let Some((moved, altered)) = tally.checked {
        if moved > 0 {
            return Err(Fault::new(FaultClass::Blocked(Cause::SinceMoved), "change", place));
        }
        if altered > 0 {
            return Err(differs(format!("{altered} rows hold something else than was written")));
        }
    }
    if let Some(chosen) = tally.chosen.filter(|chosen| !rewrites && *chosen != tally.rows) {
        return Err(differs(format!("{chosen} rows were locked, {} went", tally.rows)));
    }
    if let (Some(before), Some(after)) = (tally.before, tally.after) {
        let children: u64 = tally.children.values().sum();
        let (deletes, updates) = if rewrites { (0, tally.rows) } else { (tally.rows + children, 0) };
        let Some((deleted, updated)) = after.since(before) else {
            return Err(differs("the session's counters went back".into()));
        };
        if deleted != deletes || updated != updates && !(reaches && updated > updates) {
            return Err(differs(format!(
                "the session counted {deleted} rows deleted and {updated} updated, announced were {deletes} and {updates}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Cause, TableRef};

    use super::{Handled, agree};
    use crate::lane::packet::Tally;

    #[test]
    fn what_was_not_announced_is_found() {
        let handled = |deleted, updated| Some(Handled { deleted, updated });
        for (rewrites, chosen, checked, reaches, after, cause) in [
            (false, Some(3), None, false, handled(15, 7), None),
            (false, None, None, false, None, None),
            (false, Some(3), None, true, handled(15, 9), None),
            (false, Some(3), None, true, handled(16, 9), Some(Cause::EffectDiffers)),
            (true, Some(4), None, true, handled(10, 12), None),
            (true, Some(4), None, true, handled(10, 9), Some(Cause::EffectDiffers)),
            (false, Some(4), None, false, handled(15, 7), Some(Cause::EffectDiffers)),
            (false, Some(3), None, false, handled(16, 7), Some(Cause::EffectDiffers)),
            (false, Some(3), None, false, handled(15, 8), Some(Cause::EffectDiffers)),
            (true, Some(4), Some((0, 0)), false, handled(10, 10), None),
            (true, Some(4), None, false, handled(10, 11), Some(Cause::EffectDiffers)),
            (true, Some(4), Some((1, 0)), false, handled(10, 10), Some(Cause::SinceMoved)),
            (true, Some(4), Some((0, 1)), false, handled(10, 10), Some(Cause::EffectDiffers)),
        ] {
            let before = after.and(handled(10, 7));
            let children = [(TableRef::parse("child"), 2)].into();
            let tally = Tally { rows: 3, chosen, children, checked, before, after, ..Tally::default() };
            assert_eq!(
                agree(&tally, rewrites, reaches, "p").err().map(|fault| fault.cause()),
                cause,
                "{rewrites} {after:?}"
            );
        }
    }
}
