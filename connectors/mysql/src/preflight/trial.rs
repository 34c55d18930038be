//! Constraints, tried on what would be written; and what a column's type or character set cannot hold.

use forgetd_connector::{Cause, ColumnKind, Fault, FaultClass, Finding, Put, Rewrite, Severity, Step, TableRef, Value};

use crate::answer::get;
use crate::codec;
use crate::connect::{Ask, Session};
use crate::error::Error;
use crate::query::{Query, Sql};

/// More constraints than this are not tried.
const CONSTRAINTS_MAX: u32 = 100;

/// A UUID of version 8, as tokens are, that MariaDB takes for none: its type stores versions in two ways, and tells them
/// apart by the ninth byte.
const NO_UUID: &str = "00000000-0000-8000-8000-000000000000";

/// The server's number for a value that is none of the type it is cast to.
const WRONG_VALUE: u16 = 1292;

/// Looks for what would not go in. What cannot be tried says nothing.
pub(super) async fn look(
    session: &mut Session,
    step: &Step,
    query: &Query,
    place: &str,
) -> Result<Vec<Finding>, Fault> {
    let Some(rewrite) = step.rewrite() else { return Ok(vec![]) };
    let mariadb = query.flavour().is_mariadb();
    let mut findings = below_zero(step, rewrite, place);
    let (constraints, charsets) = (constraints(&step.table.name, mariadb), charsets(&step.table.name));
    let answers = session.read("try constraints", place, &[&constraints, &charsets]).await?;
    let [constraints, charsets] = answers.as_slice() else { return Ok(findings) };
    for row in &charsets.rows {
        let (column, charset): (String, String) = (get(row, 0, place)?, get(row, 1, place)?);
        for text in constants(rewrite, &column) {
            if lossy(session, text, &charset, place).await? {
                let what = format!("the character set {charset}");
                findings.push(unfit(place, &column, &what));
            }
        }
    }
    for column in rewrite.places.iter().filter(|place| place.is_column() && place.put == Put::Computed) {
        let column = step.table.column(&column.path.column);
        let Some(column) = column.filter(|column| column.type_name == "uuid") else { continue };
        if picky(session).await? {
            findings.push(no_version_8(place, &column.name));
        }
    }
    for row in &constraints.rows {
        let (name, clause): (String, String) = (get(row, 0, place)?, get(row, 1, place)?);
        let Some(condition) = condition(&clause, mariadb) else { continue };
        let written = |column: &&str| condition.contains(&codec::quote(column));
        let Some(column) = rewrite.columns().into_iter().find(written) else { continue };
        let Ok(trial) = query.trial(rewrite, &condition) else { continue };
        let answer = session.turn("try constraints", &[Ask::Query(&trial)]).await?.into_iter().next();
        let Some(Ok(answer)) = answer else { continue };
        let Some(row) = answer.rows.first() else { continue };
        let (broken, hopeless): (u64, u64) = (get(row, 0, place)?, get(row, 1, place)?);
        let found = unfit(place, column, &format!("the constraint {name}"));
        match (broken, hopeless) {
            (0, _) => {}
            (_, 0) => findings.push(spared(found)),
            _ => findings.push(found),
        }
    }
    Ok(findings)
}

/// Constraints of the table that are looked after: name, condition.
fn constraints(table: &TableRef, mariadb: bool) -> Sql {
    let mut sql = Sql::default();
    let schema = sql.bind(table.schema.as_deref().unwrap_or_default());
    let name = sql.bind(table.name.as_str());
    let text = if mariadb {
        format!(
            "select constraint_name, check_clause from information_schema.check_constraints \
             where constraint_schema = {schema} and table_name = {name} order by 1 limit {CONSTRAINTS_MAX}"
        )
    } else {
        format!(
            "select c.constraint_name, c.check_clause from information_schema.table_constraints t \
             join information_schema.check_constraints c on c.constraint_schema = t.constraint_schema \
               and c.constraint_name = t.constraint_name \
             where t.table_schema = {schema} and t.table_name = {name} and t.constraint_type = 'CHECK' \
               and t.enforced = 'YES' order by 1 limit {CONSTRAINTS_MAX}"
        )
    };
    sql.say(text)
}

/// Columns whose character set does not hold every letter: name, character set.
fn charsets(table: &TableRef) -> Sql {
    let mut sql = Sql::default();
    let schema = sql.bind(table.schema.as_deref().unwrap_or_default());
    let name = sql.bind(table.name.as_str());
    sql.say(format!(
        "select column_name, character_set_name from information_schema.columns where table_schema = {schema} \
         and table_name = {name} and character_set_name not in ('utf8mb4', 'utf16', 'utf16le', 'utf32')"
    ))
}

/// A constraint's condition as it can stand in a statement. MySQL shows it as a text that was quoted once more, and letters
/// beyond ASCII in a way that nobody can read back.
fn condition(clause: &str, mariadb: bool) -> Option<String> {
    if mariadb {
        return Some(clause.to_owned());
    }
    if !clause.is_ascii() {
        return None;
    }
    let mut condition = String::new();
    let mut chars = clause.chars();
    while let Some(c) = chars.next() {
        condition.push(if c == '\\' { chars.next()? } else { c });
    }
    Some(condition)
}

