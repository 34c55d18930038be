//! The signs that a document is not done, and how values look that are.

use forgetd_connector::{Path, Shape, Undone, Value};
use mongodb::bson::{Bson, Document, doc};

use super::field::{Arrays, Field, all, any, nameable, never, none, present, some};
use super::predicate::like_one_of;
use super::{Composer, Literals, Reach, Refused};

impl Composer {
    /// Whether there is one of the signs.
    pub(super) fn undone(&mut self, signs: &[Undone]) -> Result<Document, Refused> {
        let signs = signs.iter().map(|sign| self.sign(sign)).collect::<Result<_, _>>()?;
        Ok(any(signs))
    }

    fn sign(&mut self, sign: &Undone) -> Result<Document, Refused> {
        match sign {
            Undone::Unmarked(marker) => {
                let marker = Field::parse(marker)?;
                // An array is a mark, whatever it holds.
                Ok(doc! { marker.dotted(): { "$eq": Bson::Null, "$not": { "$type": "array" } } })
            }
            Undone::MarkedBefore { marker, since } => {
                let (marker, since) = (Field::parse(marker)?, Field::parse(since)?);
                let date = |field: &Field| doc! { "$eq": [{ "$type": field.value() }, "date"] };
                let before = doc! { "$lt": [marker.value(), since.value()] };
                Ok(doc! { "$expr": { "$and": [date(&marker), date(&since), before] } })
            }
            Undone::Other { path, shape } => {
                nameable(path)?;
                if let Shape::Coarse(grain) = shape {
                    let coarse = self.is_coarse(path, grain)?;
                    return Ok(all(vec![present(path), none(vec![coarse])]));
                }
                let other = match shape {
                    Shape::Nothing => doc! { "$ne": Bson::Null },
                    Shape::Constant(Value::Null) => doc! { "$ne": Bson::Null },
                    Shape::Constant(value) => doc! { "$ne": Bson::Null, "$not": { "$eq": self.value(value)? } },
                    Shape::Like(patterns) => {
                        let matching = self.matching(like_one_of(patterns));
                        doc! { "$ne": Bson::Null, "$not": matching }
                    }
                    Shape::Coarse(_) => return Ok(never()),
                };
                // An array is a value that no text or number is like.
                let array = some(path, &doc! { "$type": "array" }, Arrays::Asked);
                Ok(any(vec![array, some(path, &other, Arrays::Never)]))
            }
            Undone::Is { path, texts } => {
                nameable(path)?;
                let texts: Vec<Bson> = texts.iter().map(|text| self.shown(Bson::String(text.clone()))).collect();
                Ok(some(path, &doc! { "$in": texts }, Arrays::Never))
            }
        }
    }
}

/// The documents that hold a value of this shape at a path.
pub(crate) fn shaped(path: &Path, shape: &Shape) -> Result<Document, Refused> {
    let mut composer = Composer::new(Reach::Own, Literals::Written, false);
    let operators = match shape {
        Shape::Nothing => return Ok(never()),
        Shape::Constant(value) => doc! { "$eq": composer.value(value)? },
        Shape::Like(patterns) => composer.matching(like_one_of(patterns)),
        Shape::Coarse(grain) => return composer.is_coarse(path, grain),
    };
    Ok(some(path, &operators, Arrays::Never))
}
