//! A case's transform as a policy says it.

use std::collections::BTreeMap;

use forgetd::rules::{Period, Transform};
use forgetd::transform::Treatment;
use forgetd_connector::{Path, PathStep};
use forgetd_testkit::generator::{Case, Deed, TransformSpec};
use forgetd_testkit::{Fixture, Keeps};

use super::oracle::places;
use super::tokens::treatment;

/// What the rule of `case` writes on this engine.
pub(crate) fn transform(case: &Case, spec: &TransformSpec, fixture: &dyn Fixture) -> Transform {
    let treated = places(case, spec, fixture).into_iter().map(|place| {
        let treatment = match &place.spec.deed {
            Deed::Token(form) => treatment(*form),
            Deed::Constant(value) => Treatment::Redact(value.clone()),
            Deed::Coarser(grain) => Treatment::Generalize(grain.clone()),
        };
        (said(fixture, &place.spec.path), treatment)
    });
    let places: BTreeMap<_, _> = treated.collect();
    let marker = spec.marker.map(str::to_owned);
    Transform { places, marker, version: None, sweep: Period::parse("30d").unwrap(), references_follow: false }
}

/// A place as a rule names it: in documents a column with a dot in its name is a field of a field.
pub(super) fn said(fixture: &dyn Fixture, path: &Path) -> Path {
    if fixture.keeps() == Keeps::Tables {
        return path.clone();
    }
    let mut names = path.column.split('.').map(str::to_owned);
    let column = names.next().unwrap_or_default();
    Path { column, steps: names.map(PathStep::Field).chain(path.steps.iter().cloned()).collect() }
}
