use super::{Config, LoadOptions, Problems, load};

const GOOD: &str = "\
version: 1
instance: shop-eu
databases:
  crm:
    url: { env: CRM_URL }
evidence:
  origin: example.com/forgetd/shop-eu
  signing_key: { file: evidence.key }
rules:
  - name: web-sessions
    table: public.web_session
    keep_for: 30d
    since: last_seen_at
    action: delete
";

/// Loads one file with an environment and flags.
fn load_text(text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("forgetd.yaml");
    std::fs::write(&file, text).unwrap();
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    load(&LoadOptions { file: Some(file), env: own(env).into_iter().collect(), flags: own(flags) })
}

#[test]
fn the_least_that_is_needed_loads_with_defaults() {
    let config = load_text(GOOD, &[], &[]).unwrap();
    assert_eq!(config.instance, "shop-eu");
    assert_eq!(config.coordination, super::Coordination::Lease(std::time::Duration::from_secs(15)));
    let home = config.home().unwrap();
    assert_eq!(
        (home.name.as_str(), home.max_connections, home.lock_wait_ms, home.batch_rows_max),
        ("crm", 2, 200, 1000)
    );
    assert_eq!(home.control, super::Control::Named("forgetd".into()));
    assert_eq!(config.evidence.store, super::Store::Database("crm".into()));
    assert_eq!(config.evidence.receipt_keep.as_secs(), 30 * 86400);
    assert_eq!(config.evidence.receipts_pending_max, 10_000);
    let rule = config.policy.rule("web-sessions").unwrap();
    assert_eq!((rule.database.as_str(), rule.table.to_string().as_str()), ("crm", "public.web_session"));
    assert_eq!(rule.mode, crate::rules::Mode::Observe);
}
