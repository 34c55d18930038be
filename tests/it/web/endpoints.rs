//! Each path, each method, and paths that lead nowhere.

use forgetd::board::{Board, ConfigState, Role};
use forgetd_connector::Cause;
use serde_json::Value as Json;

use super::boards::{self, ago};
use super::client::{Log, beside, beside_log};

#[tokio::test]
async fn every_path_answers() {
    beside(boards::one(), async |server| {
        for (path, content) in [
            ("/livez", "text/plain; charset=utf-8"),
            ("/readyz", "text/plain; charset=utf-8"),
            ("/startupz", "text/plain; charset=utf-8"),
            ("/metrics", "text/plain; version=0.0.4"),
            ("/metrics?name=x", "text/plain; version=0.0.4"),
            ("/status", "text/html; charset=utf-8"),
        ] {
            let answer = server.get(path).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, content), "{path}: {answer:?}");
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{path}: {policy}");
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_but_get_is_allowed_anywhere() {
    beside(boards::one(), async |server| {
        for method in ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PURGE"] {
            for path in ["/status", "/metrics", "/livez", "/checkpoint", "/tile/0/000", "/nowhere"] {
                let answer = server.ask(method, path, "content-length: 0\r\n").await;
                assert_eq!((answer.status, answer.header("allow")), (405, "GET"), "{method} {path}");
            }
        }
        assert_eq!(*server.log.asked.lock().unwrap(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn probes_follow_the_board() {
    let refused = ConfigState { problems: vec!["forgetd.yaml:3:5: no".into()], ..ConfigState::default() };
    let loaded = ConfigState { problems: refused.problems.clone(), valid: false, ..boards::empty().config };
    for (board, live, started, ready) in [
        (Board::default(), 503, 503, 503),
        (boards::empty(), 200, 200, 200),
        (boards::follower(), 200, 200, 200),
        (boards::database_down(), 200, 200, 200),
        (Board { role: Role::Starting, ..boards::empty() }, 200, 200, 503),
        (Board { role: Role::Nobody { cause: Cause::ReadOnly }, ..boards::empty() }, 200, 200, 200),
        (Board { config: refused, ..boards::empty() }, 200, 200, 503),
        (Board { config: loaded, ..boards::empty() }, 200, 200, 503),
        (Board { turned: Some(ago(120)), ..boards::empty() }, 503, 200, 200),
    ] {
        beside(board.clone(), async |server| {
            let mut found = vec![];
            for path in ["/livez", "/startupz", "/readyz"] {
                found.push(server.get(path).await.status);
            }
            assert_eq!(found, [live, started, ready], "{board:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn what_changes_on_the_board_is_seen_at_once() {
    beside(boards::follower(), async |server| {
        assert!(!server.get("/metrics").await.body.contains("forgetd_rule_info"));
        server.board.send(boards::one()).unwrap();
        assert!(server.get("/metrics").await.body.contains("forgetd_rule_info{"));
        server.metrics.append_failed();
        assert!(server.get("/metrics").await.body.contains("forgetd_evidence_append_failures_total 1\n"));
    })
    .await;
}

#[tokio::test]
async fn the_board_is_given_as_json_to_who_asks_for_it() {
    beside(boards::blocked(), async |server| {
        for (accept, json) in [
            ("application/json", true),
            ("text/html, application/json;q=0.9", true),
            ("APPLICATION/JSON", true),
            ("*/*", false),
            ("text/html,application/xhtml+xml", false),
            ("application/jsonx", false),
        ] {
            let answer = server.ask("GET", "/status", &format!("accept: {accept}\r\n")).await;
            let content = if json { "application/json" } else { "text/html; charset=utf-8" };
            assert_eq!((answer.status, answer.header("content-type")), (200, content), "{accept}");
            assert_eq!(answer.header("vary"), "accept");
        }
        let answer = server.ask("GET", "/status", "accept: application/json\r\n").await;
        let board: Json = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(board["instance"], "shop-eu");
        assert_eq!(board["role"]["holder"]["term"], 7);
        assert_eq!(board["rules"]["carts"]["standing"]["blocked"]["cause"], "cool_off");
    })
    .await;
}

#[tokio::test]
async fn the_log_is_served_under_its_own_names() {
    let policy = format!("policy/{}.yaml", "ab".repeat(32));
    let immutable = "public, max-age=31536000, immutable";
    let files = [
        ("checkpoint", "text/plain; charset=utf-8", "no-cache"),
        ("log.vkey", "text/plain; charset=utf-8", "no-cache"),
        (policy.as_str(), "application/yaml", immutable),
        ("tile/0/000", "application/octet-stream", immutable),
        ("tile/entries/x001/067", "application/octet-stream", immutable),
        ("tile/entries/x001/068.p/3", "application/octet-stream", "public, max-age=60"),
    ];
    let held = files.iter().map(|(path, ..)| ((*path).to_owned(), path.as_bytes().to_vec())).collect();
    beside_log(boards::one(), Log { files: held, ..Log::default() }, async |server| {
        for (path, content, cache) in files {
            let answer = server.get(&format!("/{path}")).await;
            assert_eq!(answer.status, 200, "{path}");
            let found = (answer.header("content-type"), answer.header("cache-control"), answer.body.as_str());
            assert_eq!(found, (content, cache, path));
        }
        assert_eq!(server.get("/tile/0/001").await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn paths_that_try_to_get_out_never_reach_the_log() {
    beside(boards::one(), async |server| {
        for path in [
            "/",
            "//checkpoint",
            "/checkpoint/",
            "/../checkpoint",
            "/tile/../checkpoint",
            "/tile/0/../../../../etc/passwd",
            "/tile/0/%2e%2e/000",
            "/tile/entries/..%2f..%2f000",
            "/tile/0/000.p/256",
            "/tile/00/000",
            "/tile/0/000%00",
            "/policy/..%2fsecret.yaml",
            "/policy/../log.vkey",
            "/policy/x.yaml",
            "/log.vkey.bak",
            "/%63heckpoint",
            "/etc/passwd",
            "/metrics/",
            "/status/x",
            "http://elsewhere/etc/passwd",
        ] {
            let answer = server.get(path).await;
            assert_eq!(answer.status, 404, "{path}");
        }
        assert_eq!(*server.log.asked.lock().unwrap(), Vec::<String>::new());
    })
    .await;
}
