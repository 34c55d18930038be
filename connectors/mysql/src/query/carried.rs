//! Keys on their way from one statement to the next: a JSON array in a variable of the session, or in the statement.
//!
//! So a batch needs one packet: the server reads the keys, locks them, judges them and changes their rows without asking
//! us in between. Each key column travels in a form that comes back exact and of the column's own type and collation, or
//! the engine would not find the rows by their key: text as the hexadecimal digits of its code points, for instance.

use forgetd_connector::{Cause, Column, ColumnKind, Fault, FaultClass, Key, Value};

use super::change::ALL;
use super::{ALIAS, Param, Query, Sql, of};
use crate::codec;
use crate::kind::TypeName;

/// Where keys are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// Due, as a read without locks found them.
    Due,
    /// Of those, locked, and due by what their own columns say.
    Held,
    /// Of those, due by what other rows say.
    Judged,
}

/// How a column travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As a number.
    Signed,
    Unsigned,
    Double,
    /// As the number of a label, which is not the label's text.
    Label,
    /// As the hexadecimal digits of its code points.
    Text,
    /// As hexadecimal digits.
    Bytes,
    /// As its text.
    Time,
    Date,
    TimeOfDay,
    Decimal,
    /// As the text of a type that is read from text.
    Named,
}

// === impl Carrier ===

impl Carrier {
    /// The variable.
    pub(crate) const fn keys(self) -> &'static str {
        match self {
            Self::Due => "@forgetd_due",
            Self::Held => "@forgetd_held",
            Self::Judged => "@forgetd_judged",
        }
    }

    /// The variable that says how many there are: an array that was cut off would be shorter.
    pub(crate) const fn count(self) -> &'static str {
        match self {
            Self::Due => "@forgetd_due_rows",
            Self::Held => "@forgetd_held_rows",
            Self::Judged => "@forgetd_judged_rows",
        }
    }
}

// === impl Form ===

impl Form {
    fn of(column: &Column) -> Self {
        let name = TypeName::of(column);
        match name.base {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" if column.type_name.contains("unsigned") => {
                Self::Unsigned
            }
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => Self::Signed,
            "bit" | "year" => Self::Unsigned,
            "float" | "double" => Self::Double,
            "enum" | "set" => Self::Label,
            "timestamp" | "datetime" => Self::Time,
            "date" => Self::Date,
            "time" => Self::TimeOfDay,
            "decimal" => Self::Decimal,
            "uuid" | "inet4" | "inet6" => Self::Named,
            _ if column.kind == ColumnKind::Text => Self::Text,
            _ => Self::Bytes,
        }
    }

    /// The type as a column of JSON_TABLE.
    const fn declared(self) -> &'static str {
        match self {
            Self::Signed => "bigint",
            Self::Unsigned | Self::Label => "bigint unsigned",
            Self::Double => "double",
            Self::Text | Self::Bytes | Self::Time | Self::Date | Self::TimeOfDay | Self::Decimal | Self::Named => {
                "longtext character set utf8mb4 collate utf8mb4_bin"
            }
        }
    }
}

/// Whether a column's values are whole numbers.
pub(super) fn counts(column: &Column) -> bool {
    matches!(TypeName::of(column).base, "tinyint" | "smallint" | "mediumint" | "int" | "bigint")
}

/// A column's value as an element of the array.
fn element(column: &Column, expr: &str) -> String {
    match Form::of(column) {
        // MariaDB writes six digits of a float, and fills numbers with zeros in front.
        Form::Double => format!("({expr} + 0e0)"),
        Form::Signed => expr.into(),
        Form::Unsigned | Form::Label => format!("({expr} + 0)"),
        Form::Text => format!("hex(convert({expr} using utf8mb4))"),
        Form::Bytes => format!("hex({expr})"),
        Form::Time | Form::Date | Form::TimeOfDay | Form::Decimal | Form::Named => format!("cast({expr} as char)"),
    }
}

/// An element, as JSON_TABLE gives it, in the column's own type.
fn restored(column: &Column, expr: &str) -> String {
    let name = TypeName::of(column);
    match Form::of(column) {
        Form::Signed | Form::Unsigned | Form::Label | Form::Double => expr.into(),
        Form::Text => in_collation(column.fit.collation.as_deref(), &format!("unhex({expr})")),
        Form::Bytes => format!("unhex({expr})"),
        Form::Time => format!("cast({expr} as datetime(6))"),
        Form::Date => format!("cast({expr} as date)"),
        Form::TimeOfDay => format!("cast({expr} as time(6))"),
        Form::Decimal => format!("cast({expr} as decimal(65,{}))", column.fit.scale.unwrap_or(30).min(30)),
        Form::Named => format!("cast({expr} as {})", name.base),
    }
}

