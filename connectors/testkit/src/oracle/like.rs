//! Patterns over characters.

/// One place of a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// `%`.
    Any,
    /// `_`.
    One,
    /// This very character.
    This(char),
}

/// Whether the whole text is of the form.
pub(super) fn is_like(text: &str, pattern: &str) -> bool {
    let mut places = vec![];
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        places.push(match character {
            '%' => Place::Any,
            '_' => Place::One,
            '\\' => Place::This(characters.next().expect("a backslash takes a character")),
            other => Place::This(other),
        });
    }
    // reached[n]: what was read so far can be read by the first n places.
    let mut reached = vec![false; places.len() + 1];
    reached[0] = true;
    skip(&mut reached, &places);
    for character in text.chars() {
        let mut next = vec![false; places.len() + 1];
        for (n, place) in places.iter().enumerate().filter(|(n, _)| reached[*n]) {
            match place {
                Place::Any => next[n] = true,
                Place::One => next[n + 1] = true,
                Place::This(wanted) => next[n + 1] |= *wanted == character,
            }
        }
        skip(&mut next, &places);
        reached = next;
    }
    reached[places.len()]
}

/// `%` can be nothing.
fn skip(reached: &mut [bool], places: &[Place]) {
    for (n, place) in places.iter().enumerate() {
        if reached[n] && *place == Place::Any {
            reached[n + 1] = true;
        }
    }
}
