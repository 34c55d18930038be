//! A case's transform as a policy says it.

use std::collections::BTreeMap;

use forgetd::rules::{Period, Transform};
use forgetd::transform::Treatment;
use forgetd_testkit::Fixture;
use forgetd_testkit::generator::{Case, Deed, TransformSpec};

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
        (place.spec.path.clone(), treatment)
    });
    let places: BTreeMap<_, _> = treated.collect();
    let marker = spec.marker.map(str::to_owned);
    Transform { places, marker, sweep: Period::parse("30d").unwrap(), references_follow: false }
}
