//! Statements that tell about rows what the predicate alone does not: their moments, and why they stay.

use forgetd_connector::{ClauseOf, Except, Fault, KeptWhy, Key, Step, Terms, Until, Value, WhenNull};
use jiff::Timestamp;

use super::composer::{Composer, Refused};
use super::moment::Moments;
use super::period::{Activity, Counted, Written};
use super::terms::top_level;
use super::text::integer;
use super::{Area, Query, Scope, Walk};

/// A look for rows that stay for one reason.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    pub(crate) why: KeptWhy,
    /// Counts them, up to a limit.
    pub(crate) query: Query,
    /// Whether the statement looked only into the area it was given.
    pub(crate) within: bool,
}

/// A statement about one row. It selects whether the row is due, and for each clause its truth and then its moments.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) query: Query,
    pub(crate) clauses: Vec<(ClauseOf, Option<Moments>)>,
}

// === impl Scope ===

impl Scope {
    /// The moments of what is due, up to `limit` rows.
    pub(crate) fn due_moments(&self, limit: Option<u64>) -> Query {
        let mut query = self.begin();
        let reach = self.reach(&mut query);
        let limit = limit.map_or_else(String::new, |limit| format!("\nlimit {}", query.bind(integer(limit))));
        query.sql = format!(
            "select {}\nfrom {}\nwhere {reach}\n  and {}{limit}",
            self.moments.select(),
            self.table,
            self.predicate.sql
        );
        query
    }

    /// Why rows stay that the rule's conditions mean: one look for each reason that can occur.
    ///
    /// Reasons that no index leads to are looked for in `area`.
    pub(crate) fn reasons(
        &self,
        step: &Step,
        area: &Area,
        now: Timestamp,
        limit: u64,
        place: &str,
    ) -> Result<Vec<Reason>, Fault> {
        let terms = &step.selection.terms;
        let counted =
            Composer::new(step, &self.shape).counted(terms).map_err(|refused: Refused| refused.into_fault(place))?;
        let by_index = self.walk == Walk::Since && matches!(&counted, Counted::First(columns) if columns.len() == 1);
        let mut reasons = vec![];
        for why in [KeptWhy::Null, KeptWhy::Future, KeptWhy::Unreadable] {
            if why == KeptWhy::Null && !can_be_missing(step, terms, &counted) {
                continue;
            }
            let within = !by_index || why == KeptWhy::Unreadable;
            let composed = self.reason(step, (within, area), limit, |composer| match why {
                KeptWhy::Null => Ok(counted.missing()),
                KeptWhy::Future => Ok(counted.future(now, composer)),
                KeptWhy::Unreadable | KeptWhy::Mistyped(_) | KeptWhy::Rule(_) | KeptWhy::Child(_) => {
                    Ok(counted.unreadable())
                }
            });
            let query = composed.map_err(|refused| refused.into_fault(place))?;
            reasons.push(Reason { why, query, within });
        }
        for except in &step.selection.except {
            let why = match except {
                Except::Kept { rule, .. } => KeptWhy::Rule(rule.clone()),
                Except::Child(child) => KeptWhy::Child(child.foreign_key.clone()),
                Except::Due(_) => continue,
            };
            let composed = self.reason(step, (false, area), limit, |composer| {
                let over = composer.over(terms, Until::Cutoff(terms.cutoff))?;
                let reach = self.reach(&mut composer.query);
                let kept = composer.excepted(except)?;
                Ok(format!("{reach}\n  and {over}\n  and {kept}"))
            });
            let query = composed.map_err(|refused| refused.into_fault(place))?;
            reasons.push(Reason { why, query, within: false });
        }
        Ok(reasons)
    }

