//! Where a value is: a column, or a place inside a JSON column.

use std::{fmt, iter::Peekable, str::Chars};

use thiserror::Error;

/// A column, or a place inside a JSON column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// The column.
    pub column: String,
    /// The way from there; empty: the column's own value.
    pub steps: Vec<PathStep>,
}

/// One step into a JSON value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathStep {
    /// The member of this name of an object. Anything else has none: missing.
    Field(String),
    /// Every element of an array: the test is true if it is true for one of them, false if it is false for all of them
    /// and there is one, else unknown. Anything else than an array: missing.
    Each,
}

/// Why a text is no path, and where in it. It never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("at character {at} of the path {fault}")]
pub struct PathError {
    /// The character, counted from 1; one behind the last where something is missing at the end.
    pub at: usize,
    /// What is wrong.
    pub fault: PathFault,
}

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PathFault {
    /// A part without a name.
    #[error("a name is missing; write a name before and behind every dot, and `\\.` for a dot that belongs to a name")]
    Empty,
    /// A backslash with nothing behind it.
    #[error("a backslash has nothing behind it; write `\\\\` for a backslash that belongs to the name")]
    Backslash,
    /// A bracket that is no `[]`.
    #[error(
        "a bracket stands alone; write `[]` for every element of an array, and `\\[` and `\\]` for brackets that \
         belong to a name"
    )]
    Bracket,
    /// A name right behind `[]`.
    #[error("a name follows `[]`; write a dot before it")]
    Joined,
}

// === impl Path ===

impl Path {
    /// A column's own value.
    pub fn column(name: &str) -> Self {
        Self { column: name.into(), steps: vec![] }
    }

    /// Reads a path as it is written in a policy: names between dots, `[]` for every element of an array. A backslash
    /// takes the next character as it is, so `a\.b` is one name. What [`Display`](fmt::Display) writes reads back.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut reading = Reading { rest: text.chars().peekable(), at: 0 };
        let column = reading.name()?;
        let mut steps = vec![];
        while let Some(c) = reading.next() {
            match c {
                '.' => steps.push(PathStep::Field(reading.name()?)),
                '[' if reading.rest.peek() == Some(&']') => {
                    reading.next();
                    steps.push(PathStep::Each);
                }
                '[' | ']' => return Err(reading.fault(PathFault::Bracket)),
                _ => return Err(reading.fault(PathFault::Joined)),
            }
        }
        Ok(Self { column, steps })
    }

    /// Whether it goes through every element of an array.
    pub fn is_many(&self) -> bool {
        self.steps.contains(&PathStep::Each)
    }

    /// Whether every name in it can stand in a path of a document database, where names lie between dots and `$` begins what
    /// is no name.
    pub fn names_fields(&self) -> bool {
        let plain = |name: &str| !name.is_empty() && !name.starts_with('$') && !name.contains(['.', '\0']);
        let steps = self.steps.iter().all(|step| match step {
            PathStep::Field(name) => plain(name),
            PathStep::Each => true,
        });
        plain(&self.column) && steps
    }
}

impl fmt::Display for Path {
    /// As it is written in a policy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.column))?;
        for step in &self.steps {
            match step {
                PathStep::Field(name) => write!(f, ".{}", escaped(name))?,
                PathStep::Each => f.write_str("[]")?,
            }
        }
        Ok(())
    }
}

fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '.' | '\\' | '[' | ']') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// A text being read.
struct Reading<'a> {
    rest: Peekable<Chars<'a>>,
    /// Characters read so far.
    at: usize,
}

// === impl Reading ===

impl Reading<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.at += usize::from(next.is_some());
        next
    }

    /// Something is wrong with the character that was read last.
    const fn fault(&self, fault: PathFault) -> PathError {
        PathError { at: self.at, fault }
    }

    /// A name, up to a dot, a bracket or the end.
    fn name(&mut self) -> Result<String, PathError> {
        let mut name = String::new();
        while let Some(c) = self.rest.peek().copied() {
            if matches!(c, '.' | '[' | ']') {
                break;
            }
            self.next();
            match c {
                '\\' => name.push(self.next().ok_or_else(|| self.fault(PathFault::Backslash))?),
                c => name.push(c),
            }
        }
        if name.is_empty() {
            return Err(PathError { at: self.at + 1, fault: PathFault::Empty });
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::{Path, PathError, PathFault, PathStep};

    #[test]
    fn paths_read_and_read_back() {
        let field = |name: &str| PathStep::Field(name.into());
        for (text, column, steps, shown) in [
            ("status", "status", vec![], "status"),
            ("a.b.c", "a", vec![field("b"), field("c")], "a.b.c"),
            ("items[].email", "items", vec![PathStep::Each, field("email")], "items[].email"),
            ("a[][]", "a", vec![PathStep::Each, PathStep::Each], "a[][]"),
            ("a.b[]", "a", vec![field("b"), PathStep::Each], "a.b[]"),
            (r"a\.b", "a.b", vec![], r"a\.b"),
            (r"a\[0\].c\\", "a[0]", vec![field(r"c\")], r"a\[0\].c\\"),
            (r"\any", "any", vec![], "any"),
            ("a b.ö", "a b", vec![field("ö")], "a b.ö"),
        ] {
            let path = Path::parse(text).unwrap();
            assert_eq!((path.column.as_str(), &path.steps), (column, &steps), "{text}");
            assert_eq!(path.to_string(), shown);
            assert_eq!(Path::parse(shown), Ok(path));
        }
    }

    #[test]
    fn what_is_no_path_is_said_with_its_place() {
        for (text, at, fault) in [
            ("", 1, PathFault::Empty),
            (".a", 1, PathFault::Empty),
            ("a.", 3, PathFault::Empty),
            ("ö..b", 3, PathFault::Empty),
            ("[]", 1, PathFault::Empty),
            ("a.[]", 3, PathFault::Empty),
            ("a\\", 2, PathFault::Backslash),
            (r"a\\\", 4, PathFault::Backslash),
            ("a[0]", 2, PathFault::Bracket),
            ("a[", 2, PathFault::Bracket),
            ("a]", 2, PathFault::Bracket),
            ("a[]]", 4, PathFault::Bracket),
            ("a[]b", 4, PathFault::Joined),
        ] {
            assert_eq!(Path::parse(text), Err(PathError { at, fault }), "{text}");
        }
        let said = Path::parse("secret.").unwrap_err().to_string();
        assert!(said.starts_with("at character 8 of the path a name is missing; ") && !said.contains("secret"));
    }
}