/// Bytes of UTF-8 as a text of this collation.
fn in_collation(collation: Option<&str>, bytes: &str) -> String {
    let text = format!("convert({bytes} using utf8mb4)");
    let Some(collation) = collation else { return text };
    match collation.split('_').next() {
        Some("utf8mb4") | None => format!("{text} collate {collation}"),
        Some(charset) => format!("convert({text} using {charset}) collate {collation}"),
    }
}

/// A value as an element of an array that we write; absent where it is none of the column's type.
fn written(column: &Column, value: &Value) -> Option<String> {
    let text = codec::text(value)?;
    let quoted = |text: &str| serde_json::to_string(text).ok();
    match (Form::of(column), value) {
        (Form::Label, _) => match column.fit.labels.iter().position(|label| *label == text) {
            Some(at) => Some((at + 1).to_string()),
            // What the engine once put there for a text that was no label.
            None => text.is_empty().then(|| "0".into()),
        },
        (Form::Signed | Form::Unsigned | Form::Double, _) => number(&text),
        (Form::Text, _) => quoted(&hex::encode(text)),
        (Form::Bytes, Value::Bytes(bytes)) => quoted(&hex::encode(bytes)),
        _ => quoted(&text),
    }
}

/// A number as JSON has it: the engine fills some with zeros in front.
fn number(text: &str) -> Option<String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let rest = digits.trim_start_matches('0');
    let zero = if rest.len() < digits.len() && !rest.starts_with(|c: char| c.is_ascii_digit()) { "0" } else { "" };
    let number = format!("{sign}{zero}{rest}");
    serde_json::from_str::<serde_json::Value>(&number).is_ok_and(|value| value.is_number()).then_some(number)
}

impl Query {
    /// The key's columns under names of our own.
    pub(super) fn key_named(&self) -> String {
        let column = |(n, column): (usize, &Column)| format!("{} as forgetd_k{n}", of(&column.name));
        self.key().iter().enumerate().map(column).collect::<Vec<_>>().join(", ")
    }

    /// Puts the keys that `rows` gives into a carrier, with their number; none at all where there are more than `most`.
    pub(super) fn carry(&self, sql: Sql, carrier: Carrier, rows: &str, most: Option<&str>) -> Sql {
        self.carry_into(sql, (carrier.keys(), carrier.count()), rows, most)
    }

    /// The same into two variables.
    pub(super) fn carry_into(&self, sql: Sql, (keys, count): (&str, &str), rows: &str, most: Option<&str>) -> Sql {
        let elements: Vec<String> = self
            .key()
            .iter()
            .enumerate()
            .map(|(n, column)| element(column, &format!("forgetd_rows.forgetd_k{n}")))
            .collect();
        let array = match elements.as_slice() {
            [one] => format!("json_arrayagg({one})"),
            several => format!("json_arrayagg(json_array({}))", several.join(", ")),
        };
        let array = match most {
            Some(most) => format!("if(count(*) > {most}, null, {array})"),
            None => array,
        };
        sql.say(format!("select {array}, count(*) into {keys}, {count} from ({rows}) as forgetd_rows"))
    }

    /// The keys of an array as a table.
    fn carried(&self, array: &str) -> String {
        let one = self.key().len() == 1;
        format!("json_table({array}, '$[*]' columns ({}))", self.key_declared(one))
    }

    /// The key's columns as JSON_TABLE declares them: of elements that are the key's `one` column, or begin with all of them.
    pub(super) fn key_declared(&self, one: bool) -> String {
        let path = |n: usize| if one { "$".into() } else { format!("$[{n}]") };
        let declare = |(n, column): (usize, &Column)| {
            format!("forgetd_k{n} {} path '{}' error on error", Form::of(column).declared(), path(n))
        };
        self.key().iter().enumerate().map(declare).collect::<Vec<_>>().join(", ")
    }

    /// The elements of a key, in the order of its columns. Fails where it is none that the described table can have: its
    /// row may be there, under another name of a label for instance.
    pub(super) fn key_written(&self, key: &Key) -> Result<Vec<String>, Fault> {
        let fault = |detail: &str| {
            Fault::new(FaultClass::Blocked(Cause::CatalogDrift), "list keys", &self.place).with_detail(detail)
        };
        if key.0.len() != self.key().len() {
            return Err(fault("key"));
        }
        let columns = self.key().iter().zip(&key.0);
        columns.map(|(column, value)| written(column, value).ok_or_else(|| fault(&column.name))).collect()
    }

    /// `keys straight_join table as t on ..`: the rows of these keys, found by their key and in no other way.
    pub(super) fn rows_of(&self, array: &str) -> String {
        self.rows_beside(&self.carried(array))
    }

