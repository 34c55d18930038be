//! Texts that lax comparisons take for one another, and numbers around equality.

use super::Dice;
use crate::Cell;

/// What texts are made from.
const WORDS: &[&str] = &[
    "closed",
    "Stra\u{df}e",
    "caf\u{e9}",
    "I",
    "it's",
    "100%",
    "a_b",
    r"a\b",
    "",
    "%",
    "null",
    "true",
    "5",
    "1e3",
    "~",
    "- x: y",
    "\u{1f600}",
    "two words",
    "\u{ff21}",
    "line\nbreak",
    "x\ty",
    "\"q\"",
    "2024-01-01",
    "#tag",
    "{a}",
    "@at",
    "\u{130}stanbul",
];

/// Some texts that belong together: one and what a lax collation, a pattern or a sloppy quotation makes of it.
pub(super) fn words(dice: &mut Dice) -> Vec<String> {
    let mut words = vec![];
    for _ in 0..=dice.below(2) {
        let word = (*dice.pick(WORDS)).to_owned();
        for _ in 0..=dice.below(4) {
            words.push(variant(dice, &word));
        }
        words.push(word);
    }
    words.sort_unstable();
    words.dedup();
    words
}

fn variant(dice: &mut Dice, word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    match dice.below(12) {
        0 => word.to_uppercase(),
        1 => word.to_lowercase(),
        2 => format!("{word} "),
        3 => format!(" {word}"),
        4 => format!("{word}\u{301}"),
        5 => word.replace(['\u{e9}', '\u{df}'], "e").replace('o', "\u{f6}"),
        6 => word.replace('\u{e9}', "e\u{301}"),
        7 => format!("{word}{word}"),
        8 => format!("{word}%"),
        9 => word.replace(['_', '%'], "x"),
        10 => {
            letters.pop();
            letters.into_iter().collect()
        }
        _ => {
            if let Some(first) = letters.first_mut() {
                *first = if first.is_uppercase() { first.to_ascii_lowercase() } else { first.to_ascii_uppercase() };
            }
            letters.into_iter().collect()
        }
    }
}

/// Whether two texts differ, and only in case, accents or spaces.
pub fn is_variant(a: &str, b: &str) -> bool {
    a != b && plain(a) == plain(b)
}

fn plain(text: &str) -> String {
    let letters = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '\u{301}');
    letters
        .flat_map(char::to_lowercase)
        .map(|letter| match letter {
            '\u{e9}' => 'e',
            '\u{f6}' => 'o',
            other => other,
        })
        .collect()
}

/// Integers around zero, around the end of what a binary number holds exactly, and a few small ones.
pub(super) fn integer(dice: &mut Dice) -> i64 {
    const EDGES: &[i64] = &[
        0,
        1,
        -1,
        2,
        5,
        100,
        9_007_199_254_740_991,
        9_007_199_254_740_992,
        9_007_199_254_740_993,
        -9_007_199_254_740_993,
    ];
    if dice.chance(60) { *dice.pick(EDGES) } else { dice.between(-3, 12) }
}

/// Integers without a sign, around the end of those that have one, and around their own.
pub(super) fn unsigned(dice: &mut Dice) -> Cell {
    const END: u64 = i64::MAX as u64;
    let value = match dice.below(10) {
        0..3 => u64::try_from(dice.between(0, 12)).unwrap_or(0),
        3 => 9_007_199_254_740_993,
        _ => *dice.pick(&[END - 1, END, END + 1, END + 2, END + 1025, u64::MAX - 2048, u64::MAX - 1, u64::MAX]),
    };
    i64::try_from(value).map_or(Cell::Unsigned(value), Cell::Int)
}

/// Numbers with a fraction that is none, one that binary numbers have exactly, and one that they do not.
pub(super) fn real(dice: &mut Dice) -> f64 {
    const EDGES: &[f64] =
        &[0.0, -0.0, 1.0, 1.5, 0.1, 0.3, -2.25, 2.0, 5.0, 9_007_199_254_740_992.0, 1e15, 1e-7, 100.25];
    if dice.chance(70) { *dice.pick(EDGES) } else { dice.between(-12, 48) as f64 / 4.0 }
}
