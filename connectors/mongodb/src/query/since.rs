//! The period as a filter.

use forgetd_connector::{
    Cause, Except, Joined, Latest, Selection, Since, SinceColumn, Step, TableRef, Terms, Until, WhenNull,
};
use mongodb::bson::{Bson, Document, doc};

use super::field::{Field, all, any, none};
use super::form::Form;
use super::{Composer, Reach, Refused};

/// A field that holds a moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) field: Field,
    pub(crate) form: Form,
}

/// Activity in another collection that decides about documents, and the other rule that keeps them by it, if it is one.
pub(crate) struct Look<'a> {
    pub(crate) rule: Option<&'a str>,
    pub(crate) latest: &'a Latest,
}

/// Which documents of the other collection belong to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Belongs {
    /// Those that may: where several fields join, and some of them lie in arrays, an element can meet each.
    Perhaps,
    /// Those that do.
    Surely,
}

// === impl Written ===

impl Written {
    pub(crate) fn new(since: &SinceColumn) -> Result<Self, Refused> {
        Ok(Self { field: Field::parse(&since.column)?, form: Form::new(since)? })
    }

    pub(super) fn over(&self, until: Until, to: &mut Composer) -> Document {
        self.form.over(&self.field, until, to)
    }

    pub(super) fn is_missing(&self) -> Document {
        self.field.is_missing()
    }

    pub(super) fn readable(&self) -> Document {
        self.form.readable(&self.field)
    }

    /// Whether something is there that is no time, among other things too.
    pub(crate) fn unreadable(&self) -> Document {
        none(vec![self.readable(), self.is_missing()])
    }
}

/// The fields that count, each at its place in the document or in the other collection.
pub(crate) fn written(since: &Since) -> Result<Vec<Written>, Refused> {
    since.columns().into_iter().map(Written::new).collect()
}

/// The field that counts instead, written like the one of `since`.
pub(super) fn instead(since: &SinceColumn, other: &str) -> Result<Written, Refused> {
    Written::new(&SinceColumn { column: other.into(), ..since.clone() })
}

/// Every look into another collection.
pub(crate) fn looks(selection: &Selection) -> Vec<Look<'_>> {
    let mut looks = vec![];
    looks.extend(look(None, &selection.terms));
    for except in &selection.except {
        match except {
            Except::Kept { rule, terms } => looks.extend(look(Some(rule), terms)),
            Except::Due(selection) => looks.extend(self::looks(selection)),
            Except::Child(_) => {}
        }
    }
    looks
}

fn look<'a>(rule: Option<&'a str>, terms: &'a Terms) -> Option<Look<'a>> {
    match &terms.since {
        Since::Latest(latest) => Some(Look { rule, latest }),
        Since::Column(_) | Since::Greatest(_) => None,
    }
}

/// The first look that would leave the database: a server looks inside one alone.
pub(crate) fn unreachable<'a>(step: &'a Step) -> Option<Look<'a>> {
    let asked = |table: &TableRef| step.other(table).map_or_else(|| table.clone(), |described| described.name.clone());
    looks(&step.selection).into_iter().find(|look| match asked(&look.latest.table).schema {
        Some(schema) => step.table.name.schema.as_ref() != Some(&schema),
        None => step.selection.table.schema.is_some(),
    })
}

// === impl Look ===

impl Look<'_> {
    /// Why such a look is refused.
    pub(crate) fn refused(&self) -> Refused {
        let whose = self.rule.map_or_else(String::new, |rule| format!(" of the rule {rule}"));
        let what =
            format!("the activity{whose} lies in {}, and no server looks into another database", self.latest.table);
        Refused { cause: Cause::Unsupported, what }
    }
}

