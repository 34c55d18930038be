//! What is asked of one path: literals and operators.

use forgetd_connector::{Check, Comparison, Path, Predicate, Test, Value};

use super::{Entries, Reading};
use crate::config::{
    limits,
    place::Place,
    raw_where::{KEYWORDS, OPERATORS, RawWhere},
    read::{At, Field},
    words,
};

// === impl Reading ===

impl Reading<'_, '_> {
    /// What is asked of one path: a value is equality, a list is IN, a mapping has operators.
    pub(super) fn tests(&mut self, path: &Path, at: &At<RawWhere>) -> Option<Predicate> {
        let check = match &at.value {
            RawWhere::Map(entries) => return self.operators(path, entries, at.place),
            RawWhere::List(_) => Check::In(self.values(at)?),
            RawWhere::Null | RawWhere::One(_) => Check::Compare(Comparison::Equal, self.value(at)?),
        };
        self.test(path, check, false, at.place)
    }

    fn operators(&mut self, path: &Path, entries: &Entries, place: Place) -> Option<Predicate> {
        let (own, asked): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| key.value == "or_null");
        let or_null = self.or_null(own.first().map(|(_, value)| value));
        if asked.is_empty() {
            let fix = format!("write one of: {}", OPERATORS[..OPERATORS.len() - 1].join(", "));
            return self.refuse(place, "the mapping holds no operator", fix);
        }
        let mut parts = vec![];
        for (key, value) in asked {
            parts.push(self.operator(path, key, value, or_null.unwrap_or(false)));
            if let Some((own, _)) = own.first().filter(|_| or_null == Some(true))
                && matches!(key.value.as_str(), "is_null" | "exists")
            {
                let message = format!("`or_null` stands beside `{}`, which is never unknown", key.value);
                self.say.at(own.place, message, "remove `or_null`, or write two mappings in `all: [..]`");
            }
        }
        or_null?;
        Some(Predicate::All(parts.into_iter().collect::<Option<_>>()?))
    }

    fn operator(&mut self, path: &Path, key: &At<String>, value: &Field<RawWhere>, or_null: bool) -> Option<Predicate> {
        let word = key.value.as_str();
        if !OPERATORS.contains(&word) {
            let (message, fix) = unknown_operator(word);
            return self.refuse(key.place, message, fix);
        }
        let at = value.get()?;
        let check = match word {
            "eq" => Check::Compare(Comparison::Equal, self.single(word, at)?),
            "ne" => Check::Compare(Comparison::NotEqual, self.single(word, at)?),
            "lt" => Check::Compare(Comparison::Less, self.ordered(word, at)?),
            "le" => Check::Compare(Comparison::LessOrEqual, self.ordered(word, at)?),
            "gt" => Check::Compare(Comparison::Greater, self.ordered(word, at)?),
            "ge" => Check::Compare(Comparison::GreaterOrEqual, self.ordered(word, at)?),
            "in" => Check::In(self.values(at)?),
            "not_in" => Check::NotIn(self.values(at)?),
            "like" => Check::Like(self.pattern(at)?),
            "prefix" => Check::Prefix(self.prefix(at)?),
            "is_null" => Check::Null(self.truth(word, at)?),
            _ => Check::Exists(self.truth(word, at)?),
        };
        self.test(path, check, or_null, key.place)
    }

    fn test(&mut self, path: &Path, check: Check, or_null: bool, place: Place) -> Option<Predicate> {
        self.tests_seen += 1;
        if self.tests_seen == limits::TESTS_MAX + 1 {
            let fix = format!("write at most {}, or use `in` for several values of one column", limits::TESTS_MAX);
            self.say.at(place, "the condition has too many tests", fix);
        }
        let word = match check {
            Check::Null(_) => "is_null",
            Check::Exists(_) => "exists",
            _ => "",
        };
        if !word.is_empty() && path.is_many() {
            let message = format!("`{word}` is asked of every element of an array");
            return self.refuse(place, message, "ask it of a place before `[]`, or use where_native");
        }
        if word == "exists" && path.steps.is_empty() {
            return self.refuse(place, "a column always exists", "write `is_null`");
        }
        Some(Predicate::Test(Test { path: path.clone(), check, or_null }))
    }

    /// A literal.
    fn value(&mut self, at: &At<RawWhere>) -> Option<Value> {
        self.values_seen += 1;
        if self.values_seen == limits::VALUES_MAX + 1 {
            let fix = format!("write at most {}, or select by another column", limits::VALUES_MAX);
            self.say.at(at.place, "the condition has too many values", fix);
        }
        match &at.value {
            RawWhere::One(value) => Some(value.clone()),
            RawWhere::Null => self.refuse(at.place, "null equals nothing", "write `{ is_null: true }`"),
            RawWhere::List(_) => {
                self.refuse(at.place, "a list stands where one value is expected", "write one value here")
            }
            RawWhere::Map(_) => {
                self.refuse(at.place, "a mapping stands where one value is expected", "write one value here")
            }
        }
    }

    /// What `eq` and its like take.
    fn single(&mut self, word: &str, at: &At<RawWhere>) -> Option<Value> {
        if matches!(at.value, RawWhere::List(_)) {
            let many = if word == "ne" { "not_in" } else { "in" };
            let message = format!("`{word}` takes one value, found a list");
            return self.refuse(at.place, message, format!("write `{many}` for several values"));
        }
        if word == "ne" && matches!(at.value, RawWhere::Null) {
            return self.refuse(at.place, "null equals nothing and differs from nothing", "write `{ is_null: false }`");
        }
        self.value(at)
    }

    fn ordered(&mut self, word: &str, at: &At<RawWhere>) -> Option<Value> {
        if matches!(at.value, RawWhere::One(Value::Bool(_))) {
            let message = format!("`{word}` asks for an order, and truth values have none");
            return self.refuse(at.place, message, "write `eq` or `ne`");
        }
        if matches!(at.value, RawWhere::List(_)) {
            let message = format!("`{word}` takes one value, found a list");
            return self.refuse(at.place, message, "write one number or text");
        }
        self.value(at)
    }

    /// A list of literals.
    fn values(&mut self, at: &At<RawWhere>) -> Option<Vec<Value>> {
        let RawWhere::List(items) = &at.value else {
            let message = format!("expected a list of values, found {}", at.value.word());
            return self.refuse(at.place, message, "write `[..]`");
        };
        if items.is_empty() {
            let message = "the list is empty, so no row would ever match";
            return self.refuse(at.place, message, "write values, or remove the column");
        }
        let values: Vec<Option<Value>> = items.iter().map(|item| self.value(item.get()?)).collect();
        values.into_iter().collect()
    }

    fn text(&mut self, word: &str, at: &At<RawWhere>) -> Option<String> {
        match self.value(at)? {
            Value::Text(text) => Some(text),
            _ => {
                let message = format!("`{word}` takes text, found {}", at.value.word());
                self.refuse(at.place, message, "put it in quotes")
            }
        }
    }

    fn pattern(&mut self, at: &At<RawWhere>) -> Option<String> {
        let pattern = self.text("like", at)?;
        let (mut wild, mut chars) = (false, pattern.chars());
        while let Some(c) = chars.next() {
            if c == '\\' && chars.next().is_none() {
                let fix = r"write `\\` for a backslash that belongs to the text";
                return self.refuse(at.place, "the pattern ends with a backslash that takes nothing", fix);
            }
            wild |= matches!(c, '%' | '_');
        }
        if !wild {
            let message = "the pattern has neither `%` nor `_`, so it means one text only";
            return self.refuse(at.place, message, "write `eq`; `%` is any text and `_` any one character");
        }
        Some(pattern)
    }

    fn prefix(&mut self, at: &At<RawWhere>) -> Option<String> {
        let prefix = self.text("prefix", at)?;
        if prefix.is_empty() {
            let message = "every text begins with nothing";
            return self.refuse(at.place, message, "write a beginning, or `{ is_null: false }`");
        }
        Some(prefix)
    }

    pub(super) fn truth(&mut self, word: &str, at: &At<RawWhere>) -> Option<bool> {
        match at.value {
            RawWhere::One(Value::Bool(value)) => Some(value),
            _ => {
                let message = format!("`{word}` takes true or false, found {}", at.value.word());
                self.refuse(at.place, message, "write true or false")
            }
        }
    }
}

/// The word itself may be a value that lost its column, so it is not shown.
fn unknown_operator(word: &str) -> (&'static str, String) {
    if KEYWORDS.contains(&word) {
        let fix =
            format!("write `{word}` beside the columns: `{word}: {}`", if word == "not" { "{ .. }" } else { "[..]" });
        return ("the word is no operator of a column", fix);
    }
    let known = &OPERATORS;
    let fix = match words::nearest(word, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}; a place inside JSON is written `column.member`", known.join(", ")),
    };
    ("the operator is not known here", fix)
}
