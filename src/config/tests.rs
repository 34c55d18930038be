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
        (home.name.as_str(), home.max_connections, home.lock_wait_ms, home.throttle.batch_target.as_millis()),
        ("crm", 3, 200, 25)
    );
    assert_eq!((home.throttle.delete_rows_max, home.throttle.transform_rows_max), (10_000, 4_000));
    assert_eq!(home.control, super::Control::Named("forgetd".into()));
    assert_eq!(config.evidence.store, super::Store::Database("crm".into()));
    assert_eq!(config.evidence.receipt_keep.as_secs(), 30 * 86400);
    assert_eq!(config.evidence.receipts_pending_max, 10_000);
    let rule = config.policy.rule("web-sessions").unwrap();
    assert_eq!((rule.database.as_str(), rule.table.to_string().as_str()), ("crm", "public.web_session"));
    assert_eq!(rule.mode, crate::rules::Mode::Observe);
}

#[test]
fn nobody_becomes_an_approver_by_the_environment() {
    for (name, value) in [("FORGETD__APPROVERS", "[]"), ("FORGETD__APPROVALS_REQUIRED", "0")] {
        let said = load_text(GOOD, &[(name, value)], &[]).unwrap_err().to_string();
        assert!(said.contains("come from files only"), "{said}");
    }
}

#[test]
fn later_layers_replace_single_settings() {
    let text = GOOD.replace("url: { env: CRM_URL }", "url: { env: CRM_URL }\n    lock_wait_ms: 100\n    region: eu");
    let env = [
        ("FORGETD__DATABASES__CRM__LOCK_WAIT_MS", "50"),
        ("FORGETD__DATABASES__CRM__URL__FILE", "/run/secrets/url"),
        ("FORGETD__COORDINATION", "none"),
        ("FORGETD__EVIDENCE__STORE__DIR", "/evidence"),
        ("FORGETD__EVIDENCE__RECEIPT_KEEP", "7d"),
        ("FORGETD_CONFIG", "elsewhere"),
        ("OTHER", "x"),
    ];
    let config = load_text(&text, &env, &[]).unwrap();
    let crm = config.home().unwrap();
    assert_eq!((crm.lock_wait_ms, crm.region.as_deref()), (50, Some("eu")));
    assert_eq!(crm.url, super::Secret::File("/run/secrets/url".into()).into());
    assert_eq!(config.coordination, super::Coordination::None);
    assert_eq!(config.evidence.store, super::Store::Dir("/evidence".into()));
    assert_eq!(config.evidence.receipt_keep.as_secs(), 7 * 86400);
    let config = load_text(&text, &env, &[("databases.crm.lock_wait_ms", "25")]).unwrap();
    assert_eq!(config.home().unwrap().lock_wait_ms, 25);
}

#[test]
fn the_environment_is_checked_like_a_file_and_never_repeated() {
    for (name, value, said) in [
        ("FORGETD__RULES", "MARKER", "env FORGETD__RULES: `rules` cannot be set by the environment"),
        ("FORGETD__RULES__0__NAME", "MARKER", "env FORGETD__RULES__0__NAME: `rules` cannot be set"),
        ("FORGETD__DEFAULTS__MODE", "enforce", "env FORGETD__DEFAULTS__MODE: `defaults` cannot be set"),
        ("FORGETD__INSTANC", "MARKER", "env FORGETD__INSTANC: unknown key `instanc`; did you mean `instance`?"),
        ("FORGETD__DATABASES__CRM__HOEM", "MARKER", "HOEM: unknown key `hoem`; did you mean `home`?"),
        ("FORGETD__DATABASES__CRM__LOCK_WAIT_MS", "MARKER", "LOCK_WAIT_MS: expected a whole number, found text"),
        ("FORGETD__DATABASES__CRM__HOME", "MARKER", "HOME: expected true or false, found text"),
        ("FORGETD__DATABASES__CRM__URL", "postgres://a:MARKER@h/d", "URL: a URL with a password may not stand"),
        ("FORGETD__DATABASES__CRM", "MARKER", "env FORGETD__DATABASES__CRM: expected a mapping, found text"),
        ("FORGETD__EVIDENCE__SIGNING_KEY", "MARKER", "SIGNING_KEY: a secret may not stand in the configuration"),
        ("FORGETD__COORDINATION", "MARKER", "env FORGETD__COORDINATION: the value is not known here"),
        ("FORGETD__DATABASES__CRM__URL[0]", "MARKER", "env FORGETD__…: a variable's name is no setting"),
        ("FORGETD____X", "MARKER", "env FORGETD__…: a variable's name is no setting"),
    ] {
        let problems = load_text(GOOD, &[(name, value)], &[]).unwrap_err().to_string();
        assert!(problems.contains(said) && !problems.contains("MARKER"), "{name}:\n{problems}");
    }
}

