//! Times that are written as text: when they can be read, and how they lie to a cutoff.
//!
//! Each form has a normal form that is ordered like the moments themselves, digit by digit; so texts are compared with
//! texts, by code points, and no fraction is rounded.

use forgetd_connector::SinceForm;

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
    /// The column `name`, if text in this form is a time.
    pub(super) fn new(name: &str, form: Option<SinceForm>) -> Option<Self> {
        let form = form?;
        matches!(form, SinceForm::Timestamp | SinceForm::Date | SinceForm::Iso8601)
            .then(|| Self { form, text: format!("{name}::text collate \"C\"") })
    }

    /// What a text has to look like to be a time, as a regular expression. There is no 30th of February in it.
    pub(super) fn pattern(&self) -> String {
        match self.form {
            SinceForm::Date => format!("^{DAYS}$"),
            SinceForm::Iso8601 => format!("^{DAYS}[ T]{CLOCK}{OFFSET}$"),
            _ => format!("^{DAYS}[ T]{CLOCK}$"),
        }
    }

    /// Whether it is a time, by its pattern. NULL is neither.
    pub(super) fn is_readable(&self, pattern: &str) -> String {
        format!("{} ~ {pattern}::text", self.text)
    }

    /// The normal form of a time: of an instant, that of UTC. Only for what is readable.
    pub(super) fn normal(&self) -> String {
        let text = &self.text;
        match self.form {
            SinceForm::Date => text.clone(),
            // The server knows no year 0; no cutoff lies there.
            SinceForm::Iso8601 => format!(
                "case when left({text}, 4) = '0000' then '0000' else to_char({}, 'YYYY-MM-DD HH24:MI:SS') || \
                 coalesce(substring({text} from '[.][0-9]+'), '') end collate \"C\"",
                self.seconds()
            ),
            _ => format!("translate({text}, 'T', ' ')"),
        }
    }

    /// The whole seconds of an instant, in UTC.
    fn seconds(&self) -> String {
        let text = &self.text;
        format!(
            "left({text}, 19)::timestamp - coalesce(substring({text} from '[+-][0-9]{{2}}:[0-9]{{2}}$'), '00:00')::interval"
        )
    }

    /// It in the server's own type, for people; NULL where it cannot be read.
    pub(super) fn native(&self, pattern: &str) -> String {
        let text = &self.text;
        let time = match self.form {
            SinceForm::Date => format!("({text})::date"),
            SinceForm::Iso8601 => format!("({}) at time zone 'UTC'", self.seconds()),
            _ => format!("({text})::timestamp"),
        };
        format!("(case when {} and left({text}, 4) <> '0000' then {time} end)", self.is_readable(pattern))
    }
}
