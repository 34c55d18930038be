//! Which documents are due, as one filter.

use forgetd_connector::{Except, Selection, Terms, Until};
use mongodb::bson::Document;

use super::field::{all, none};
use super::{Composer, Refused, native};

impl Composer {
    /// The whole of it.
    pub(super) fn selection(&mut self, selection: &Selection) -> Result<Document, Refused> {
        let mut parts = vec![];
        let terms = &selection.terms;
        parts.extend(self.over(terms, Until::Cutoff(terms.cutoff))?);
        parts.extend(self.conditions(terms)?);
        if !selection.undone.is_empty() {
            parts.push(self.undone(&selection.undone)?);
        }
        if let Some(floor) = selection.floor {
            parts.extend(self.behind(terms, floor)?);
        }
        for except in &selection.except {
            parts.extend(self.not_excepted(except)?);
        }
        Ok(all(parts))
    }

    /// `where`, in either language.
    pub(super) fn conditions(&mut self, terms: &Terms) -> Result<Vec<Document>, Refused> {
        let mut parts = vec![self.holds(&terms.predicate)?];
        if let Some(text) = &terms.native {
            parts.push(native::parsed(text)?);
        }
        Ok(parts)
    }

    /// Whether the moment does not lie before a floor: what has none is looked at in any case.
    fn behind(&mut self, terms: &Terms, floor: forgetd_connector::Cutoff) -> Result<Option<Document>, Refused> {
        let plain = Terms { when_null: keeping(&terms.when_null), ..terms.clone() };
        Ok(self.over(&plain, Until::Cutoff(floor))?.map(|before| none(vec![before])))
    }

    /// Whether nothing keeps the document; nothing where that lies in another collection and is not asked.
    fn not_excepted(&mut self, except: &Except) -> Result<Option<Document>, Refused> {
        Ok(self.excepted(except)?.map(|kept| none(vec![kept])))
    }

    /// Whether the document is kept.
    pub(super) fn excepted(&mut self, except: &Except) -> Result<Option<Document>, Refused> {
        match except {
            Except::Kept { terms, .. } => {
                let Some(over) = self.over(terms, Until::Cutoff(terms.cutoff))? else { return Ok(None) };
                let mut parts = self.conditions(terms)?;
                parts.push(none(vec![over]));
                Ok(Some(all(parts)))
            }
            Except::Due(selection) => {
                let elsewhere = !selection.other_tables().is_empty();
                if elsewhere && self.reach == super::Reach::Own {
                    return Ok(None);
                }
                self.selection(selection).map(Some)
            }
            Except::Child(_) => Err(Refused::column_type("documents have no foreign keys")),
        }
    }
}

/// A document without a moment does not lie before anything.
fn keeping(when_null: &forgetd_connector::WhenNull) -> forgetd_connector::WhenNull {
    match when_null {
        forgetd_connector::WhenNull::Delete => forgetd_connector::WhenNull::Keep,
        other => other.clone(),
    }
}