impl Composer {
    /// Whether the period is over. Where a filter on the document alone is asked for, and the period counts from another
    /// collection, nothing: then it says less than it should.
    pub(super) fn over(&mut self, terms: &Terms, until: Until) -> Result<Option<Document>, Refused> {
        match &terms.since {
            Since::Column(since) => {
                let written = Written::new(since)?;
                let over = written.over(until, self);
                Ok(Some(match &terms.when_null {
                    WhenNull::Keep => over,
                    WhenNull::Delete => any(vec![over, written.is_missing()]),
                    WhenNull::Use(other) => {
                        let other = instead(since, other)?.over(until, self);
                        any(vec![over, all(vec![written.is_missing(), other])])
                    }
                }))
            }
            Since::Greatest(_) => {
                let columns = written(&terms.since)?;
                let mut parts = vec![];
                for written in &columns {
                    parts.push(any(vec![written.over(until, self), written.is_missing()]));
                }
                if terms.when_null != WhenNull::Delete {
                    parts.push(none(vec![all(columns.iter().map(Written::is_missing).collect())]));
                }
                Ok(Some(all(parts)))
            }
            Since::Latest(_) if self.reach == Reach::Own => Ok(None),
            Since::Latest(latest) => self.activity_over(latest, &terms.when_null, until).map(Some),
        }
    }

    fn activity_over(&mut self, latest: &Latest, when_null: &WhenNull, until: Until) -> Result<Document, Refused> {
        let at = Written::new(&latest.at)?;
        let over = at.over(until, self);
        let running = all(vec![none(vec![at.is_missing()]), none(vec![over])]);
        let some = self.lookup(latest, Belongs::Surely, none(vec![at.is_missing()]))?;
        let running = self.lookup(latest, Belongs::Perhaps, running)?;
        let mut ways = vec![doc! { &some: { "$ne": [] } }];
        let mut silent = vec![];
        if let Some(or) = &latest.or {
            let or = Written::new(or)?;
            silent.push(or.over(until, self));
            if *when_null == WhenNull::Delete {
                silent.push(or.is_missing());
            }
            ways.push(all(vec![doc! { some: [] }, any(silent)]));
        } else if *when_null == WhenNull::Delete {
            ways.push(doc! { some: [] });
        }
        Ok(all(vec![doc! { running: [] }, any(ways)]))
    }

    /// Looks for one document of the other collection that belongs to this one and meets a condition. The name of the field
    /// that holds it.
    fn lookup(&mut self, latest: &Latest, belongs: Belongs, condition: Document) -> Result<String, Refused> {
        let name = format!("forgetd_{}", self.lookups.len());
        let mut variables = Document::new();
        let mut equal: Vec<Bson> = vec![];
        let mut first = None;
        let through_arrays = belongs == Belongs::Perhaps || latest.on.len() == 1;
        for (at, Joined { other, own }) in latest.on.iter().enumerate() {
            let (other, own) = (Field::parse(other)?, Field::parse(own)?);
            variables.insert(format!("own{at}"), if through_arrays { own.values() } else { own.alone() });
            let values = if through_arrays { other.values() } else { other.alone() };
            // NULL is the same as nothing.
            let same =
                doc! { "$and": [{ "$ne": ["$$value", Bson::Null] }, { "$in": ["$$value", format!("$$own{at}")] }] };
            let same = doc! { "$map": { "input": values, "as": "value", "in": same } };
            equal.push(doc! { "$anyElementTrue": [same] }.into());
            first = first.or(Some((own, other)));
        }
        let mut lookup = doc! { "from": &latest.table.name };
        if let Some((own, other)) = first.filter(|_| self.joins_by_field) {
            // An index serves this, which looks into arrays too, and the condition behind it is exact.
            lookup.extend(doc! { "localField": own.dotted(), "foreignField": other.dotted() });
        }
        lookup.extend(doc! { "let": variables, "pipeline": [
            { "$match": { "$expr": { "$and": equal } } },
            { "$match": condition },
            { "$limit": 1 },
            { "$project": { "_id": 1 } },
        ], "as": &name });
        self.lookups.push(doc! { "$lookup": lookup });
        Ok(name)
    }
}
