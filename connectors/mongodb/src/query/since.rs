//! The period as a filter.

use forgetd_connector::{Joined, Latest, Since, SinceColumn, Terms, WhenNull};
use mongodb::bson::{Bson, Document, doc};

use super::field::{Field, all, any, none};
use super::form::{Form, Until};
use super::{Composer, Reach, Refused};

/// A field that holds a moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    pub(crate) field: Field,
    pub(crate) form: Form,
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
}

/// The fields that count, each at its place in the document or in the other collection.
pub(crate) fn written(since: &Since) -> Result<Vec<Written>, Refused> {
    since.columns().into_iter().map(Written::new).collect()
}

/// The field that counts instead, written like the one of `since`.
pub(super) fn instead(since: &SinceColumn, other: &str) -> Result<Written, Refused> {
    Written::new(&SinceColumn { column: other.into(), ..since.clone() })
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
        let some = self.lookup(latest, none(vec![at.is_missing()]))?;
        let running = self.lookup(latest, running)?;
        let mut ways = vec![doc! { &some: { "$ne": [] }, running: [] }];
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
        Ok(any(ways))
    }

    /// Looks for one document of the other collection that belongs to this one and meets a condition. The name of the field
    /// that holds it.
    fn lookup(&mut self, latest: &Latest, condition: Document) -> Result<String, Refused> {
        let name = format!("forgetd_{}", self.lookups.len());
        let mut variables = Document::new();
        let mut equal: Vec<Bson> = vec![];
        let mut there = vec![];
        let mut first = None;
        for (at, Joined { other, own }) in latest.on.iter().enumerate() {
            let (other, own) = (Field::parse(other)?, Field::parse(own)?);
            variables.insert(format!("own{at}"), own.value());
            // NULL is the same as nothing. Not as an expression: a server was seen that finds nothing by it through an index.
            there.push(doc! { other.dotted(): { "$ne": Bson::Null } });
            equal.push(doc! { "$eq": [other.value(), format!("$$own{at}")] }.into());
            first = first.or(Some((own, other)));
        }
        let mut lookup = doc! { "from": &latest.table.name };
        if let Some((own, other)) = first.filter(|_| self.joins_by_field) {
            // An index serves this, and the condition behind it is exact.
            lookup.extend(doc! { "localField": own.dotted(), "foreignField": other.dotted() });
        }
        lookup.extend(doc! { "let": variables, "pipeline": [
            { "$match": { "$expr": { "$and": equal } } },
            { "$match": all(there.into_iter().chain([condition]).collect()) },
            { "$limit": 1 },
            { "$project": { "_id": 1 } },
        ], "as": &name });
        self.lookups.push(doc! { "$lookup": lookup });
        Ok(name)
    }
}
