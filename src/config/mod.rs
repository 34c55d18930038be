//! Configuration: from files, environment and flags to [`Config`], or to all [`Problems`] at once.
//!
//! Read in this order: `load` (what is read, and when it is an error), `yaml` and `node` (text to a tree with places),
//! `read` and `raw` (a tree to structs that are also schema and reference), `layers` (which setting wins), `resolve`
//! (names, bounds and what belongs together).

#[cfg(test)]
mod cases;
mod fragment;
mod layers;
mod limits;
mod load;
#[cfg(test)]
mod mutations;
mod node;
mod place;
mod problem;
mod raw;
mod raw_rule;
mod raw_since;
mod raw_transform;
mod raw_where;
mod read;
mod resolve;
mod schema;
mod secret;
mod settings;
#[cfg(test)]
mod tests;
mod url;
mod visible;
mod where_schema;
mod words;
mod yaml;

pub use fragment::{condition, is_key_name, moment, since};
pub use load::{LoadOptions, files, load};
pub use problem::{Problem, Problems};
pub use schema::schema;
pub use secret::Secret;
pub use settings::{Config, Control, Coordination, Database, Evidence, PseudonymKey, Store, Throttle, Veto};
pub use url::UrlSource;
