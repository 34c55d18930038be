//! The page, for boards of all kinds.

use std::fs;
use std::path::Path;

use forgetd::board::{Board, ConfigState, Pause, Role};
use forgetd_connector::Cause;

use super::boards;
use super::client::beside;

async fn page(board: Board) -> String {
    let answer = beside(board, async |server| server.get("/status").await).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Where each of these stands, in this order.
fn in_order(html: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        let at =
            html[from..].find(part).unwrap_or_else(|| panic!("`{part}` is not behind what comes before it:\n{html}"));
        from += at;
    }
}

/// Every board that is looked at with eyes too is left where `docs/status/shoot.sh` takes it from.
#[tokio::test]
async fn every_board_has_a_page() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("status");
    fs::create_dir_all(&folder).unwrap();
    for (name, board, says) in [
        ("none", boards::empty(), "No rule runs"),
        ("one-rule", boards::one(), "Nothing needs a person"),
        ("200-rules", boards::many(), "2 rules are blocked"),
        ("blocked", boards::blocked(), "1 rule is blind"),
        ("database-down", boards::database_down(), "Database mail does not answer"),
        ("draining", boards::drain(), "Backlogs being worked off"),
        ("follower", boards::follower(), "follower: shop-7d9f-x2x holds term 7"),
    ] {
        let html = page(board).await;
        assert!(html.contains(says), "{name}: {says}\n{html}");
        assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("https://"), "{name}");
        fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
}

#[tokio::test]
async fn what_needs_a_person_comes_first_with_what_to_do() {
    let html = page(boards::blocked()).await;
    in_order(
        &html,
        &[
            "5 things need a person",
            "For a person",
            "failed",
            "blind",
            "Rules",
            "customers",
            "newsletters",
            "web-sessions",
            "Databases",
        ],
    );
    // The cause, its fix, and the command for each rule.
    for says in [
        "cool_off",
        "it acts by itself when <code>guard.cool_off</code> is over",
        "<code>forgetd approve audit-log</code>",
        "<code>forgetd approve carts</code>",
        "give the role BYPASSRLS",
        "would have deleted 41,870 rows",
        "would be deleted",
        "by root@batch-2 since 26 h: month-end closing",
        "<code>forgetd resume password-resets</code>",
        "set <code>mode: enforce</code>",
        "34 d <span class=\"soft\">of 30d</span>",
    ] {
        assert!(html.contains(says), "{says}\n{html}");
    }
}

#[tokio::test]
async fn rules_that_failed_for_a_database_stand_below_it() {
    let html = page(boards::database_down()).await;
    in_order(&html, &["1 thing needs a person", "Database mail does not answer", "#r-mail-log", "Rules", "down"]);
    // The database is up again, and the rule did not run since.
    let mut board = boards::database_down();
    let mail = board.databases.get_mut("mail").unwrap();
    (mail.up, mail.paused, mail.problem) = (Some(true), None, None);
    in_order(&page(board).await, &["1 thing needs a person", "1 rule failed", "unreachable", "#r-mail-log"]);
}

#[tokio::test]
async fn a_run_under_way_and_its_backlog_are_seen() {
    let html = page(boards::drain()).await;
    in_order(&html, &["Running", "63%", "317,400 of 500,000", "Backlogs being worked off", "<polyline", "Rules"]);
    assert_eq!(html.matches("class=\"ahead\"").count(), 4, "each backlog large and in its row");
}

#[tokio::test]
async fn each_rule_has_one_row_however_many_there_are() {
    let html = page(boards::many()).await;
    assert_eq!(html.matches("<details id=\"r-").count(), 200);
    assert!(html.contains("and 4 more"), "ten rules wait for the same");
    assert!(html.len() < 600_000, "{} bytes", html.len());
    in_order(&html, &["id=\"r-tenant-007", "id=\"r-tenant-060", "id=\"r-tenant-033", "id=\"r-tenant-000"]);
}

#[tokio::test]
async fn a_process_that_does_not_act_sends_people_on() {
    let html = page(boards::follower()).await;
    assert!(html.contains("Another process acts: shop-7d9f-x2x"), "{html}");
    assert!(page(Board { role: Role::Starting, ..boards::empty() }).await.contains("not known yet who acts"));
}

