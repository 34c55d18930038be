//! Values made coarser. One expression says what is written and what counts as done, so the two cannot differ; it
//! changes nothing about what it made itself, and it fails for no value.

use forgetd_connector::{Cause, Column, ColumnKind, Fault, Grain};

use super::Param;
use super::selection::Compiler;
use super::since::real;
use crate::codec;
use crate::kind::TypeName;

/// From this multiple of a step on a binary number has no fraction of it left.
const EXACT_MAX: &str = "9007199254740992e0";

/// What is written, and how it lies to what is there.
pub(super) struct Coarse {
    /// The coarser value.
    pub(super) value: String,
    /// Whether the column holds something else; unknown for NULL.
    pub(super) differs: String,
}

// === impl Compiler ===

impl Compiler<'_> {
    /// A whole column, as coarse as this.
    pub(super) fn coarse(&mut self, column: &Column, grain: &Grain) -> Result<Coarse, Fault> {
        let name = self.of(&column.name);
        let unfit = || self.refuse(Cause::ColumnType, &column.name);
        let value = match grain {
            Grain::Day | Grain::Month | Grain::Quarter | Grain::Year => {
                first_of(column, &name, grain).ok_or_else(unfit)?
            }
            Grain::Step(step) => self.stepped(column, &name, step)?,
            Grain::Prefix(chars) if column.kind == ColumnKind::Text => {
                let value = format!("left({name}, {chars})");
                let differs = format!("{} <> {}", codec::bytes_of(column, &name), codec::bytes_of(column, &value));
                return Ok(Coarse { value, differs });
            }
            Grain::Prefix(_) | Grain::Network { .. } => return Err(unfit()),
        };
        let differs = format!("{name} <> {value}");
        Ok(Coarse { value, differs })
    }

    fn stepped(&mut self, column: &Column, name: &str, step: &str) -> Result<String, Fault> {
        let whole = step.split_once('.').is_none_or(|(_, fraction)| fraction.chars().all(|digit| digit == '0'));
        let positive = step.chars().any(|c| ('1'..='9').contains(&c)) && !step.starts_with('-');
        let integer = column.kind == ColumnKind::Integer;
        let unfit = || self.refuse(Cause::ColumnType, &column.name);
        if !positive || !matches!(column.kind, ColumnKind::Integer | ColumnKind::Number) || (integer && !whole) {
            return Err(unfit());
        }
        let base = TypeName::of(column).base;
        let binary = codec::is_binary(column);
        let digits = if binary { codec::with_exponent(step) } else { step.to_owned() };
        let step = Param::number(&digits).ok_or_else(unfit)?;
        let step = self.sql.bind_once(step);
        Ok(if integer {
            let number = format!("cast({name} as decimal(65,0))");
            format!("({number} - mod(mod({number}, {step}) + {step}, {step}))")
        } else if binary {
            // Neither too large nor too small a quotient may be worked out.
            let value = format!(
                "case when abs({name}) >= {step} * {EXACT_MAX} then {name} when abs({name}) < {step} / 2 then 0e0 \
                 else sign({name}) * floor(abs({name}) / {step} + 0.5e0) * {step} end"
            );
            if base == "float" { format!("cast({value} as float)") } else { format!("({value})") }
        } else {
            let rest = format!("mod(abs({name}), {step})");
            format!("(sign({name}) * (abs({name}) - {rest} + case when {rest} * 2 >= {step} then {step} else 0 end))")
        })
    }
}

/// The first moment, or day, of the day, month, quarter or year. What is no moment stays as it is.
fn first_of(column: &Column, name: &str, grain: &Grain) -> Option<String> {
    if !matches!(column.kind, ColumnKind::Instant | ColumnKind::NaiveTime | ColumnKind::Date) {
        return None;
    }
    let day = match grain {
        Grain::Day => format!("date({name})"),
        Grain::Month => format!("cast(date_format({name}, '%Y-%m-01') as date)"),
        Grain::Quarter => {
            format!("cast(concat(date_format({name}, '%Y-'), lpad(quarter({name}) * 3 - 2, 2, '0'), '-01') as date)")
        }
        _ => format!("cast(date_format({name}, '%Y-01-01') as date)"),
    };
    let first = match column.kind {
        ColumnKind::Date => day,
        ColumnKind::NaiveTime => format!("cast({day} as datetime)"),
        // The type's own time begins one second after its epoch.
        _ => format!("greatest(cast({day} as datetime), timestamp'1970-01-01 00:00:01')"),
    };
    Some(format!("(case when {} then {first} else {name} end)", real(name)))
}