/// The texts that are written into a column, as they stand in the rule.
fn constants<'a>(rewrite: &'a Rewrite, column: &str) -> Vec<&'a str> {
    let of_column = rewrite.places.iter().filter(|place| place.is_column() && place.path.column == column);
    of_column
        .filter_map(|place| match &place.put {
            Put::Constant(Value::Text(text)) if !text.is_ascii() => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// Whether a text changes when it is written in a character set, whose name comes from the server.
async fn lossy(session: &mut Session, text: &str, charset: &str, place: &str) -> Result<bool, Fault> {
    if !charset.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(false);
    }
    let mut sql = Sql::default();
    let text = sql.bind(text);
    let sql = sql.say(format!(
        "select cast(convert(convert({text} using {charset}) using utf8mb4) as binary) <> cast({text} as binary)"
    ));
    match session.read("try constraints", place, &[&sql]).await {
        Ok(answers) => {
            let row = answers.first().and_then(|answer| answer.rows.first());
            Ok(row.is_some_and(|row| get::<Option<bool>>(row, 0, place).ok().flatten() == Some(true)))
        }
        Err(fault) if fault.class == FaultClass::Disconnected => Err(fault),
        // It cannot be converted at all.
        Err(_) => Ok(true),
    }
}

/// Whether the server's type for UUIDs takes some of version 8 and not others.
async fn picky(session: &mut Session) -> Result<bool, Fault> {
    let cast = Sql::plain(format!("select cast('{NO_UUID}' as uuid) is null"));
    Ok(match session.turn("try types", &[Ask::Query(&cast)]).await?.into_iter().next() {
        Some(Ok(answer)) => answer.rows.first().is_some_and(|row| get::<bool>(row, 0, "").unwrap_or(false)),
        Some(Err(error)) => takes_none(&error),
        None => false,
    })
}

/// Whether an error says that a value is none of the type. After any other nobody knows.
fn takes_none(error: &Error) -> bool {
    error.code() == WRONG_VALUE
}

fn no_version_8(place: &str, column: &str) -> Finding {
    let message = format!(
        "the type uuid of this server does not take what would be written into {column} for one row in 64: no UUID of \
         version 8 whose ninth byte is 80"
    );
    let fix = format!("make {column} a char(36) or leave it out of the rule");
    Finding::blocks(Cause::TransformUnfit, format!("{place}.{column}"), message).with_fix(fix)
}

/// Constants below zero for columns that hold none.
fn below_zero(step: &Step, rewrite: &Rewrite, place: &str) -> Vec<Finding> {
    let mut findings = vec![];
    for put in rewrite.places.iter().filter(|place| place.is_column()) {
        let Some(column) = step.table.column(&put.path.column) else { continue };
        let negative = match &put.put {
            Put::Constant(Value::Int(number)) => *number < 0,
            Put::Constant(Value::Real(number)) => *number < 0.0,
            _ => false,
        };
        let number = matches!(column.kind, ColumnKind::Integer | ColumnKind::Number);
        if negative && number && (column.type_name.ends_with("unsigned") || column.type_name == "year") {
            findings.push(unfit(place, &column.name, &format!("the type {}", column.type_name)));
        }
    }
    findings
}

fn unfit(place: &str, column: &str, what: &str) -> Finding {
    let message = format!("{what} does not take what would be written into {column}");
    Finding::blocks(Cause::TransformUnfit, format!("{place}.{column}"), message)
}

/// What a constraint says of some rows stops no others: those are passed over, one by one.
fn spared(found: Finding) -> Finding {
    Finding {
        severity: Severity::Warning,
        message: format!("{} of some rows", found.message),
        fix: "nothing to do if they may stay: such rows are passed over and counted".into(),
        ..found
    }
}

#[cfg(test)]
mod tests {
    use mysql_async::ServerError;

    use super::{condition, takes_none};
    use crate::error::Error;

    #[test]
    fn a_cast_that_could_not_be_tried_says_nothing() {
        for (code, expected) in [(1292, true), (1969, false), (1142, false), (1226, false)] {
            let error = ServerError { code, message: String::new(), state: "HY000".into() };
            let error = Error::answered(mysql_async::Error::Server(error)).unwrap();
            assert_eq!(takes_none(&error), expected, "{code}");
        }
    }

    #[test]
    fn a_condition_is_read_back_as_it_was_written() {
        for (clause, mariadb, expected) in [
            (r"`a` <> 'it\'s'", true, Some(r"`a` <> 'it\'s'")),
            (r"(`a` <> _utf8mb4\'it\\\'s \\\\ x\')", false, Some(r"(`a` <> _utf8mb4'it\'s \\ x')")),
            (r"(`a` <> _utf8mb4\'Ã\')", false, None),
            (r"broken\", false, None),
        ] {
            assert_eq!(condition(clause, mariadb).as_deref(), expected, "{clause}");
        }
    }
}
