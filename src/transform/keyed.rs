//! The transform that a rule's lanes call.

use std::fmt;
use std::sync::Arc;

use forgetd_connector::{Cause, NewRow, OldRow, Path, Put, Transform, Value};

use super::treat::{Became, treat};
use super::{Holder, TokenKind, Treatment, json, put, shape, token};
use crate::keys::Keyring;

/// One place of a rule: what happens there, and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Treated {
    /// Where.
    pub path: Path,
    /// What happens to the value.
    pub treatment: Treatment,
    /// What the place is.
    pub holder: Holder,
}

/// Does what the engine cannot: tokens, places inside JSON, networks in texts. Its keys stay in it; `Debug` shows none.
pub struct KeyedTransform {
    columns: Vec<Vec<Computed>>,
    keys: Arc<Keyring>,
}

/// One place that is computed.
struct Computed {
    place: Treated,
    /// Whether a value shows that it is done.
    has_shape: bool,
}

// === impl KeyedTransform ===

impl KeyedTransform {
    /// For these places, in the order of [`forgetd_connector::Rewrite::places`]; those that the engine does are left to it.
    pub fn new(places: impl IntoIterator<Item = Treated>, keys: Arc<Keyring>) -> Self {
        let mut columns: Vec<Vec<Computed>> = vec![];
        for place in places {
            if put(&place.treatment, place.holder) != Put::Computed {
                continue;
            }
            let computed = Computed { has_shape: shape(&place.treatment, place.holder).is_some(), place };
            match columns.iter_mut().find(|column| column[0].place.path.column == computed.place.path.column) {
                Some(column) => column.push(computed),
                None => columns.push(vec![computed]),
            }
        }
        Self { columns, keys }
    }

    /// Whether every computed place that can show it shows that the row is done, tokens by the check of their keys. What
    /// only looks like a token is not done.
    pub fn is_done(&self, row: &OldRow) -> bool {
        row.values.len() == self.columns.len()
            && self.columns.iter().zip(&row.values).all(|(places, value)| {
                places
                    .iter()
                    .filter(|computed| computed.has_shape)
                    .all(|computed| self.treat(computed, value) == Became::Same)
            })
    }

    /// Whether a key can tell tokens from what only looks like them at one of the places.
    pub fn checks(&self) -> bool {
        self.columns.iter().flatten().any(|computed| computed.checked().is_some())
    }

    /// The texts that have the form of a token, though none of the keys made them, or not in this spelling, each with its
    /// place; of a row that its server takes for done.
    pub fn fakes(&self, row: &OldRow) -> Vec<(&Path, String)> {
        let mut fakes = vec![];
        for (places, value) in self.columns.iter().zip(&row.values) {
            let Value::Text(value) = value else { continue };
            for computed in places {
                let (Some(kind), Treated { path, treatment, holder }) = (computed.checked(), &computed.place) else {
                    continue;
                };
                let texts = match holder {
                    Holder::Json => json::texts_at(value, &path.steps),
                    _ => vec![value.clone()],
                };
                let is_fake = |text: &String| {
                    token::is_alike(kind, text)
                        && treat(treatment, *holder, &self.keys, &Value::Text(text.clone())) != Became::Same
                };
                fakes.extend(texts.into_iter().filter(is_fake).map(|text| (path, text)));
            }
        }
        fakes
    }

    fn row(&self, row: &OldRow) -> NewRow {
        if row.values.len() != self.columns.len() {
            return NewRow::Unfit(Cause::Internal);
        }
        let mut new = row.values.clone();
        let mut same = true;
        for (places, value) in self.columns.iter().zip(&mut new) {
            for computed in places {
                // A row that is marked is done already where nothing else could tell.
                if row.marked && !computed.has_shape {
                    continue;
                }
                match self.treat(computed, value) {
                    Became::Same => {}
                    Became::New(became) => {
                        *value = became;
                        same = false;
                    }
                    Became::Unfit(cause) => return NewRow::Unfit(cause),
                }
            }
        }
        if same { NewRow::Same } else { NewRow::Values(new) }
    }

    fn treat(&self, computed: &Computed, value: &Value) -> Became {
        let Treated { path, treatment, holder } = &computed.place;
        match value {
            Value::Null => Became::Same,
            Value::Text(document) if *holder == Holder::Json => {
                json::treat_at(treatment, &self.keys, document, &path.steps)
            }
            _ if *holder == Holder::Json => Became::Unfit(Cause::ValueUnfit),
            value => treat(treatment, *holder, &self.keys, value),
        }
    }
}

// === impl Computed ===

impl Computed {
    /// The kind of tokens here, if a key tells them from what only looks like them.
    const fn checked(&self) -> Option<TokenKind> {
        match self.place.treatment {
            Treatment::Pseudonymize { kind, .. } if token::has_check(kind) => Some(kind),
            _ => None,
        }
    }
}

impl Transform for KeyedTransform {
    fn compute(&self, rows: &[OldRow]) -> Vec<NewRow> {
        rows.iter().map(|row| self.row(row)).collect()
    }
}

impl fmt::Debug for KeyedTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedTransform").field("columns", &self.columns.len()).finish_non_exhaustive()
    }
}
