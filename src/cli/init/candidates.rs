//! Which column a period could count from, and which columns look like they hold personal data: guesses from names and
//! types, for a person to decide about. Pure.

use forgetd_connector::{Column, ColumnKind, SinceForm, Table};

/// Words for the moment at which somebody was last there: the best thing to count from.
const ACTIVITY: &[&str] =
    &["last_seen", "last_active", "last_activity", "last_login", "last_used", "last_access", "last_"];

/// Words for the moment at which something was over.
const ENDED: &[&str] = &[
    "closed",
    "ended",
    "finished",
    "completed",
    "resolved",
    "delivered",
    "expired",
    "expires",
    "deleted",
    "cancelled",
    "canceled",
    "archived",
    "left",
    "terminated",
    "revoked",
];

/// Words for the moment of the last change.
const CHANGED: &[&str] = &["updated", "modified", "changed", "mtime"];

/// Words for the moment at which something began.
const MADE: &[&str] = &[
    "created",
    "inserted",
    "added",
    "occurred",
    "happened",
    "sent",
    "received",
    "placed",
    "ordered",
    "issued",
    "paid",
    "logged",
    "recorded",
    "attempted",
    "uploaded",
    "started",
    "ctime",
    "timestamp",
    "event_time",
];

/// Words in the names of columns that hold personal data.
const PERSONAL: &[&str] = &[
    "email",
    "e_mail",
    "mail",
    "first_name",
    "last_name",
    "full_name",
    "surname",
    "given_name",
    "family_name",
    "firstname",
    "lastname",
    "fullname",
    "username",
    "user_name",
    "nickname",
    "phone",
    "mobile",
    "fax",
    "address",
    "street",
    "city",
    "postal",
    "postcode",
    "zip",
    "birth",
    "dob",
    "gender",
    "ssn",
    "national_id",
    "passport",
    "iban",
    "card",
    "ip",
    "ip_address",
    "remote_addr",
    "user_agent",
    "latitude",
    "longitude",
    "location",
    "avatar",
    "photo",
    "contact",
    "recipient",
    "message",
    "body",
    "comment",
    "note",
    "password",
    "token",
];

/// A column that a period could count from, and the forms in which it may write time, the likeliest first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate<'a> {
    pub(super) column: &'a Column,
    /// `None` where the type tells.
    pub(super) forms: Vec<Option<SinceForm>>,
}

/// The columns that could be it, the best first.
pub(super) fn candidates(table: &Table) -> Vec<Candidate<'_>> {
    let mut found: Vec<(usize, usize, Candidate<'_>)> = vec![];
    for (at, column) in table.columns.iter().enumerate() {
        let forms = forms(column);
        let rank = rank(&column.name);
        // Numbers and texts hold anything: only a name speaks for them.
        let typed = forms.first() == Some(&None);
        if forms.is_empty() || (!typed && rank == OTHER) {
            continue;
        }
        found.push((rank, at, Candidate { column, forms }));
    }
    found.sort_by_key(|(rank, at, _)| (*rank, *at));
    found.into_iter().map(|(_, _, candidate)| candidate).collect()
}

const OTHER: usize = 4;

fn rank(name: &str) -> usize {
    let name = name.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let timely =
        ["_at", "_on", "_time", "_ts", "_date", "at", "date", "time", "ts"].iter().any(|end| name.ends_with(end));
    [ACTIVITY, ENDED, CHANGED, MADE].iter().position(|words| any(words)).unwrap_or(if timely {
        OTHER - 1
    } else {
        OTHER
    })
}

fn forms(column: &Column) -> Vec<Option<SinceForm>> {
    match column.kind {
        ColumnKind::Instant | ColumnKind::NaiveTime | ColumnKind::Date => vec![None],
        ColumnKind::Integer | ColumnKind::Number => vec![Some(SinceForm::UnixS), Some(SinceForm::UnixMs)],
        ColumnKind::Text => vec![Some(SinceForm::Timestamp), Some(SinceForm::Iso8601), Some(SinceForm::Date)],
        ColumnKind::Bool | ColumnKind::Json | ColumnKind::Any | ColumnKind::Other => vec![],
    }
}

/// Whether a column writes times or dates without a zone in this form.
pub(super) fn naive(column: &Column, form: Option<SinceForm>) -> bool {
    match form {
        None => matches!(column.kind, ColumnKind::NaiveTime | ColumnKind::Date),
        Some(form) => matches!(form, SinceForm::Timestamp | SinceForm::Date),
    }
}

/// The columns whose names look like personal data.
pub(super) fn personal(table: &Table) -> Vec<&str> {
    let looks = |name: &str| {
        let name = name.to_lowercase();
        let parts: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).collect();
        // Short words stand alone; long ones are found inside others.
        PERSONAL.iter().any(|word| if word.len() <= 4 { parts.contains(word) } else { name.contains(word) })
    };
    table.columns.iter().map(|column| column.name.as_str()).filter(|name| looks(name)).collect()
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{ColumnKind, SinceForm};

    use super::{candidates, personal};
    use crate::plan::testing::{column, table};

    #[test]
    fn activity_comes_before_ends_changes_and_beginnings() {
        let mut lead = table("lead", ColumnKind::Instant);
        lead.columns = vec![
            column("created_at", ColumnKind::Instant),
            column("updated_at", ColumnKind::NaiveTime),
            column("closed_on", ColumnKind::Date),
            column("last_seen_at", ColumnKind::Integer),
            column("amount", ColumnKind::Number),
            column("status", ColumnKind::Text),
            column("due", ColumnKind::Date),
        ];
        let found: Vec<&str> = candidates(&lead).iter().map(|candidate| candidate.column.name.as_str()).collect();
        assert_eq!(found, ["last_seen_at", "closed_on", "updated_at", "created_at", "due"]);
        assert_eq!(candidates(&lead)[0].forms[0], Some(SinceForm::UnixS));
    }

    #[test]
    fn personal_columns_are_guessed_by_whole_words() {
        let mut lead = table("lead", ColumnKind::Instant);
        lead.columns = ["id", "email", "ip", "shipping", "recipe", "work_phone", "zip", "unzipped", "client_ip"]
            .map(|name| column(name, ColumnKind::Text))
            .to_vec();
        assert_eq!(personal(&lead), ["email", "ip", "work_phone", "zip", "client_ip"]);
    }
}