#[tokio::test]
async fn where_nobody_acts_it_is_said_why_and_what_to_do() {
    let mut board = boards::empty();
    board.role = Role::Nobody { cause: Cause::ReadOnly };
    board.databases.get_mut("crm").unwrap().problem = Some("crm: take the lease failed: read_only".into());
    let html = page(board).await;
    in_order(&html, &["nobody acts: read_only", "1 thing needs a person", "Nobody acts", "take the lease failed"]);
    assert!(html.contains("connect to the primary") && html.contains("Rules are shown by who acts"), "{html}");
}

#[tokio::test]
async fn files_that_are_refused_are_told_where_the_old_ones_go_on() {
    let problems = vec!["conf.d/a.yaml:3:5: rules[0].tabel: no such key; did you mean `table`?".into()];
    let config = ConfigState { valid: false, problems, ..boards::empty().config };
    let html = page(Board { config, ..boards::one() }).await;
    in_order(&html, &["refused; the ones before go on", "conf.d/a.yaml:3:5"]);
}

#[tokio::test]
async fn a_log_that_cannot_be_trusted_is_a_matter() {
    let mut board = boards::one();
    board.evidence.sound = Some(false);
    board.evidence.problem = Some("restored at crm: the head went from 9 entries to 3".into());
    in_order(&page(board).await, &["The evidence log is not what it was", "the head went from 9", "not sound"]);
    let mut full = boards::one();
    full.evidence.problem = Some("/var/lib/forgetd: tile: no storage space".into());
    full.evidence.cause = Some(Cause::EvidenceNoSpace);
    let html = page(full).await;
    in_order(&html, &["The evidence log cannot be extended", "evidence_no_space", "/var/lib/forgetd", "free space"]);
}

#[tokio::test]
async fn every_pause_has_its_words() {
    for pause in Pause::ALL {
        let mut board = boards::one();
        let database = board.databases.get_mut("crm").unwrap();
        (database.paused, database.throttled) = (Some(*pause), Some((*pause, "7 s behind".into())));
        let html = page(board).await;
        let says = match pause {
            Pause::EvidenceBacklog => "too many receipts wait".to_owned(),
            Pause::QuietWindow => "quiet window".to_owned(),
            Pause::Operator => "a person paused".to_owned(),
            Pause::ReadOnly => "it takes no writes".to_owned(),
            Pause::Unreachable => "cannot be reached".to_owned(),
            of_the_throttle => format!("batches wait ({}): 7 s behind", of_the_throttle.id()),
        };
        assert!(html.contains(&says), "{says}");
    }
}

#[tokio::test]
async fn every_cause_is_shown_with_its_fix() {
    for cause in Cause::ALL {
        let rule = boards::ended(boards::rule("t"), forgetd::run::Verdict::Blocked, *cause, "detail");
        let html = page(boards::with([("r", rule)])).await;
        assert!(html.contains(&format!("<small>{cause}</small>")), "{cause}");
        let begins = cause.fix().split(['`', '\'', '<', '&']).next().unwrap();
        assert!(html.contains(begins), "{cause}: {begins}");
    }
}

#[tokio::test]
async fn names_that_are_markup_are_text() {
    let evil = "\"><script>alert(1)</script><i a='";
    let mut board = boards::blocked();
    let rule = boards::draining(boards::rule(evil));
    for name in [evil, "plain"] {
        let mut rule = rule.clone();
        (rule.database, rule.engine, rule.keep_for, rule.schedule) =
            (evil.into(), evil.into(), evil.into(), Some(evil.into()));
        let mut last = rule.standing.last.take().unwrap();
        (last.detail, last.run_id) = (Some(evil.into()), evil.into());
        rule.standing.last = Some(last);
        board.rules.insert(name.into(), boards::running(boards::paused(rule.clone()), 1));
        board.rules.insert(format!("{name}-2"), boards::observing(rule));
    }
    let mut down = board.databases["crm"].clone();
    (down.up, down.server, down.problem) = (Some(false), evil.into(), Some(evil.into()));
    board.databases.insert(evil.into(), down);
    board.role = Role::Follower { holder: evil.into(), term: 1 };
    (board.instance, board.config.policy_digest) = (evil.into(), evil.into());
    board.config.problems.push(evil.into());
    (board.evidence.origin, board.evidence.root) = (evil.into(), Some(evil.into()));
    board.evidence.problem = Some(evil.into());
    for role in [board.role.clone(), boards::one().role] {
        let html = page(Board { role, ..board.clone() }).await;
        assert!(html.contains("alert(1)"), "it is shown");
        for markup in ["<script", "<i a=", "\">&#60;script"] {
            assert!(!html.contains(markup), "{markup}\n{html}");
        }
    }
}
