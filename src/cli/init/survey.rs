//! What a database suggests: its tables, looked at one by one with the statements that a rule would use.

use forgetd_connector::{
    Action, Atomicity, Connector, Count, Cutoff, Fault, ForeignKey, KeptWhy, OnDelete, Predicate, RowCap, Selection,
    Since, SinceColumn, SinceForm, Step, Table, TableKind, Terms, WhenNull,
};
use jiff::{Timestamp, tz::TimeZone};

use super::candidates::{Candidate, candidates, naive, personal};
use super::written::{Draft, DraftRule};
use crate::rules::Period;

/// Counting stops here: a first look should not read all of a big table.
const COUNT_MAX: u64 = 100_000;

/// More tables than this are named and not looked at.
const TABLES_MAX: usize = 500;

/// Periods for which rows are counted.
const PERIODS: [&str; 3] = ["30d", "1y", "3y"];

/// Words in tables' names, and a period to begin with. The first that fits counts.
const KEEP_FOR: &[(&str, &str)] = &[
    ("session", "30d"),
    ("token", "30d"),
    ("otp", "30d"),
    ("cart", "90d"),
    ("job", "90d"),
    ("queue", "90d"),
    ("notif", "90d"),
    ("login", "180d"),
    ("log", "1y"),
    ("event", "1y"),
    ("audit", "2y"),
    ("invoice", "7y"),
    ("payment", "7y"),
    ("order", "7y"),
];

/// Moments before this year are no moments of a table that somebody looks after today.
const YEAR_MIN: i16 = 1990;

/// Looks at every table.
pub(super) async fn survey(connector: &dyn Connector, url: String) -> Result<Draft, Fault> {
    let facts = connector.facts();
    let mut draft = Draft { url, server: Some(facts.server()), ..Draft::default() };
    let now = connector.now().await?;
    let names = connector.tables().await?;
    let (looked, rest) = names.split_at(names.len().min(TABLES_MAX));
    let catalog = connector.describe(looked).await?;
    for table in &catalog.tables {
        match suggest(connector, table, now).await {
            Ok(rule) => draft.rules.push(rule),
            Err(why) => draft.others.push((table.name.clone(), why)),
        }
    }
    draft.others.extend(rest.iter().map(|name| (name.clone(), "not looked at: there are too many tables".into())));
    Ok(draft)
}

/// A rule for the table, or why there is none.
async fn suggest(connector: &dyn Connector, table: &Table, now: Timestamp) -> Result<DraftRule, String> {
    match table.kind {
        TableKind::Plain => {}
        TableKind::Collection => return Err("a collection of documents: write its rule by hand".into()),
        TableKind::Partitioned => return Err("the parent of partitions; write rules for the partitions".into()),
        TableKind::View => return Err("a view".into()),
        TableKind::Foreign => return Err("a foreign or virtual table".into()),
    }
    let found = candidates(table);
    for candidate in &found {
        for form in &candidate.forms {
            let since = SinceColumn {
                column: candidate.column.name.clone(),
                zone: naive(candidate.column, *form).then_some(TimeZone::UTC),
                form: *form,
            };
            if let Some(rule) = look(connector, table, candidate, &since, now).await {
                let instead = found.iter().map(|other| &other.column.name).filter(|name| **name != since.column);
                let instead = instead.cloned().collect();
                return Ok(DraftRule { instead, ..rule });
            }
        }
    }
    Err(if found.is_empty() { "no column with a time".into() } else { "its times could not be read".into() })
}

/// The rule that counts from this column; nothing where it cannot be read as time in this form.
async fn look(
    connector: &dyn Connector,
    table: &Table,
    candidate: &Candidate<'_>,
    since: &SinceColumn,
    now: Timestamp,
) -> Option<DraftRule> {
    let cap = RowCap(Some(COUNT_MAX));
    let all = step(table, since, now);
    let measure = connector.measure(&all, cap).await.ok()?;
    let guessed = since.form.is_some() && !matches!(since.form, Some(SinceForm::Iso8601));
    if guessed && !plausible(measure.oldest, now) {
        return None;
    }
    let mut counts = vec![];
    for period in PERIODS {
        let cutoff = Period::parse(period).ok()?.cutoff(now, &TimeZone::UTC)?;
        counts.push((period, connector.measure(&step(table, since, cutoff), cap).await.ok()?.due));
    }
    let kept = connector.profile(&all, cap).await.map_or_else(|_| vec![], |profile| profile.kept);
    let rows = |why: KeptWhy| kept.iter().find(|kept| kept.why == why).map(|kept| kept.rows);
    let some = |why: KeptWhy| rows(why).filter(|rows| rows.rows() != Some(0));
    let mut notes: Vec<String> = table.referenced_by.iter().filter_map(|key| note(key, table)).collect();
    notes.extend(some(KeptWhy::Future).map(|rows| format!("{} rows lie in the future and are kept", shown(rows))));
    notes.extend(some(KeptWhy::Unreadable).map(|rows| format!("{} rows hold no time there and are kept", shown(rows))));
    if table.key.is_empty() {
        notes.push("it has no primary key: forgetd can only delete from it, in batches by physical row".into());
    }
    Some(DraftRule {
        table: table.name.clone(),
        column: since.column.clone(),
        form: since.form,
        naive: since.zone.is_some(),
        nulls: candidate.column.nullable.then(|| rows(KeptWhy::Null).unwrap_or(Count::Exact(0))),
        total: measure.total,
        keep_for: keep_for(&table.name.name),
        counts,
        personal: personal(table).into_iter().map(ToOwned::to_owned).collect(),
        instead: vec![],
        notes,
    })
}

fn plausible(oldest: Option<Timestamp>, now: Timestamp) -> bool {
    oldest.is_some_and(|oldest| oldest.to_zoned(TimeZone::UTC).year() >= YEAR_MIN && oldest <= now)
}

fn shown(count: Count) -> String {
    count.rows().map_or("some".into(), crate::cli::report::thousands)
}

fn note(key: &ForeignKey, table: &Table) -> Option<String> {
    if key.parent != table.name {
        return None;
    }
    let columns = key.child_columns.join(", ");
    Some(match key.on_delete {
        OnDelete::Cascade if key.child == table.name => {
            format!("{} cascades inside the table: forgetd refuses that", key.name)
        }
        OnDelete::Cascade => {
            format!("deleting also removes rows of {} ({columns}): keep a rule for it, not longer", key.child)
        }
        OnDelete::Refuse => format!("rows that {} ({columns}) references stay", key.child),
        OnDelete::Set => format!("deleting changes {columns} of {}", key.child),
    })
}

fn keep_for(table: &str) -> &'static str {
    let table = table.to_lowercase();
    KEEP_FOR.iter().find(|(word, _)| table.contains(word)).map_or("2y", |(_, period)| period)
}

/// What is older than `cutoff`, NULL kept. Never run: it only counts.
fn step(table: &Table, since: &SinceColumn, cutoff: Timestamp) -> Step {
    let terms = Terms {
        since: Since::Column(since.clone()),
        cutoff: Cutoff(cutoff),
        when_null: WhenNull::Keep,
        predicate: Predicate::always(),
        native: None,
    };
    Step {
        rule: "init".into(),
        selection: Selection::new(table.name.clone(), terms),
        table: table.clone(),
        others: vec![],
        action: Action::Delete,
        atomicity: Atomicity::Atomic,
        may_cascade: table.cascades_to(),
    }
}