    /// The same for a table that holds the keys and more.
    ///
    /// Where the predicate looks elsewhere, it is one that is made once. MySQL reads a document anew for each row in front
    /// of it, and lets none pass twice by where it stands in memory: a row that several rows elsewhere speak for, which
    /// are read first, would come once for each of them.
    pub(super) fn rows_beside(&self, keys: &str) -> String {
        let keys = if self.looks_elsewhere() && self.flavour().rereads_documents() {
            format!("(select * from {keys} as forgetd_listed {ALL}) as forgetd_keys")
        } else {
            format!("{keys} as forgetd_keys")
        };
        let equal = self.key().iter().enumerate().map(|(n, column)| {
            let own = of(&column.name);
            let carried = restored(column, &format!("forgetd_keys.forgetd_k{n}"));
            match Form::of(column) {
                Form::Label => format!("{own} + 0 = {carried}"),
                _ => format!("{own} = {carried}"),
            }
        });
        let equal: Vec<String> = equal.collect();
        format!("{keys} straight_join {}{} on {}", self.from(), self.by_key(), equal.join(" and "))
    }

    /// Says which index finds rows by their key: the engine reads a small table whole if it is let, and locks what it reads.
    pub(super) fn by_key(&self) -> String {
        let table = &self.step().table;
        let index = table.indexes.iter().find(|index| index.unique && index.columns == table.key);
        index.map(|index| format!(" force index ({})", codec::quote(&index.name))).unwrap_or_default()
    }

    /// An array of these keys, as a value of the statement. None is left out: what is not looked for would count as gone.
    pub(super) fn listed(&self, keys: &[Key], sql: &mut Sql) -> Result<String, Fault> {
        let mut array = String::from("[");
        for key in keys {
            let elements = self.key_written(key)?;
            if array.len() > 1 {
                array.push(',');
            }
            match elements.as_slice() {
                [one] => array.push_str(one),
                several => {
                    array.push('[');
                    array.push_str(&several.join(","));
                    array.push(']');
                }
            }
        }
        array.push(']');
        Ok(sql.bind(Param::Text(Some(array))))
    }

    /// The key's columns of the carried keys equal those of another alias.
    pub(super) fn same_key(&self, other: &str) -> String {
        let equal = self.key().iter().enumerate();
        let equal: Vec<String> =
            equal.map(|(n, column)| format!("{ALIAS}.{} = {other}.forgetd_k{n}", codec::quote(&column.name))).collect();
        equal.join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Column, ColumnKind, Fit, Value};

    use super::{element, restored, written};

    #[test]
    fn every_type_of_key_comes_back_as_it_was() {
        use ColumnKind::{Integer, NaiveTime, Number, Other, Text};
        for (kind, type_name, there, back, value, json) in [
            (Integer, "bigint(20)", "c", "k", Value::Int(-7), "-7"),
            (
                Integer,
                "bigint(20) unsigned",
                "(c + 0)",
                "k",
                Value::Typed { kind: "bigint".into(), text: "18446744073709551615".into() },
                "18446744073709551615",
            ),
            (
                Text,
                "varchar",
                "hex(convert(c using utf8mb4))",
                "convert(convert(unhex(k) using utf8mb4) using latin1) collate latin1_swedish_ci",
                Value::Text("a\"".into()),
                "\"6122\"",
            ),
            (
                Text,
                "char",
                "hex(convert(c using utf8mb4))",
                "convert(convert(unhex(k) using utf8mb4) using latin1) collate latin1_swedish_ci",
                Value::Text(String::new()),
                "\"\"",
            ),
            (Number, "float", "(c + 0e0)", "k", Value::Typed { kind: "float".into(), text: "0.5".into() }, "0.5"),
            (Other, "enum", "(c + 0)", "k", Value::Typed { kind: "enum".into(), text: "a".into() }, "2"),
            (Other, "binary(2)", "hex(c)", "unhex(k)", Value::Bytes(vec![0, 0xff]), "\"00ff\""),
            (
                NaiveTime,
                "datetime(3)",
                "cast(c as char)",
                "cast(k as datetime(6))",
                Value::Typed { kind: "datetime".into(), text: "2026-01-01 00:00:00.500".into() },
                "\"2026-01-01 00:00:00.500\"",
            ),
            (
                Number,
                "decimal(10,2)",
                "cast(c as char)",
                "cast(k as decimal(65,2))",
                Value::Typed { kind: "decimal".into(), text: "-0.50".into() },
                "\"-0.50\"",
            ),
        ] {
            let collation = Some("latin1_swedish_ci".into());
            let fit = Fit { scale: Some(2), collation, labels: vec!["z".into(), "a".into()], ..Fit::default() };
            let column = Column { name: "c".into(), type_name: type_name.into(), kind, nullable: false, fit };
            assert_eq!((&*element(&column, "c"), &*restored(&column, "k")), (there, back), "{type_name}");
            assert_eq!(written(&column, &value).as_deref(), Some(json), "{type_name}");
        }
    }

    #[test]
    fn what_is_no_number_is_no_element() {
        let column = Column {
            name: "c".into(),
            type_name: "int".into(),
            kind: ColumnKind::Integer,
            nullable: false,
            fit: Fit::default(),
        };
        assert_eq!(written(&column, &Value::Text("1, 2".into())), None);
        assert_eq!(written(&column, &Value::Null), None);
    }
}
