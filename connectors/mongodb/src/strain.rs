//! How far the members of a set are behind: what a majority of them has of what was written last, by the primary's own answer
//! to everybody. What single members have takes a privilege to see, and readers of old data are not told from others.

use std::time::Instant;

use forgetd_connector::{Course, Fault, Replicas, Strain};
use mongodb::bson::{Bson, Document};

use crate::connector::Shared;
use crate::facts;
use crate::flavour;

/// A place in the log of a set: the second and the number inside it. They never go back while a member is primary.
type Place = u64;

/// Looks at the server.
pub(crate) async fn look(shared: &Shared) -> Result<Strain, Fault> {
    if !flavour::replicates(&shared.facts) {
        return Ok(Strain::default());
    }
    // A router answers for no set, and of others than MongoDB it is not known what they say.
    if !flavour::tells_of_its_set(&shared.facts) {
        return Ok(Strain { replicas: Replicas::Unknown, ..Strain::default() });
    }
    let hello = facts::hello(&shared.link).await?;
    Ok(Strain { replicas: behind(&mut shared.course(), Instant::now(), &hello), ..Strain::default() })
}

/// For how long the majority has been behind. The server says what was written last and what of it a majority has, not when
/// the first of what it has not was written; earlier looks tell that.
fn behind(course: &mut Course<Place>, now: Instant, hello: &Document) -> Replicas {
    let (Some(written), Some(has)) = (place(hello, "opTime"), place(hello, "majorityOpTime")) else {
        return Replicas::Hidden;
    };
    course.note(now, written);
    course.forget(has);
    Replicas::Behind(course.behind(now, Some(has)).at_most)
}

fn place(hello: &Document, name: &str) -> Option<Place> {
    match hello.get_document("lastWrite").ok()?.get_document(name).ok()?.get("ts")? {
        Bson::Timestamp(ts) => Some((u64::from(ts.time) << 32) | u64::from(ts.increment)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use forgetd_connector::{Course, Replicas};
    use mongodb::bson::{Document, Timestamp, doc};

    use super::behind;

    fn wrote(last: (u32, u32), majority: (u32, u32)) -> Document {
        let at = |(time, increment)| doc! { "ts": Timestamp { time, increment }, "t": 1_i64 };
        doc! { "lastWrite": { "opTime": at(last), "majorityOpTime": at(majority) } }
    }

    #[test]
    fn a_set_is_behind_for_as_long_as_its_majority_lacks_what_was_written() {
        let (mut course, began) = (Course::default(), Instant::now());
        let mut look = |second: u64, hello: &Document| behind(&mut course, began + Duration::from_secs(second), hello);
        let behind = |seconds| Replicas::Behind(Duration::from_secs(seconds));
        assert_eq!(look(0, &wrote((100, 1), (100, 1))), behind(0));
        // Nothing was written for long, and then something: that is no long delay.
        assert_eq!(look(50, &wrote((100, 1), (100, 1))), behind(0));
        assert_eq!(look(51, &wrote((151, 1), (100, 1))), behind(1));
        assert_eq!(look(54, &wrote((151, 2), (100, 1))), behind(4));
        assert_eq!(look(55, &wrote((151, 2), (151, 1))), behind(4));
        assert_eq!(look(56, &wrote((151, 2), (151, 2))), behind(0));
    }

    #[test]
    fn what_a_set_does_not_say_is_hidden_and_not_none() {
        let half = doc! { "lastWrite": { "opTime": { "ts": Timestamp { time: 1, increment: 1 } } } };
        for silent in [doc! {}, half, doc! { "lastWrite": 1 }] {
            assert_eq!(behind(&mut Course::default(), Instant::now(), &silent), Replicas::Hidden, "{silent}");
        }
    }
}
