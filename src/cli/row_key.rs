//! A row's key, as a person gives it to a verb.

use std::io::Read as _;

use forgetd_connector::{ColumnKind, Key, Table, Value};

use super::{USAGE, say};

/// No key is longer than this.
const BYTES_MAX: u64 = 64 * 1024;

/// The lines of standard input: personal data never stands on a command line, where others can read it.
pub(super) fn read() -> Result<Vec<String>, u8> {
    let mut text = String::new();
    let read = std::io::stdin().take(BYTES_MAX).read_to_string(&mut text);
    let key: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
    if read.is_err() || key.is_empty() {
        say("--key -: give the row's key on standard input, one line for each key column");
        return Err(USAGE);
    }
    Ok(key)
}

/// The key of a row of `table`, its columns in their order; what is wrong with the lines, else.
pub(super) fn typed(table: &Table, lines: &[String]) -> Result<Key, String> {
    if lines.len() != table.key.len() {
        let columns = table.key.join(", ");
        return Err(format!("the key of {} is ({columns}): give one line for each column", table.name));
    }
    let value = |(name, line): (&String, &String)| {
        let Some(column) = table.column(name) else { return Ok(Value::Text(line.clone())) };
        match column.kind {
            ColumnKind::Text => Ok(Value::Text(line.clone())),
            ColumnKind::Integer => match line.trim().parse() {
                Ok(number) => Ok(Value::Int(number)),
                Err(_) => {
                    Err(format!("{}.{name} ({}) is a whole number; the line is none", table.name, column.type_name))
                }
            },
            _ => Ok(Value::Typed { kind: column.type_name.clone(), text: line.clone() }),
        }
    };
    table.key.iter().zip(lines).map(value).collect::<Result<_, _>>().map(Key)
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{ColumnKind, Key, Value};

    use super::typed;
    use crate::plan::testing::{column, table};

    #[test]
    fn lines_become_values_of_their_columns_and_no_message_repeats_one() {
        let mut lead = table("lead", ColumnKind::Instant);
        assert_eq!(typed(&lead, &["7".into()]), Ok(Key(vec![Value::Int(7)])));
        assert!(typed(&lead, &["MARKER".into()]).is_err_and(|said| !said.contains("MARKER")));
        lead.columns.push(column("tenant", ColumnKind::Other));
        lead.key = vec!["tenant".into(), "status".into()];
        let uuid = Value::Typed { kind: "other".into(), text: "a".into() };
        assert_eq!(typed(&lead, &["a".into(), "b".into()]), Ok(Key(vec![uuid, Value::Text("b".into())])));
        assert!(typed(&lead, &["a".into()]).is_err());
    }
}
