//! Whether the server's functions on JSON answer rightly. Keys and new values travel in documents, and conditions look into
//! them: what a server misreads there would be missed, or written.

use forgetd_connector::{Cause, Fault, Finding};

use crate::answer::{get, odd};
use crate::connect::Session;
use crate::query::{Query, Sql};

/// A text as a document holds it: with quotes, a backslash, an escape, and a character of four bytes.
const DOCUMENT: &str = r#"["a\"b\\c\u00e9\ud83d\ude00"]"#;

/// The same text.
const TEXT: &str = "a\"b\\c\u{e9}\u{1f600}";

/// Asks for the text in each way in which it is read: as a column of JSON_TABLE, which keys and values go through, and as an
/// element, which conditions compare.
fn question() -> Sql {
    let mut sql = Sql::default();
    let document = sql.bind(DOCUMENT);
    let text = format!(
        "select hex(j.forgetd_text), hex(convert(json_unquote(j.forgetd_json) using utf8mb4)) \
         from json_table({document}, '$[*]' columns ( \
           forgetd_text longtext character set utf8mb4 collate utf8mb4_bin path '$' error on error, \
           forgetd_json json path '$')) as j"
    );
    sql.say(text)
}

/// Looks how the server reads what is known.
pub(super) async fn look(
    session: &mut Session,
    query: &Query,
    product: &str,
    place: &str,
) -> Result<Option<Finding>, Fault> {
    let answers = session.read("try documents", place, &[&question()]).await?;
    let rows = answers.first().ok_or_else(|| odd(place))?;
    let [row] = rows.rows.as_slice() else { return Err(odd(place)) };
    let wanted = hex::encode_upper(TEXT);
    let right = |n: usize| Ok::<_, Fault>(get::<Option<String>>(row, n, place)?.as_deref() == Some(&wanted));
    let harm = match (right(0)?, right(1)?) {
        (false, _) => "keys would be missed, and other values be written than are meant",
        (true, false) if query.unquotes() => "the rule's conditions on texts inside JSON would miss rows",
        (true, _) => return Ok(None),
    };
    let message = format!("this version of {product} does not give back a text as its JSON holds it: {harm}");
    let fix = "upgrade the server to the newest release of its series";
    Ok(Some(Finding::blocks(Cause::Unsupported, place, message).with_fix(fix)))
}

#[cfg(test)]
mod tests {
    use super::{DOCUMENT, TEXT};

    #[test]
    fn the_document_holds_the_text() {
        assert_eq!(serde_json::from_str::<Vec<String>>(DOCUMENT).unwrap(), [TEXT]);
    }
}
