//! Tests of a column's own value. Exact: by code points, by value, by the type's own equality where there is no other.

use forgetd_connector::{Cause, Check, Column, ColumnKind, Comparison, Fault, Test, Value};

use super::said::Said;
use super::selection::{Compiler, ReadAs, Reading};
use super::{Param, Sql, in_order, of};
use crate::codec;

/// What a literal becomes.
enum Literal {
    /// The expression that stands for it.
    Value(String),
    /// An integer that lies between these two neighbours among the numbers that the column can hold.
    Between(String, String),
}

/// A column's value as it is compared. What is no number is unknown: PostgreSQL's own order puts it above all numbers.
fn value_of(column: &Column) -> String {
    let name = of(&column.name);
    match column.kind {
        ColumnKind::Number => format!("nullif({name}, 'NaN')"),
        _ => name,
    }
}

// === impl Compiler ===

impl Compiler<'_> {
    pub(super) fn test(&mut self, test: &Test) -> Result<Said, Fault> {
        let column = self.own(&test.path.column)?;
        if column.kind == ColumnKind::Json {
            return self.inside(column, test);
        }
        if !test.path.steps.is_empty() {
            return Err(self.refuse(Cause::ColumnType, &test.path.to_string()));
        }
        let name = of(&column.name);
        match &test.check {
            Check::Null(true) => Ok(Said::whole(format!("{name} is null"))),
            Check::Null(false) => Ok(Said::whole(format!("{name} is not null"))),
            Check::Exists(_) => Err(self.refuse(Cause::ColumnType, &column.name)),
            Check::Like(pattern) => {
                let text = self.text_of(column)?;
                let pattern = self.text(pattern);
                Ok(Said::whole(format!("{text} like {pattern}::text")))
            }
            Check::Prefix(prefix) => {
                let text = self.text_of(column)?;
                let prefix = self.text(prefix);
                Ok(Said::whole(format!("starts_with({text}, {prefix}::text)")))
            }
            Check::Compare(comparison, value) => self.compare(column, *comparison, value),
            Check::In(values) => self.within(column, values),
            Check::NotIn(values) => self.outside(column, values),
        }
    }

    /// The column as text that is compared by code points.
    fn text_of(&self, column: &Column) -> Result<String, Fault> {
        if column.kind != ColumnKind::Text {
            return Err(self.refuse(Cause::ColumnType, &column.name));
        }
        Ok(format!("{}::text collate \"C\"", of(&column.name)))
    }

    fn compare(&mut self, column: &Column, comparison: Comparison, value: &Value) -> Result<Said, Fault> {
        if comparison == Comparison::Equal {
            return self.within(column, std::slice::from_ref(value));
        }
        if comparison == Comparison::NotEqual {
            return self.outside(column, std::slice::from_ref(value));
        }
        if !matches!(column.kind, ColumnKind::Integer | ColumnKind::Number | ColumnKind::Text) {
            return Err(self.refuse(Cause::ColumnType, &column.name));
        }
        let name = value_of(column);
        let literal = self.literal(column, value)?;
        if column.kind == ColumnKind::Text {
            let Literal::Value(value) = literal else { return Err(self.refuse(Cause::ColumnType, &column.name)) };
            let (text, value) = (format!("{name}::text"), format!("{value}::text"));
            return Ok(Said::whole(in_order(self.text_order, &text, sign(comparison), &value)));
        }
        let text = match (literal, comparison) {
            (Literal::Value(value), _) => format!("{name} {} {value}", sign(comparison)),
            (Literal::Between(below, _), Comparison::Less | Comparison::LessOrEqual) => format!("{name} <= {below}"),
            (Literal::Between(_, above), _) => format!("{name} >= {above}"),
        };
        Ok(Said::whole(text))
    }

    /// `column = value`, or `column in (values)`.
    fn within(&mut self, column: &Column, values: &[Value]) -> Result<Said, Fault> {
        let name = value_of(column);
        let placeholders = self.literals(column, values)?;
        if placeholders.is_empty() {
            // No number of the column is one of these: false, unless it is NULL.
            return Ok(Said::whole(format!("{name} <> {name}")));
        }
        if column.kind != ColumnKind::Text {
            return Ok(Said::whole(format!("{name} {}", list("=", "in", placeholders))));
        }
        // The type's own equality may be wider (citext, a nondeterministic collation) or trim blanks, but an index
        // serves it; the one behind it is exact.
        let own = placeholders.iter().map(|p| format!("{p}::text::{}", column.type_name)).collect();
        let exact = placeholders.iter().map(|p| format!("{p}::text")).collect();
        let own = Said::whole(format!("{name} {}", list("=", "in", own)));
        let exact = Said::whole(format!("{} {}", self.text_of(column)?, list("=", "in", exact)));
        Ok(Said::all(vec![own, exact]))
    }

    /// `column <> value`, or `column not in (values)`.
    fn outside(&mut self, column: &Column, values: &[Value]) -> Result<Said, Fault> {
        let name = value_of(column);
        let placeholders = self.literals(column, values)?;
        if placeholders.is_empty() {
            return Ok(Said::whole(format!("{name} = {name}")));
        }
        if column.kind != ColumnKind::Text {
            return Ok(Said::whole(format!("{name} {}", list("<>", "not in", placeholders))));
        }
        let exact = placeholders.iter().map(|p| format!("{p}::text")).collect();
        Ok(Said::whole(format!("{} {}", self.text_of(column)?, list("<>", "not in", exact))))
    }

    /// The literals that a value of the column can equal at all; those of text columns without a cast.
    fn literals(&mut self, column: &Column, values: &[Value]) -> Result<Vec<String>, Fault> {
        let mut literals = vec![];
        for value in values {
            if let Literal::Value(literal) = self.literal(column, value)? {
                literals.push(literal);
            }
        }
        Ok(literals)
    }

    /// Only what is of one kind compares; other types are compared by their own equality with their own text form.
    fn literal(&mut self, column: &Column, value: &Value) -> Result<Literal, Fault> {
        use ColumnKind::{Bool, Integer, Number, Other, Text};
        let type_name = column.type_name.as_str();
        let binary = column.kind == Number && type_name != "numeric";
        let cast = match (column.kind, value) {
            (Integer, Value::Int(_)) => "bigint",
            (Number, Value::Int(int)) if binary => {
                if !is_double(*int) {
                    return Ok(self.between(*int));
                }
                "double precision"
            }
            // By value: the integers around it tell how it lies to any of the column.
            (Integer, Value::Real(real)) if real.is_finite() => {
                let text = if real.fract() == 0.0 { format!("{real:.0}") } else { format!("{real:?}") };
                return Ok(Literal::Value(format!("{}::text::numeric", self.text(&text))));
            }
            (Number, Value::Int(_)) => "numeric",
            (Number, Value::Real(real)) if real.is_finite() => type_name,
            (Text, Value::Text(text)) => return Ok(Literal::Value(self.text(text))),
            (Bool, Value::Bool(_)) => "boolean",
            (Other, Value::Text(text)) => return Ok(Literal::Value(self.reading(column, text))),
            (Text, Value::Typed { .. }) => return Err(self.refuse(Cause::ColumnType, &column.name)),
            (_, Value::Typed { text, .. }) => return Ok(Literal::Value(self.reading(column, text))),
            _ => return Err(self.refuse(Cause::ColumnType, &column.name)),
        };
        let placeholder = self.sql.bind(Param::Text(codec::text(value)));
        Ok(Literal::Value(format!("{placeholder}::text::{cast}")))
    }

    /// A literal that is read as the column's type. Whether it can be is asked before anything is changed by it.
    fn reading(&mut self, column: &Column, text: &str) -> String {
        let literal = |placeholder: &str| format!("{placeholder}::text::{}", column.type_name);
        let sql = Sql::new(format!("select {} is null", literal("$1")), vec![text.into()]);
        self.pinned.push(column.clone());
        self.readings.push(Reading { what: ReadAs::Column(column.name.clone()), sql });
        literal(&self.text(text))
    }

    /// The neighbours of an integer that no binary number equals.
    fn between(&mut self, int: i64) -> Literal {
        #[allow(clippy::cast_precision_loss, reason = "this is what is looked for")]
        let near = int as f64;
        let (below, above) =
            if whole(near) < i128::from(int) { (near, near.next_up()) } else { (near.next_down(), near) };
        let mut bound = |number: f64| format!("{}::text::double precision", self.text(&format!("{number:?}")));
        Literal::Between(bound(below), bound(above))
    }
}

/// Whether a binary number equals the integer.
#[allow(clippy::cast_precision_loss, reason = "this is what is asked")]
fn is_double(int: i64) -> bool {
    whole(int as f64) == i128::from(int)
}

#[allow(clippy::cast_possible_truncation, reason = "made of an i64")]
fn whole(number: f64) -> i128 {
    number as i128
}

/// The sign of a comparison.
pub(super) const fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

/// `= value`, or `in (values)`.
pub(super) fn list(one: &str, many: &str, values: Vec<String>) -> String {
    match values.as_slice() {
        [value] => format!("{one} {value}"),
        values => format!("{many} ({})", values.join(", ")),
    }
}
