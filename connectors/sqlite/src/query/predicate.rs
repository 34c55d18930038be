//! `where`, in SQL's own three values.

use forgetd_connector::{Cause, Check, ColumnKind, Predicate, Test};

use super::check::{self, Operand};
use super::composer::{Composer, Refused};

// === impl Composer ===

impl Composer<'_> {
    /// The condition that a predicate is.
    pub(super) fn predicate(&mut self, predicate: &Predicate) -> Result<String, Refused> {
        match predicate {
            Predicate::All(parts) => self.joined(parts, " and ", "1"),
            Predicate::Any(parts) => self.joined(parts, " or ", "0"),
            Predicate::Not { part, or_null } => {
                let part = self.predicate(part)?;
                Ok(or_null_matches(format!("(not {part})"), *or_null))
            }
            Predicate::Test(test) => {
                let tested = if test.path.steps.is_empty() { self.own_value(test)? } else { self.inside(test)? };
                Ok(or_null_matches(tested, test.or_null))
            }
        }
    }

    fn joined(&mut self, parts: &[Predicate], by: &str, none: &str) -> Result<String, Refused> {
        let parts: Vec<String> = parts.iter().map(|part| self.predicate(part)).collect::<Result<_, _>>()?;
        Ok(match parts.as_slice() {
            [] => none.into(),
            [one] => one.clone(),
            many => format!("({})", many.join(by)),
        })
    }

    /// A test of a column's own value.
    fn own_value(&mut self, test: &Test) -> Result<String, Refused> {
        let name = &test.path.column;
        let column = self.column(name);
        match &test.check {
            Check::Null(wanted) => Ok(self.null(name, *wanted)),
            Check::Exists(_) => Err(Refused::new(Cause::ColumnType, name).with_detail("a column is always there")),
            check => check::compose(&Operand::column(&column), check, self.code_points, &mut self.query)
                .map_err(|refused| Refused { at: name.clone(), ..refused }),
        }
    }

    /// Whether a column holds nothing: 0 or 1.
    pub(super) fn null(&self, name: &str, wanted: bool) -> String {
        let column = self.column(name);
        let is_json = self.step.table.column(name).is_some_and(|column| column.kind == ColumnKind::Json);
        let null = if is_json {
            // JSON null is a value of such a column, and nothing all the same.
            let json = super::json::whole(&column);
            format!("ifnull(+{column} is null or json_type({json}) = 'null', 0)")
        } else {
            // `+` keeps an index out.
            format!("(+{column} is null)")
        };
        if wanted { null } else { format!("(not {null})") }
    }
}

fn or_null_matches(condition: String, or_null: bool) -> String {
    if or_null { format!("ifnull({condition}, 1)") } else { condition }
}
