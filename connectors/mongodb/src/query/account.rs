//! What is told about documents beside how many are due: why they stay, and each condition apart.

use forgetd_connector::{
    ClauseOf, Except, Fault, KeptWhy, Predicate, Since, SinceColumn, Step, Terms, Until, WhenNull,
};
use jiff::Timestamp;
use mongodb::bson::{Document, doc};

use super::field::{all, none};
use super::since::{Written, instead, written};
use super::{Composer, Field, Literals, Reach, Refused, Scope};

/// A look for documents that stay for one reason.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    pub(crate) why: Why,
    pub(crate) scope: Scope,
}

/// The reason; or one for each type that a field has there.
#[derive(Clone, Debug)]
pub(crate) enum Why {
    One(KeptWhy),
    ByType(Field),
}

/// One condition, as it is asked of one document.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) what: ClauseOf,
    /// Holds where the condition is true.
    pub(crate) holds: Scope,
    /// Holds where it is false, where that is not the rest.
    pub(crate) fails: Option<Scope>,
    /// Whose moments were compared.
    pub(crate) moments: Vec<Written>,
}

// === impl Scope ===

impl Scope {
    /// Why documents stay that the rule's conditions mean.
    pub(crate) fn reasons(
        &self,
        step: &Step,
        now: Timestamp,
        joins_by_field: bool,
        place: &str,
    ) -> Result<Vec<Reason>, Fault> {
        let made = || -> Result<Vec<Reason>, Refused> {
            let terms = &step.selection.terms;
            let mut reasons = vec![];
            if !matches!(terms.since, Since::Latest(_)) {
                let missing = missing(terms)?;
                if terms.when_null != WhenNull::Delete {
                    reasons.push((Why::One(KeptWhy::Null), missing.clone()));
                }
                let readable = readable(terms)?;
                let mut composer = Composer::new(Reach::Own, Literals::Written, joins_by_field);
                let over = composer.over(&moment_alone(terms), Until::Now(now))?.unwrap_or_default();
                reasons.push((Why::One(KeptWhy::Future), all(vec![readable.clone(), none(vec![over])])));
                let unreadable = none(vec![missing, readable]);
                let why = match (&terms.since, &terms.when_null) {
                    (Since::Column(since), WhenNull::Keep | WhenNull::Delete) => {
                        Why::ByType(Field::parse(&since.column)?)
                    }
                    _ => Why::One(KeptWhy::Unreadable),
                };
                reasons.push((why, unreadable));
            }
            let reasons = reasons.into_iter().map(|(why, filter)| self.reason(step, why, |_| Ok(filter.clone())));
            let mut reasons: Vec<Reason> = reasons.collect::<Result<_, _>>()?;
            for except in &step.selection.except {
                let Except::Kept { rule, .. } = except else { continue };
                reasons.push(self.reason(step, Why::One(KeptWhy::Rule(rule.clone())), |composer| {
                    composer.joins_by_field = joins_by_field;
                    let over = composer.over(terms, Until::Cutoff(terms.cutoff))?.unwrap_or_default();
                    let kept = composer.excepted(except)?.unwrap_or_default();
                    Ok(all(vec![over, kept]))
                })?);
            }
            Ok(reasons)
        };
        made().map_err(|refused| refused.into_fault(place))
    }

    fn reason(
        &self,
        step: &Step,
        why: Why,
        condition: impl Fn(&mut Composer) -> Result<Document, Refused>,
    ) -> Result<Reason, Refused> {
        let mut composer = Composer::new(Reach::All, Literals::Written, false);
        let mut parts = vec![condition(&mut composer)?];
        parts.extend(composer.conditions(&step.selection.terms)?);
        if !step.selection.undone.is_empty() {
            parts.push(composer.undone(&step.selection.undone)?);
        }
        Ok(Reason { why, scope: self.with(all(parts), composer.lookups) })
    }

    /// Every condition apart.
    pub(crate) fn clauses(&self, step: &Step, joins_by_field: bool, place: &str) -> Result<Vec<Asked>, Fault> {
        self.asked(step, joins_by_field).map_err(|refused| refused.into_fault(place))
    }

