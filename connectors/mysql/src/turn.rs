//! One packet with several statements, and the answers to each.

use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, QueryResult, TextProtocol};
use tokio::time::Instant;

use crate::answer::{Answer, changed};
use crate::error::Error;

/// Not every answer came.
pub(crate) struct Lost;

/// What one statement met.
enum Met {
    Server(Error),
    Lost,
}

/// Sends `text`, whose parts are as many statements as `counts` says, and reads one answer for each part: that of its last
/// statement. The first error is the last answer.
///
/// More or fewer answers than statements are as good as none: somebody between us and the server reads them otherwise.
pub(crate) async fn exchange(
    conn: &mut Conn,
    text: String,
    counts: &[usize],
) -> Result<Vec<Result<Answer, Error>>, Lost> {
    let mut results = match conn.query_iter(text).await {
        Ok(results) => results,
        Err(error) => return Ok(vec![Err(Error::answered(error).ok_or(Lost)?)]),
    };
    let mut answers = vec![];
    for count in counts {
        let mut last = None;
        for _ in 0..*count {
            match one(&mut results).await {
                Ok(answer) => last = Some(answer),
                Err(Met::Server(error)) => {
                    answers.push(Err(error));
                    return Ok(answers);
                }
                Err(Met::Lost) => return Err(Lost),
            }
        }
        answers.extend(last.map(Ok));
    }
    if results.columns().is_some() || !results.is_empty() {
        return Err(Lost);
    }
    // Also an error that stands behind the last answer.
    match results.next().await {
        Ok(None) => Ok(answers),
        Ok(Some(_)) | Err(_) => Err(Lost),
    }
}

/// Reads the answer to the next statement.
async fn one(results: &mut QueryResult<'_, '_, TextProtocol>) -> Result<Answer, Met> {
    let columns = results.columns();
    let there = columns.is_some();
    // Of a statement without rows they are known before it is passed, and of the next one after.
    let (affected, changed) = match columns {
        Some(columns) if columns.is_empty() => (results.affected_rows(), changed(&results.info())),
        _ => (0, None),
    };
    let mut rows = vec![];
    loop {
        match results.next().await {
            Ok(Some(row)) => rows.push(row),
            Ok(None) if there => return Ok(Answer { rows, affected, changed, at: Instant::now() }),
            Ok(None) => return Err(Met::Lost),
            Err(error) => return Err(Error::answered(error).map_or(Met::Lost, Met::Server)),
        }
    }
}
