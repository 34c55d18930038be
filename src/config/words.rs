//! Words for messages: keys that are safe to show, and the known key somebody may have meant.

/// Longer keys are no typing errors but values in the wrong place.
const SHOWN_MAX: usize = 48;

/// Keys of the contract that this version does not act on yet. Silence about them would be a rule that does not hold.
const LATER: &[&str] = &["archive", "floor", "hold", "holds"];

/// The key in backquotes, if it looks like a key at all.
pub(super) fn key(name: &str) -> String {
    if plain(name) { format!("`{name}`") } else { "a key".into() }
}

/// Whether a name looks like a key of the contract or a name of a rule: lower case, short. A value that lost its key, by
/// a wrong indentation or a forgotten colon, rarely does.
pub(super) fn plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= SHOWN_MAX && name.chars().all(plain)
}

/// What to do about a key that is not among `known`.
pub(super) fn unknown_key(name: &str, known: &[&str]) -> (String, String) {
    if LATER.contains(&name) {
        let message = format!("`{name}` is not known to this version");
        return (message, "remove it: a later version will know it, this one would not act on it".into());
    }
    let message = if plain(name) { format!("unknown key `{name}`") } else { "unknown key".into() };
    (message, meant(name, known))
}

/// What to do about a word that is not among `known`; the word itself may be anything and is not shown.
pub(super) fn unknown_word(word: &str, known: &[&str]) -> (String, String) {
    if LATER.contains(&word) {
        return (format!("`{word}` is not known to this version"), meant("", known));
    }
    ("the value is not known here".into(), meant(word, known))
}

/// What to write instead of `name`, where only `known` is right.
pub(super) fn meant(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The known name that is close enough to be a typing error.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > SHOWN_MAX {
        return None;
    }
    let limit = (name.chars().count() / 3).clamp(1, 3);
    let folded = name.to_lowercase().replace('-', "_");
    let near = known.iter().map(|known| (distance(&folded, known), *known)).min()?;
    (near.0 <= limit).then_some(near.1)
}

/// How many letters were left out, added, changed or swapped with their neighbour; both texts are short.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest, unknown_key};

    #[test]
    fn near_keys_are_found_and_far_ones_are_not() {
        let known = ["keep_for", "since", "table", "when_null"];
        for (name, near) in [
            ("keepfor", Some("keep_for")),
            ("keep-for", Some("keep_for")),
            ("Table", Some("table")),
            ("when_nul", Some("when_null")),
            ("retention", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, &known), near, "{name}");
        }
        assert_eq!((distance("kitten", "sitting"), distance("hoem", "home"), distance("", "ab")), (3, 1, 2));
    }

    #[test]
    fn keys_of_later_versions_are_named_as_such_and_odd_ones_not_at_all() {
        assert!(unknown_key("hold", &["table"]).0.contains("not known to this version"));
        assert_eq!(unknown_key("pass word!", &["table"]).0, "unknown key");
    }
}
