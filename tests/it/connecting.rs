//! The databases of a configuration are connected to side by side.

use forgetd::app;
use forgetd::config::{LoadOptions, load};

/// Each program prints its URL only once the other one was started, too.
#[tokio::test]
async fn programs_that_make_urls_do_not_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let database = |name: &str, other: &str, home: bool| {
        app::create_sqlite(folder.path().join(format!("{name}.db")).as_path(), "").unwrap();
        let (own, other) = (path(name), path(other));
        let script = format!("touch {own}; while ! test -e {other}; do sleep 0.01; done; echo sqlite:{own}.db");
        format!("  {name}: {{ home: {home}, url: {{ command: [sh, -c, \"{script}\"] }} }}\n")
    };
    let text = format!(
        "version: 1\ninstance: t\ndatabases:\n{}{}evidence: {{ origin: example.com/t, signing_key: {{ env: K }} }}\n\
         rules: [{{ name: old, database: one, table: t, since: at, keep_for: 30d, action: delete }}]\n",
        database("one", "two", true),
        database("two", "one", false),
    );
    let file = folder.path().join("forgetd.yaml");
    std::fs::write(&file, text).unwrap();
    let config = load(&LoadOptions { file: Some(file), ..LoadOptions::default() }).unwrap();
    let databases = app::connect(&config).await.unwrap();
    for name in ["one", "two"] {
        assert!(databases.get(name).is_ok(), "{name}: {:?}", databases.get(name).err());
    }
}
