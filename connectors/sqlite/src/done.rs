//! Rows that a transform is done with, page by page in the order of the table itself.

use forgetd_connector::bulk::READ_BYTES_MAX;
use forgetd_connector::{DoneRows, Fault, FaultClass, Key, OldRow};
use rusqlite::{Connection, params_from_iter};

use crate::query::{Area, Rewriting, Scope};
use crate::session::Session;
use crate::walk;

/// The next page behind a row; `scope` means the rows that are done. Where it ends is looked up first, so that no page
/// looks at more rows, however few of them are done.
pub(crate) fn rows(
    session: &mut Session,
    scope: &Scope,
    after: Option<&Key>,
    rows_max: u32,
    place: &str,
) -> Result<DoneRows, Fault> {
    let Some(rewriting) = scope.rewriting() else {
        return Err(Fault::new(FaultClass::Internal, "read rows", place).with_detail("no rewrite"));
    };
    let page = session.snapshot("read rows", |connection| page(connection, scope, rewriting, after, rows_max));
    page.map_err(|fault| scope.blamed(fault))
}

fn page(
    connection: &Connection,
    scope: &Scope,
    rewriting: &Rewriting,
    after: Option<&Key>,
    rows_max: u32,
) -> rusqlite::Result<DoneRows> {
    let to = walk::row_behind(connection, scope, after, u64::from(rows_max.max(1)))?;
    let read = scope.read_in_order(rewriting, &Area::Rows { after: after.cloned(), to: to.clone() });
    let mut statement = connection.prepare_cached(&read.sql)?;
    let mut rows = statement.query(params_from_iter(&read.values))?;
    let (mut page, mut bytes) = (DoneRows { rows: vec![], next: to }, 0);
    while let Some(row) = rows.next()? {
        let line = scope.line(rewriting, row)?;
        if bytes as u64 >= READ_BYTES_MAX {
            break;
        }
        bytes += line.bytes();
        page.rows.push(OldRow { values: rewriting.old_values(&line), marked: line.marked });
        if bytes as u64 >= READ_BYTES_MAX {
            page.next = Some(line.row);
        }
    }
    Ok(page)
}