#[test]
fn the_url_of_a_replica_set_names_its_members() {
    for (url, said) in [
        ("mongodb://app@a:27017,b:27017,[::1]:27017/crm?replicaSet=rs0", None),
        ("mongodb://a,b", None),
        ("mongodb+srv://app@cluster0.example.com/crm", None),
        ("mongodb://app:MARKER@a:27017,b:27017/crm", Some("a URL with a password")),
        ("mongodb://app:MAR@KER@a,b/crm", Some("a URL with a password")),
        ("mongodb://a,b/crm?tlsCertificateKeyFilePassword=MARKER", Some("a URL with a password")),
        ("mysql://app@MARKER:1,b:2/crm", Some("the text is no URL")),
    ] {
        let text = GOOD.replace("url: { env: CRM_URL }", &format!("url: '{url}'"));
        match (load_text(&text, &[], &[]), said) {
            (Ok(config), None) => assert_eq!(config.databases[0].url, super::Secret::Literal(url.into()).into()),
            (Err(problems), Some(said)) => {
                let problems = problems.to_string();
                assert!(problems.contains(said) && !problems.contains("MARKER"), "{url}: {problems}");
            }
            (other, _) => panic!("{url}: {:?}", other.map(|config| config.databases).map_err(|e| e.to_string())),
        }
    }
}

#[test]
fn the_main_file_is_found_in_one_order() {
    let env = [("FORGETD_CONFIG".to_owned(), "from-env.yaml".to_owned())].into_iter().collect();
    let mut options = LoadOptions { file: Some("given.yaml".into()), env, flags: vec![] };
    assert_eq!(options.main_file().to_str(), Some("given.yaml"));
    options.file = None;
    assert_eq!(options.main_file().to_str(), Some("from-env.yaml"));
    options.env.clear();
    assert_eq!(options.main_file().to_str(), Some("/etc/forgetd/forgetd.yaml"));
}

#[test]
fn files_that_cannot_be_read_are_problems() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("forgetd.yaml");
    let load_file =
        || load(&LoadOptions { file: Some(file.clone()), ..LoadOptions::default() }).unwrap_err().to_string();
    assert!(load_file().contains("forgetd.yaml: cannot be read: entity not found; check the path"), "{}", load_file());
    std::fs::write(&file, b"instance: \xff\xfe").unwrap();
    assert!(load_file().contains("is not text in UTF-8"), "{}", load_file());
    std::fs::write(&file, vec![b'#'; 5 * 1024 * 1024]).unwrap();
    assert!(load_file().contains("is longer than"), "{}", load_file());
}

#[test]
fn relative_paths_count_from_the_folder_of_the_file() {
    let text = GOOD.replace("url: { env: CRM_URL }", "url: sqlite:data/crm.db");
    let config = load_text(&text, &[], &[]).unwrap();
    let folder = config.files[0].parent().unwrap();
    assert_eq!(config.evidence.signing_key, super::Secret::File(folder.join("evidence.key")));
    let literal = format!("sqlite:{}/data/crm.db", folder.display());
    assert_eq!(config.home().unwrap().url, super::Secret::Literal(literal).into());
    let text = GOOD.replace("url: { env: CRM_URL }", "url: sqlite:/data/crm.db");
    let url = load_text(&text, &[], &[]).unwrap().databases[0].url.clone();
    assert_eq!(url, super::Secret::Literal("sqlite:/data/crm.db".into()).into());
}
