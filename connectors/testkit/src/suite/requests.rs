//! Requests: whoever may write control tables asks, and only the holder answers.

use std::time::Duration;

use forgetd_connector::{Cause, Commit, Connector, FaultClass, REQUESTS_MAX, RequestRow, RequestState};

use crate::{Arena, Fixture};

/// What is asked, with something in it that an engine may mistake.
const BODY: &str = r#"{"run":"o'rule","why":"closé \\ \"\u0001\" %s 😀"}"#;

fn row(id: &str, state: RequestState, answer: &str) -> RequestRow {
    RequestRow { id: id.into(), body: BODY.into(), state, answer: answer.into() }
}

async fn ids(connector: &dyn Connector) -> Vec<String> {
    connector.control().requests().await.unwrap().into_iter().map(|request| request.id).collect()
}

/// A request is there as it was posted, however often that is done.
pub async fn a_request_is_posted_once(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    assert_eq!(control.requests().await.unwrap(), []);
    assert_eq!(control.request("01").await.unwrap(), None);
    let other = arena.database.connect("conformance").await;
    let (one, two) = tokio::join!(control.post("01", BODY), other.control().post("01", BODY));
    one.unwrap();
    two.unwrap();
    control.post("01", "{}").await.unwrap();
    let open = row("01", RequestState::Open, "");
    assert_eq!(other.control().requests().await.unwrap(), std::slice::from_ref(&open));
    assert_eq!(other.control().request("01").await.unwrap(), Some(open));

    let neighbour = arena.database.connect("other").await;
    assert_eq!(neighbour.control().requests().await.unwrap(), [], "another instance has requests of its own");
    assert_eq!(neighbour.control().request("01").await.unwrap(), None);
    neighbour.control().post("01", "{}").await.unwrap();
    assert_eq!(control.requests().await.unwrap().len(), 1);
}

/// Progress comes before the answer, and nothing behind it.
pub async fn a_request_is_answered_once(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    control.post("01", BODY).await.unwrap();
    control.post("02", BODY).await.unwrap();
    let open = row("02", RequestState::Open, "");
    for (state, answer) in [
        (RequestState::Taken, ""),
        (RequestState::Taken, BODY),
        (RequestState::Taken, BODY),
        (RequestState::Open, ""),
        (RequestState::Taken, r#"{"done":1}"#),
    ] {
        assert_eq!(control.answer("01", state, answer, arena.term).await, Commit::Committed);
        assert_eq!(control.requests().await.unwrap(), [row("01", state, answer), open.clone()]);
    }
    let done = row("01", RequestState::Done, BODY);
    assert_eq!(control.answer("01", RequestState::Done, BODY, arena.term).await, Commit::Committed);
    for (state, answer) in [(RequestState::Done, BODY), (RequestState::Done, "{}"), (RequestState::Open, "")] {
        assert_eq!(control.answer("01", state, answer, arena.term).await, Commit::Committed);
        control.post("01", BODY).await.unwrap();
        assert_eq!(control.request("01").await.unwrap(), Some(done.clone()));
        assert_eq!(control.requests().await.unwrap(), std::slice::from_ref(&open));
    }
    assert_eq!(control.answer("03", RequestState::Taken, "", arena.term).await, Commit::Committed);
    assert_eq!(control.request("03").await.unwrap(), None, "an answer to nothing makes no request");
}

/// By the database's clock: whoever asks may have a wrong one.
pub async fn the_oldest_request_comes_first(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    for id in ["03", "01", "02"] {
        control.post(id, BODY).await.unwrap();
        // Engines differ in how finely they tell moments.
        let posted = arena.connector.now().await.unwrap();
        for _ in 0..2_000 {
            if arena.connector.now().await.unwrap().as_millisecond() > posted.as_millisecond() + 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(control.answer("01", RequestState::Taken, "", arena.term).await, Commit::Committed);
    assert_eq!(ids(&*arena.connector).await, ["03", "01", "02"]);
}

/// Nobody fills the tables by asking while nobody answers.
pub async fn only_so_many_requests_wait(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    let id = |n: u32| format!("{n:026}");
    for n in 0..REQUESTS_MAX {
        control.post(&id(n), BODY).await.unwrap();
    }
    assert_eq!(control.answer(&id(0), RequestState::Taken, "", arena.term).await, Commit::Committed);
    let fault = control.post(&id(REQUESTS_MAX), BODY).await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Blocked(Cause::Requests));
    control.post(&id(7), BODY).await.unwrap();
    assert_eq!(ids(&*arena.connector).await.len(), REQUESTS_MAX as usize);
    assert_eq!(control.request(&id(REQUESTS_MAX)).await.unwrap(), None);
    let neighbour = arena.database.connect("other").await;
    neighbour.control().post(&id(0), BODY).await.unwrap();

    assert_eq!(control.answer(&id(0), RequestState::Done, "", arena.term).await, Commit::Committed);
    control.post(&id(REQUESTS_MAX), BODY).await.unwrap();
    assert_eq!(ids(&*arena.connector).await, (1..=REQUESTS_MAX).map(id).collect::<Vec<_>>());
}

/// Under an old term nothing is answered; to ask takes no term.
pub async fn a_stale_holder_answers_no_request(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    control.post("01", BODY).await.unwrap();
    let successor = arena.database.connect("conformance").await;
    successor.control().raise_fence(arena.term + 1).await.unwrap();
    control.post("02", BODY).await.unwrap();
    for id in ["01", "02", "03"] {
        assert_eq!(control.answer(id, RequestState::Taken, "", arena.term).await, Commit::Fenced);
        assert_eq!(control.answer(id, RequestState::Done, "{}", arena.term).await, Commit::Fenced);
    }
    let open = ["01", "02"].map(|id| row(id, RequestState::Open, ""));
    assert_eq!(control.requests().await.unwrap(), open);
    let answered = successor.control().answer("01", RequestState::Done, "{}", arena.term + 1).await;
    assert_eq!(answered, Commit::Committed);
    assert_eq!(control.request("01").await.unwrap(), Some(row("01", RequestState::Done, "{}")));
    assert_eq!(control.answer("01", RequestState::Done, "{}", arena.term).await, Commit::Fenced);
}

/// What is done, and what nobody took, goes when it is old; what is under way stays.
pub async fn what_nobody_needs_any_more_is_forgotten(fixture: &dyn Fixture) {
    let arena = Arena::new(fixture).await;
    let control = arena.connector.control();
    for id in ["01", "02", "03"] {
        control.post(id, BODY).await.unwrap();
    }
    let neighbour = arena.database.connect("other").await;
    neighbour.control().post("01", BODY).await.unwrap();
    assert_eq!(control.answer("02", RequestState::Taken, "", arena.term).await, Commit::Committed);
    assert_eq!(control.answer("03", RequestState::Done, "{}", arena.term).await, Commit::Committed);
    assert_eq!(control.forget_requests(3_600).await.unwrap(), 0);
    assert_eq!(control.forget_requests(0).await.unwrap(), 2);
    for (id, is_there) in [("01", false), ("02", true), ("03", false)] {
        assert_eq!(control.request(id).await.unwrap().is_some(), is_there, "{id}");
    }
    assert_eq!(control.forget_requests(0).await.unwrap(), 0);
    assert!(neighbour.control().request("01").await.unwrap().is_some(), "another instance's stay");
    control.post("03", BODY).await.unwrap();
    assert_eq!(control.request("03").await.unwrap(), Some(row("03", RequestState::Open, "")));
}
