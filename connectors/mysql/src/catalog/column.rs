//! What a column is, from the words of the information schema. Pure but for the reading of a row.

use forgetd_connector::{Column, ColumnKind, Fault, Fit, Writable};
use mysql_async::Row;

use crate::answer::get;

/// A column as the information schema tells of it.
pub(super) struct Told {
    pub(super) name: String,
    /// `varchar`.
    data_type: String,
    /// `varchar(20)`.
    column_type: String,
    nullable: bool,
    length: Option<u64>,
    scale: Option<u64>,
    extra: String,
    charset: Option<String>,
    collation: Option<String>,
}

// === impl Told ===

impl Told {
    /// Reads a row of the statement for columns.
    pub(super) fn read(row: &Row, place: &str) -> Result<Self, Fault> {
        Ok(Self {
            name: get(row, 2, place)?,
            data_type: get::<String>(row, 3, place)?.to_lowercase(),
            column_type: get(row, 4, place)?,
            nullable: get::<String>(row, 5, place)? == "YES",
            length: get(row, 6, place)?,
            scale: get(row, 7, place)?,
            extra: get::<String>(row, 8, place)?.to_lowercase(),
            charset: get(row, 9, place)?,
            collation: get(row, 10, place)?,
        })
    }

    /// The column; `document` says that its text is always JSON, `partitions` that it decides about partitions.
    pub(super) fn column(self, document: bool, partitions: bool) -> Column {
        let kind = if document { ColumnKind::Json } else { self.kind() };
        Column {
            type_name: if document { "json".into() } else { self.type_name() },
            kind,
            nullable: self.nullable,
            fit: Fit {
                chars_max: self.chars_max(kind),
                integer_max: self.integer_max(),
                scale: (self.data_type == "decimal")
                    .then_some(self.scale)
                    .flatten()
                    .and_then(|scale| scale.try_into().ok()),
                collation: self.collation.clone(),
                writable: self.writable(),
                partitions,
                labels: self.labels(),
                touched: self.extra.contains("on update"),
            },
            name: self.name,
        }
    }

    fn kind(&self) -> ColumnKind {
        match self.data_type.as_str() {
            "timestamp" => ColumnKind::Instant,
            "datetime" => ColumnKind::NaiveTime,
            "date" => ColumnKind::Date,
            // What BOOLEAN becomes; and the one width that MySQL still shows.
            "tinyint" if self.column_type == "tinyint(1)" => ColumnKind::Bool,
            "bit" if self.column_type == "bit(1)" => ColumnKind::Bool,
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => ColumnKind::Integer,
            "decimal" | "float" | "double" => ColumnKind::Number,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => ColumnKind::Text,
            "json" => ColumnKind::Json,
            _ => ColumnKind::Other,
        }
    }

    /// The type with what changes its meaning: sign, decimals of a second, length of bytes. Widths of integers mean
    /// nothing, and only MariaDB shows them.
    fn type_name(&self) -> String {
        match self.data_type.as_str() {
            "tinyint" if self.kind() == ColumnKind::Bool => self.column_type.clone(),
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" | "float" | "double"
                if self.is_unsigned() =>
            {
                format!("{} unsigned", self.data_type)
            }
            "datetime" | "timestamp" | "time" | "binary" | "varbinary" | "bit" => self.column_type.clone(),
            _ => self.data_type.clone(),
        }
    }

    fn is_unsigned(&self) -> bool {
        self.column_type.contains("unsigned")
    }

    /// Texts of no declared length are limited in bytes; a character is at least one, or more where all have more.
    fn chars_max(&self, kind: ColumnKind) -> Option<u32> {
        if kind != ColumnKind::Text {
            return None;
        }
        let width = match (self.data_type.as_str(), self.charset.as_deref()) {
            ("char" | "varchar", _) => 1,
            (_, Some("ucs2" | "utf16" | "utf16le")) => 2,
            (_, Some("utf32")) => 4,
            _ => 1,
        };
        self.length.and_then(|length| u32::try_from(length / width).ok())
    }

    fn integer_max(&self) -> Option<i64> {
        let (signed, unsigned) = match self.data_type.as_str() {
            "tinyint" if self.kind() == ColumnKind::Integer => (i64::from(i8::MAX), i64::from(u8::MAX)),
            "smallint" => (i64::from(i16::MAX), i64::from(u16::MAX)),
            "mediumint" => (0x7f_ffff, 0xff_ffff),
            "int" => (i64::from(i32::MAX), i64::from(u32::MAX)),
            "year" => (2_155, 2_155),
            _ => return None,
        };
        Some(if self.is_unsigned() { unsigned } else { signed })
    }

    /// An update may write a counted column, and the counter then meets what was written.
    fn writable(&self) -> Writable {
        let generated = ["stored generated", "virtual generated", "persistent"];
        if generated.iter().any(|word| self.extra.contains(word)) {
            Writable::Generated
        } else if self.extra.contains("auto_increment") {
            Writable::Identity
        } else {
            Writable::Free
        }
    }

