//! How many rows carry the tokens of which key.

use std::collections::BTreeMap;

use forgetd_connector::{Fault, Path, TableRef};

use crate::cli::check::{Opened, reach};
use crate::keys::Epoch;
use crate::rules::Policy;
use crate::transform::{TokenKind, Treatment, epoch_shape};

/// Where a policy writes tokens of a domain.
pub(super) struct Place<'a> {
    pub(super) rule: &'a str,
    pub(super) database: &'a str,
    pub(super) table: &'a TableRef,
    pub(super) path: &'a Path,
    pub(super) domain: &'a str,
    pub(super) kind: TokenKind,
}

/// How many rows of one place carry the tokens of one key.
pub(super) struct Rows {
    pub(super) rule: String,
    /// `database.table.column`.
    pub(super) place: String,
    /// Absent: tokens of this form do not show whose they are without the key.
    pub(super) rows: Option<u64>,
}

/// Every place where the policy writes tokens.
pub(super) fn places_of(policy: &Policy) -> Vec<Place<'_>> {
    let mut places = vec![];
    for rule in &policy.rules {
        let Some(transform) = rule.transform() else { continue };
        for (path, treatment) in &transform.places {
            let Treatment::Pseudonymize { kind, domain } = treatment else { continue };
            let (rule_name, database, table) = (rule.name.as_str(), rule.database.as_str(), &rule.table);
            places.push(Place { rule: rule_name, database, table, path, domain, kind: *kind });
        }
    }
    places
}

/// Counts rows of these places that carry tokens of this epoch. Reads only.
pub(super) async fn count(
    opened: &Opened<'_>,
    places: &[Place<'_>],
    domain: &str,
    epoch: Epoch,
) -> Result<Vec<Rows>, Fault> {
    let mut counted = vec![];
    // One look at each table, however many places it has.
    let mut tables = BTreeMap::new();
    for place in places.iter().filter(|place| place.domain == domain) {
        let connector = reach(opened, place.database)?;
        let name = format!("{}.{}", place.database, place.table);
        if !tables.contains_key(&name) {
            let catalog = connector.describe(std::slice::from_ref(place.table)).await?;
            tables.insert(name.clone(), catalog.table(place.table).cloned());
        }
        let (Some(Some(table)), Some(shape)) = (tables.get(&name), epoch_shape(place.kind, epoch)) else {
            counted.push(Rows { rule: place.rule.into(), place: format!("{name}.{}", place.path), rows: None });
            continue;
        };
        let rows = Some(connector.count_shaped(table, place.path, &shape).await?);
        counted.push(Rows { rule: place.rule.into(), place: format!("{name}.{}", place.path), rows });
    }
    Ok(counted)
}
