//! Property: whatever the bytes, loading ends with an answer, and the answer repeats no secret and no literal.

use std::{collections::BTreeMap, path::Path};

use proptest::prelude::*;

use super::{LoadOptions, load};

/// Stands where secrets and people's data stand; too long to come about by chance.
const MARKER: &str = "MARKER0123456789";

/// A policy that uses every part of the contract, with markers where values must stay unknown.
const SEED: &str = "\
version: 1
instance: shop-eu
coordination: { lease: 15s }
databases:
  crm:
    url: 'postgres://u:MARKER0123456789@h/d'
    home: true
    control: { name: forgetd }
    throttle: { veto: { sql: MARKER0123456789 }, batch_rows_max: 500, replica_lag_secs_max: 5, log_kept_mib_max: 64 }
    replicas: [{ file: /run/secrets/of/the/whole/shop/MARKER0123456789 }, 'postgres://u:MARKER0123456789@h/d']
  shop:
    url: { file: secrets/url }
    control: { at: crm }
evidence:
  store: { database: crm }
  origin: example.com/forgetd/shop-eu
  signing_key: MARKER0123456789
  receipt_keep: 14d
pseudonym_keys:
  - { file: /run/secrets/of/the/whole/shop/MARKER0123456789, id: k1, domain: crm-people, active_from: 2026-01-01 }
  - { id: k2, domain: crm-people, file: k2, kek: { file: /run/secrets/of/the/whole/shop/MARKER0123456789 } }
approvers: [{ ssh_key: MARKER0123456789, name: dpo }]
approvals_required: 1
defaults: { schedule: \"15 3 * * *\", guard: { share_max: 0.2, cool_off: 24h } }
rules:
  - name: leads
    database: shop
    table: public.lead
    purpose: Call people back
    keep_for: 30d
    since: { column: closed_on, zone: Europe/Stockholm, as: date }
    when_null: { use: created_on }
    where: { status: MARKER0123456789, tier: [1, MARKER0123456789], vip: false }
    where_native: note = 'MARKER0123456789'
    action: delete
    evidence: { rows: commitments }
  - name: books
    database: crm
    table: public.lead
    keep_for: 7y
    since: { greatest: [a, { column: b, zone: UTC }], as: iso8601 }
    where:
      any: [{ mail: { like: 'MARKER0123456789%', or_null: true } }, { a.b: { in: [MARKER0123456789] } }]
      not: { 'c[].d': { ge: MARKER0123456789 }, e: { prefix: MARKER0123456789 }, or_null: true }
    action: keep
  - name: visits
    database: crm
    table: public.person
    keep_for: 1y
    since: { latest: { table: visit, column: at, on: { person: id } }, or: made_at }
    action: delete
";

/// Shorter than the way from a marker to a setting whose value may be shown.
const PART_MAX: usize = 12;

/// One way to damage a text.
#[derive(Clone, Debug)]
enum Damage {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Double(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0..SEED.len();
    let syntax = prop::sample::select(&b"{}[]:,-#&*!|>'\"%@`\n\t ~0"[..]);
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (at.clone(), syntax.clone()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (at.clone(), prop::collection::vec(syntax, 1..6)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at.clone(), 1..=PART_MAX).prop_map(|(at, len)| Damage::Remove(at, len)),
        (at, 1..=PART_MAX).prop_map(|(at, len)| Damage::Double(at, len)),
    ]
}

fn apply(text: &mut Vec<u8>, damage: &Damage) {
    let end = |at: usize, len: usize, text: &[u8]| (at + len).min(text.len());
    match damage {
        Damage::Set(at, byte) => {
            if let Some(place) = text.get_mut(*at) {
                *place = *byte;
            }
        }
        Damage::Insert(at, bytes) => {
            let at = (*at).min(text.len());
            text.splice(at..at, bytes.iter().copied());
        }
        Damage::Remove(at, len) if *at < text.len() => drop(text.drain(*at..end(*at, *len, text))),
        Damage::Double(at, len) if *at < text.len() => {
            let part = text[*at..end(*at, *len, text)].to_vec();
            text.splice(*at..*at, part);
        }
        Damage::Remove(..) | Damage::Double(..) => {}
    }
}

fn load_bytes(folder: &Path, bytes: &[u8]) -> String {
    let file = folder.join("forgetd.yaml");
    std::fs::write(&file, bytes).unwrap();
    match load(&LoadOptions { file: Some(file), env: BTreeMap::new(), flags: vec![] }) {
        Ok(config) => format!("{config:?}"),
        Err(problems) => problems.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_answered_without_their_values(damages in prop::collection::vec(damage(), 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        let mut text = SEED.as_bytes().to_vec();
        for damage in &damages {
            apply(&mut text, damage);
        }
        let said = load_bytes(folder.path(), &text);
        prop_assert!(!said.is_empty());
        prop_assert!(!said.contains(MARKER), "{said}");
    }

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let folder = tempfile::tempdir().unwrap();
        prop_assert!(!load_bytes(folder.path(), &bytes).is_empty());
    }
}
