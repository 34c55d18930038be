//! Whether a value is as coarse as a transform makes it: the server's reading of what `coarse` does.

use forgetd_connector::{Grain, Path};
use mongodb::bson::{Document, doc};

use super::field::{Field, any};
use super::{Composer, Refused};

impl Composer {
    /// Whether what lies in the field is as coarse as this.
    pub(super) fn is_coarse(&mut self, path: &Path, grain: &Grain) -> Result<Document, Refused> {
        if path.is_many() {
            return Err(Refused::column_type("nothing inside an array is made coarser"));
        }
        let field = Field::parse(&path.to_string())?;
        let value = field.value();
        let of_type = |types: &[&str]| doc! { "$in": [{ "$type": &value }, types] };
        let zero = |part: &str| doc! { "$eq": [{ part: &value }, 0] };
        let mut moment = vec![zero("$hour"), zero("$minute"), zero("$second"), zero("$millisecond")];
        let (types, coarse): (&[&str], Document) = match grain {
            Grain::Day | Grain::Month | Grain::Quarter | Grain::Year => {
                let first = doc! { "$eq": [{ "$dayOfMonth": &value }, 1] };
                match grain {
                    Grain::Month => moment.push(first),
                    Grain::Quarter => {
                        moment.extend([first, doc! { "$eq": [{ "$mod": [{ "$month": &value }, 3] }, 1] }]);
                    }
                    Grain::Year => moment.push(doc! { "$eq": [{ "$dayOfYear": &value }, 1] }),
                    _ => {}
                }
                (&["date"], doc! { "$and": moment })
            }
            Grain::Step(step) => {
                let whole = step.parse::<i64>().ok();
                let step: f64 = step.parse().map_err(|_| Refused::column_type("a step is no number"))?;
                // The nearest multiple is the value itself.
                let steps = doc! { "$floor": { "$add": [{ "$divide": [&value, step] }, 0.5] } };
                let nearest = doc! { "$eq": [{ "$multiply": [steps, step] }, &value] };
                let nearest = doc! { "$expr": { "$cond": [of_type(&["double"]), nearest, false] } };
                // Expressions round whole numbers beyond 2^53, and this operator does not.
                let multiple = |step: i64| field.single(doc! { "$type": ["int", "long"], "$mod": [step, 0_i64] });
                return Ok(any(whole.map(multiple).into_iter().chain([nearest]).collect()));
            }
            Grain::Prefix(chars) => (&["string"], doc! { "$lte": [{ "$strLenCP": &value }, i64::from(*chars)] }),
            Grain::Network { .. } => return Err(Refused::column_type("no type of a document is for addresses")),
        };
        Ok(doc! { "$expr": { "$cond": [of_type(types), coarse, false] } })
    }
}