    fn labels(&self) -> Vec<String> {
        match self.data_type.as_str() {
            "enum" => words(&self.column_type),
            // No word at all is a set too.
            "set" => words(&self.column_type).into_iter().chain([String::new()]).collect(),
            _ => vec![],
        }
    }
}

/// The quoted words of `enum('a','b''c')`.
fn words(column_type: &str) -> Vec<String> {
    let mut words = vec![];
    let mut chars = column_type.chars().peekable();
    while chars.by_ref().any(|c| c == '\'') {
        let mut word = String::new();
        while let Some(c) = chars.next() {
            match c {
                '\'' if chars.peek() == Some(&'\'') => word.extend(chars.next()),
                '\'' => break,
                '\\' => word.extend(chars.next()),
                c => word.push(c),
            }
        }
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Column, ColumnKind, Writable};

    use super::{Told, words};

    fn told(data_type: &str, column_type: &str) -> Told {
        Told {
            name: "c".into(),
            data_type: data_type.into(),
            column_type: column_type.into(),
            nullable: true,
            length: None,
            scale: None,
            extra: String::new(),
            charset: None,
            collation: None,
        }
    }

    fn column(data_type: &str, column_type: &str) -> Column {
        told(data_type, column_type).column(false, false)
    }

    #[test]
    fn types_say_what_a_column_can_be_used_for() {
        use ColumnKind::{Bool, Date, Instant, Integer, Json, NaiveTime, Number, Other, Text};
        for (data_type, column_type, kind, name, integer_max) in [
            ("tinyint", "tinyint(1)", Bool, "tinyint(1)", None),
            ("bit", "bit(1)", Bool, "bit(1)", None),
            ("bit", "bit(5)", Other, "bit(5)", None),
            ("tinyint", "tinyint(4)", Integer, "tinyint", Some(127)),
            ("tinyint", "tinyint(3) unsigned", Integer, "tinyint unsigned", Some(255)),
            ("mediumint", "mediumint unsigned", Integer, "mediumint unsigned", Some(16_777_215)),
            ("int", "int(11)", Integer, "int", Some(2_147_483_647)),
            ("bigint", "bigint unsigned", Integer, "bigint unsigned", None),
            ("decimal", "decimal(10,2) unsigned", Number, "decimal unsigned", None),
            ("datetime", "datetime(3)", NaiveTime, "datetime(3)", None),
            ("timestamp", "timestamp", Instant, "timestamp", None),
            ("date", "date", Date, "date", None),
            ("year", "year(4)", Integer, "year", Some(2_155)),
            ("time", "time(6)", Other, "time(6)", None),
            ("varchar", "varchar(20)", Text, "varchar", None),
            ("binary", "binary(16)", Other, "binary(16)", None),
            ("enum", "enum('a')", Other, "enum", None),
            ("uuid", "uuid", Other, "uuid", None),
            ("json", "json", Json, "json", None),
        ] {
            let column = column(data_type, column_type);
            assert_eq!((column.kind, column.type_name.as_str()), (kind, name), "{column_type}");
            assert_eq!(column.fit.integer_max, integer_max, "{column_type}");
        }
        let document = told("longtext", "longtext").column(true, false);
        assert_eq!((document.kind, document.type_name.as_str()), (Json, "json"));
    }

    #[test]
    fn what_else_the_engine_does_is_told_by_extra() {
        for (extra, writable, touched) in [
            ("", Writable::Free, false),
            ("auto_increment", Writable::Identity, false),
            ("default_generated on update current_timestamp(6)", Writable::Free, true),
            ("virtual generated invisible", Writable::Generated, false),
            ("default_generated", Writable::Free, false),
        ] {
            let told = Told { extra: extra.into(), ..told("int", "int") };
            let fit = told.column(false, false).fit;
            assert_eq!((fit.writable, fit.touched), (writable, touched), "{extra}");
        }
    }

    #[test]
    fn lengths_count_characters() {
        for (data_type, charset, length, chars) in
            [("varchar", "utf32", 20, 20), ("text", "latin1", 65_535, 65_535), ("text", "utf16", 65_535, 32_767)]
        {
            let told = Told { length: Some(length), charset: Some(charset.into()), ..told(data_type, data_type) };
            assert_eq!(told.column(false, false).fit.chars_max, Some(chars), "{data_type} {charset}");
        }
    }

    #[test]
    fn words_of_enumerations_are_read() {
        for (column_type, expected) in [
            ("enum('a','b''c','ö,x')", &["a", "b'c", "ö,x"][..]),
            ("enum('a\\\\b','')", &["a\\b", ""]),
            ("enum()", &[]),
        ] {
            assert_eq!(words(column_type), expected, "{column_type}");
        }
        assert_eq!(column("set", "set('x')").fit.labels, ["x", ""]);
    }
}
