//! Times that are written as text: when they can be read, and how they lie to a cutoff.
//!
//! Each form has a normal form that is ordered like the moments themselves, digit by digit; so bytes are compared with
//! bytes, and no fraction is rounded.

use forgetd_connector::{Column, SinceForm};

use crate::codec;

/// The days of all years.
const DAYS: &str = "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))\
|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)";

const CLOCK: &str = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?";

const OFFSET: &str = "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";

/// A text column as a time.
pub(super) struct WrittenTime {
    form: SinceForm,
    /// The column as text that is compared by code points.
    text: String,
}

// === impl WrittenTime ===

impl WrittenTime {
    /// The column, under this name, if text in this form is a time.
    pub(super) fn new(column: &Column, name: &str, form: Option<SinceForm>) -> Option<Self> {
        let form = form?;
        matches!(form, SinceForm::Timestamp | SinceForm::Date | SinceForm::Iso8601)
            .then(|| Self { form, text: format!("{} collate utf8mb4_bin", codec::unicode(column, name)) })
    }

    /// What a text has to look like to be a time, as a regular expression. There is no 30th of February in it.
    pub(super) fn pattern(&self) -> String {
        // A dollar sign would let a line end follow.
        match self.form {
            SinceForm::Date => format!(r"^{DAYS}\z"),
            SinceForm::Iso8601 => format!(r"^{DAYS}[ T]{CLOCK}{OFFSET}\z"),
            _ => format!(r"^{DAYS}[ T]{CLOCK}\z"),
        }
    }

    /// Whether it is a time, by its pattern. NULL is neither.
    pub(super) fn is_readable(&self, pattern: &str) -> String {
        format!("{} regexp {pattern}", self.text)
    }

    /// The normal form of a time, as bytes: of an instant, that of UTC. Only for what is readable.
    pub(super) fn normal(&self) -> String {
        let text = &self.text;
        match self.form {
            SinceForm::Date => format!("cast({text} as binary)"),
            // At both ends the calendar has no room for an offset; no cutoff lies there.
            SinceForm::Iso8601 => format!(
                "cast(case when left({text}, 4) <= '0001' then '0000' when left({text}, 4) = '9999' then '9999' \
                 else concat(date_format({}, '%Y-%m-%d %H:%i:%s'), coalesce(regexp_substr({text}, '[.][0-9]+'), '')) end as binary)",
                self.seconds()
            ),
            _ => format!("cast(replace({text}, 'T', ' ') as binary)"),
        }
    }

    /// The whole seconds of an instant, in UTC.
    fn seconds(&self) -> String {
        let text = &self.text;
        format!(
            "timestampadd(minute, case when right({text}, 1) = 'Z' then 0 else \
             (case when substring({text}, -6, 1) = '-' then 1 else -1 end) * \
             (cast(substring({text}, -5, 2) as signed) * 60 + cast(right({text}, 2) as signed)) end, \
             cast(left({text}, 19) as datetime))"
        )
    }

    /// Its normal form, for people; NULL where it cannot be read.
    pub(super) fn native(&self, pattern: &str) -> String {
        let text = &self.text;
        format!(
            "(case when {} and left({text}, 4) not in ('0000', '0001', '9999') then {} end)",
            self.is_readable(pattern),
            self.normal()
        )
    }
}
