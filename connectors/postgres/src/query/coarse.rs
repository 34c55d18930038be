//! Values made coarser. One expression says what is written and what counts as done, so the two cannot differ; it
//! changes nothing about what it made itself, and it fails for no value.

use forgetd_connector::{Cause, Column, ColumnKind, Fault, Grain};

use super::selection::Compiler;
use super::{Param, of};

/// From this multiple of a step on a binary number has no fraction of it left.
const EXACT_MAX: &str = "9007199254740992";

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
        let name = of(&column.name);
        let unfit = || self.refuse(Cause::ColumnType, &column.name);
        let value = match grain {
            Grain::Day | Grain::Month | Grain::Quarter | Grain::Year => first_of(column, grain).ok_or_else(unfit)?,
            Grain::Step(step) => return self.stepped(column, step),
            Grain::Prefix(chars) if column.kind == ColumnKind::Text => {
                let text = format!("{name}::text");
                let value = format!("left({text}, {chars})");
                let differs = format!("{text} collate \"C\" <> {value}");
                return Ok(Coarse { value, differs });
            }
            Grain::Network { v4, v6 } if matches!(column.type_name.as_str(), "inet" | "cidr") => {
                let address = format!("{name}::inet");
                // Bits of the host behind a short prefix go too.
                format!(
                    "network(set_masklen({address}, \
                     least(masklen({address}), case family({address}) when 4 then {v4} else {v6} end)))"
                )
            }
            Grain::Prefix(_) | Grain::Network { .. } => return Err(unfit()),
        };
        let differs = format!("{name} <> {value}");
        Ok(Coarse { value, differs })
    }

    /// What is no number, or has no end, stays.
    fn stepped(&mut self, column: &Column, step: &str) -> Result<Coarse, Fault> {
        let name = of(&column.name);
        let whole = step.split_once('.').is_none_or(|(_, fraction)| fraction.chars().all(|digit| digit == '0'));
        let positive =
            step.chars().all(|c| c.is_ascii_digit() || c == '.') && step.chars().any(|c| ('1'..='9').contains(&c));
        let integer = column.kind == ColumnKind::Integer;
        if !positive || !matches!(column.kind, ColumnKind::Integer | ColumnKind::Number) || (integer && !whole) {
            return Err(self.refuse(Cause::ColumnType, &column.name));
        }
        let step = self.sql.bind_once(Param::from(step));
        let value = if integer {
            let (number, step) = (format!("{name}::numeric"), format!("{step}::text::numeric"));
            format!("({number} - mod(mod({number}, {step}) + {step}, {step}))")
        } else if column.type_name == "numeric" {
            let step = format!("{step}::text::numeric");
            let rest = format!("mod(abs({name}), {step})");
            // As text: before version 14 there is no number without an end, and the word for it is no number.
            format!(
                "(case when {name}::text in ('NaN', 'Infinity', '-Infinity') then {name} else sign({name}) * \
                 (abs({name}) - {rest} + case when {rest} * 2 >= {step} then {step} else 0 end) end)"
            )
        } else {
            let (number, step) = (format!("{name}::double precision"), format!("{step}::text::double precision"));
            // Neither too large nor too small a quotient may be worked out: the server takes both for errors.
            format!(
                "(case when abs({number}) >= {step} * {EXACT_MAX} then {number} when abs({number}) < {step} / 2 then 0 \
                 else sign({number}) * floor(abs({number}) / {step} + 0.5) * {step} end)::{}",
                column.type_name
            )
        };
        let differs = format!("{name} <> {value}");
        Ok(Coarse { value, differs })
    }
}

/// The first moment, or day, of the day, month, quarter or year.
fn first_of(column: &Column, grain: &Grain) -> Option<String> {
    let name = of(&column.name);
    let unit = grain.word();
    Some(match (column.kind, grain) {
        (ColumnKind::Instant, _) => format!("(date_trunc('{unit}', {name} at time zone 'UTC') at time zone 'UTC')"),
        (ColumnKind::NaiveTime, _) => format!("date_trunc('{unit}', {name})"),
        (ColumnKind::Date, Grain::Day) => name,
        // Not through a timestamp: it ends long before dates do.
        (ColumnKind::Date, _) => {
            let part = |part: &str| format!("extract({part} from {name})::int");
            let month = match grain {
                Grain::Month => part("month"),
                Grain::Quarter => format!("{} * 3 - 2", part("quarter")),
                _ => "1".into(),
            };
            format!("(case when isfinite({name}) then make_date({}, {month}, 1) else {name} end)", part("year"))
        }
        _ => return None,
    })
}