    fn asked(&self, step: &Step, joins_by_field: bool) -> Result<Vec<Asked>, Refused> {
        let terms = &step.selection.terms;
        let one = |condition: &dyn Fn(&mut Composer) -> Result<Document, Refused>| -> Result<Scope, Refused> {
            let mut composer = Composer::new(Reach::All, Literals::Written, joins_by_field);
            let filter = condition(&mut composer)?;
            Ok(self.with(filter, composer.lookups))
        };
        let over = |terms: &Terms| one(&|to| Ok(to.over(terms, Until::Cutoff(terms.cutoff))?.unwrap_or_default()));
        let mut clauses = vec![Asked {
            what: ClauseOf::Since,
            holds: over(terms)?,
            fails: Some(one(&|to| {
                let over = to.over(terms, Until::Cutoff(terms.cutoff))?.unwrap_or_default();
                Ok(all(vec![none(vec![over]), readable(terms)?]))
            })?),
            moments: counted(terms)?,
        }];
        for part in top_level(&terms.predicate) {
            clauses.push(Asked {
                what: ClauseOf::Where(part.paths()),
                holds: one(&|to| to.holds(part))?,
                fails: Some(one(&|to| to.fails(part))?),
                moments: vec![],
            });
        }
        if let Some(native) = &terms.native {
            let holds = self.with(super::native::parsed(native)?, vec![]);
            clauses.push(Asked { what: ClauseOf::Native, holds, fails: None, moments: vec![] });
        }
        if !step.selection.undone.is_empty() {
            let holds = one(&|to| to.undone(&step.selection.undone))?;
            clauses.push(Asked { what: ClauseOf::Undone, holds, fails: None, moments: vec![] });
        }
        for except in &step.selection.except {
            let Except::Kept { rule, terms } = except else { continue };
            let holds = one(&|to| Ok(to.excepted(except)?.unwrap_or_default()))?;
            clauses.push(Asked { what: ClauseOf::Kept(rule.clone()), holds, fails: None, moments: counted(terms)? });
        }
        Ok(clauses)
    }
}

/// The fields of the document itself that count, in the order in which they do.
fn counted(terms: &Terms) -> Result<Vec<Written>, Refused> {
    let mut fields = written(&terms.since)?;
    if let (Since::Column(since), WhenNull::Use(other)) = (&terms.since, &terms.when_null) {
        fields.push(instead(since, other)?);
    }
    Ok(fields)
}

/// Whether nothing that counts is there.
pub(crate) fn missing(terms: &Terms) -> Result<Document, Refused> {
    Ok(all(counted(terms)?.iter().map(Written::is_missing).collect()))
}

/// Whether what counts can be read as time.
fn readable(terms: &Terms) -> Result<Document, Refused> {
    let fields = counted(terms)?;
    let Since::Column(SinceColumn { .. }) = &terms.since else {
        let each = |written: &Written| super::field::any(vec![written.readable(), written.is_missing()]);
        let some = none(vec![all(fields.iter().map(Written::is_missing).collect())]);
        return Ok(all(fields.iter().map(each).chain([some]).collect()));
    };
    let mut ways = vec![];
    let mut before = vec![];
    for written in &fields {
        ways.push(all(before.iter().cloned().chain([written.readable()]).collect()));
        before.push(written.is_missing());
    }
    Ok(super::field::any(ways))
}

/// The terms of a moment that is there.
fn moment_alone(terms: &Terms) -> Terms {
    let when_null = match &terms.when_null {
        WhenNull::Delete => WhenNull::Keep,
        other => other.clone(),
    };
    Terms { when_null, ..terms.clone() }
}

/// The parts that people wrote beside each other.
fn top_level(predicate: &Predicate) -> Vec<&Predicate> {
    match predicate {
        Predicate::All(parts) => parts.iter().collect(),
        one => vec![one],
    }
}

/// How many documents have which type at a field.
pub(crate) fn by_type(field: &Field) -> Document {
    doc! { "$group": { "_id": { "$type": field.value() }, "n": { "$sum": 1 } } }
}