    fn reason(
        &self,
        step: &Step,
        (within, area): (bool, &Area),
        limit: u64,
        condition: impl FnOnce(&mut Composer<'_>) -> Result<String, Refused>,
    ) -> Result<Query, Refused> {
        let mut composer = Composer::new(step, &self.shape);
        let mut parts = vec![condition(&mut composer)?];
        parts.extend(composer.conditions(&step.selection.terms)?);
        parts.extend(composer.unfinished(&step.selection)?);
        let mut query = composer.query;
        if within {
            parts.insert(0, self.within(area, &mut query));
        }
        let limit = query.bind(integer(limit));
        query.sql = format!(
            "select count(*)\nfrom (select 1 from {}\nwhere {}\nlimit {limit})",
            self.table,
            parts.join("\n  and ")
        );
        Ok(query)
    }

    /// Every condition on the row with this key, apart from each other.
    pub(crate) fn account(&self, step: &Step, key: &Key, place: &str) -> Result<Account, Fault> {
        self.composed(step, key).map_err(|refused| refused.into_fault(place))
    }

    fn composed(&self, step: &Step, key: &Key) -> Result<Account, Refused> {
        let mut composer = Composer::new(step, &self.shape);
        composer.query.values.clone_from(&self.predicate.values);
        let mut select = vec![format!("ifnull(({}), 0)", self.predicate.sql)];
        let mut clauses = vec![];
        let terms = &step.selection.terms;
        select.push(composer.over(terms, Until::Cutoff(terms.cutoff))?);
        select.push(self.moments.select());
        clauses.push((ClauseOf::Since, Some(self.moments.clone())));
        for part in top_level(&terms.predicate) {
            select.push(composer.predicate(part)?);
            clauses.push((ClauseOf::Where(part.paths()), None));
        }
        if let Some(native) = &terms.native {
            // Whatever it is, in SQL's three truth values.
            select.push(format!("({} and 1)", composer.native(native)?));
            clauses.push((ClauseOf::Native, None));
        }
        if !step.selection.undone.is_empty() {
            select.push(composer.undone(&step.selection.undone, terms)?);
            clauses.push((ClauseOf::Undone, None));
        }
        for except in &step.selection.except {
            match except {
                Except::Kept { rule, terms } => {
                    let moments = Moments::new(composer.counted(terms)?);
                    select.extend([composer.excepted(except)?, moments.select()]);
                    clauses.push((ClauseOf::Kept(rule.clone()), Some(moments)));
                }
                Except::Child(child) => {
                    select.push(composer.excepted(except)?);
                    clauses.push((ClauseOf::Child(child.foreign_key.clone()), None));
                }
                Except::Due(_) => {}
            }
        }
        let mut query = composer.query;
        // A key that a person wrote has only the type that the column gives it.
        let as_text = |value: &Value| match value {
            Value::Typed { text, .. } => Value::Text(text.clone()),
            value => value.clone(),
        };
        let list = self.key_list(&[Key(key.0.iter().map(as_text).collect())], &mut query);
        query.sql = format!("select {}\nfrom {}\nwhere {list}\nlimit 1", select.join(",\n  "), self.table);
        Ok(Account { query, clauses })
    }
}

/// Whether a row can have no moment and is kept for it.
fn can_be_missing(step: &Step, terms: &Terms, counted: &Counted) -> bool {
    let nullable = |written: &Written| step.table.column(&written.name).is_none_or(|column| column.nullable);
    terms.when_null != WhenNull::Delete
        && match counted {
            Counted::First(columns) | Counted::Greatest(columns) => columns.iter().all(nullable),
            Counted::Latest(activity) => activity.or.as_ref().is_none_or(nullable),
        }
}

// === impl Counted ===

impl Counted {
    /// Whether there is no moment.
    fn missing(&self) -> String {
        let null = |written: &Written| format!("{} is null", written.column);
        match self {
            Self::First(columns) | Self::Greatest(columns) => {
                columns.iter().map(null).collect::<Vec<_>>().join(" and ")
            }
            Self::Latest(activity) => {
                let or = activity.or.as_ref().map_or_else(String::new, |or| format!(" and {}", null(or)));
                format!("not {}{or}", activity.some(""))
            }
        }
    }

    /// Whether what should be the moment is no time.
    fn unreadable(&self) -> String {
        let broken = |written: &Written| {
            format!("{} is not null and not {}", written.column, written.form.readable(&written.column))
        };
        match self {
            Self::First(columns) => of_the_first(columns, broken),
            Self::Greatest(columns) => of_any(columns, broken),
            Self::Latest(activity) => {
                let activity_broken = activity.some(&format!(" and not {}", activity.readable()));
                format!("({activity_broken}{})", activity.or_else(broken))
            }
        }
    }

    /// Whether the moment can be read, and lies behind `now`.
    fn future(&self, now: Timestamp, composer: &mut Composer<'_>) -> String {
        let until = Until::Now(now);
        let mut coming = |written: &Written| {
            let over = written.form.over(&written.column, until, &mut composer.query);
            format!("{} and not {over}", written.form.readable(&written.column))
        };
        match self {
            Self::First(columns) => {
                let coming = of_the_first(columns, &mut coming);
                let [Written { column, form, .. }] = columns.as_slice() else { return coming };
                // For an index: what lies behind `now` lies behind this.
                format!("{column} >= {} and {coming}", composer.query.bind(form.beyond(now)))
            }
            Self::Greatest(columns) => {
                let coming = of_any(columns, &mut coming);
                format!("{coming} and not {}", self.unreadable())
            }
            Self::Latest(activity) => {
                let coming_activity = activity.some(&format!(" and {}", coming(&activity.at)));
                let broken = activity.some(&format!(" and not {}", activity.readable()));
                format!("(({coming_activity} and not {broken}){})", activity.or_else(coming))
            }
        }
    }
}

/// The condition on the column that counts: the first that is not NULL.
fn of_the_first(columns: &[Written], mut condition: impl FnMut(&Written) -> String) -> String {
    let mut parts = vec![];
    let mut before = String::new();
    for written in columns {
        parts.push(format!("({before}{})", condition(written)));
        before += &format!("{} is null and ", written.column);
    }
    format!("({})", parts.join(" or "))
}

fn of_any(columns: &[Written], mut condition: impl FnMut(&Written) -> String) -> String {
    let parts: Vec<String> = columns.iter().map(|written| format!("({})", condition(written))).collect();
    format!("({})", parts.join(" or "))
}

// === impl Activity ===

impl Activity {
    /// Whether there is activity of this kind.
    fn some(&self, condition: &str) -> String {
        format!("exists (select 1{}{condition})", self.rows)
    }

    fn readable(&self) -> String {
        self.at.form.readable(&self.at.column)
    }

    /// ` or ..`: the condition on what counts without any activity.
    fn or_else(&self, mut condition: impl FnMut(&Written) -> String) -> String {
        match &self.or {
            Some(or) => format!(" or (not {} and {})", self.some(""), condition(or)),
            None => String::new(),
        }
    }
}
