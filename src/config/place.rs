//! Where things stand: files, lines, columns, and lines shown to people without the values in them.

use std::ops::Range;

use super::Problem;

/// Where a value was written. Lines and columns count from 1, columns in characters; line 0 is no line at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) source: u32,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// One origin of settings: a file, an environment variable or a flag.
#[derive(Debug)]
pub(super) struct Source {
    /// What problems begin with.
    pub(super) name: String,
    /// The text of a file; empty for anything else.
    pub(super) text: String,
    /// What is known about the text; empty until it was parsed.
    pub(super) spans: Vec<Span>,
}

/// A key or a value in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) bytes: Range<usize>,
    /// Whether people may see it: known keys, and values of settings that cannot be secret.
    pub(super) visible: bool,
}

/// Every origin, in the order of layering.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

// === impl Sources ===

impl Sources {
    /// Adds one and returns its number.
    pub(super) fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> u32 {
        self.0.push(Source { name: name.into(), text: text.into(), spans: vec![] });
        u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX)
    }

    /// The text of one.
    pub(super) fn text(&self, source: u32) -> &str {
        self.get(source).map_or("", |source| source.text.as_str())
    }

    /// Says what of a text may be shown.
    pub(super) fn show(&mut self, source: u32, spans: Vec<Span>) {
        if let Some(source) = self.0.get_mut(source as usize) {
            source.spans = spans;
        }
    }

    /// `file:line:column`, or the bare name where there is no line.
    pub(super) fn name(&self, place: Place) -> String {
        let name = self.get(place.source).map_or("configuration", |source| source.name.as_str());
        if place.line == 0 { name.into() } else { format!("{name}:{}:{}", place.line, place.column) }
    }

    /// A problem at `place` with its line below.
    pub(super) fn problem(&self, place: Place, message: impl Into<String>, fix: impl Into<String>) -> Problem {
        let order = (place.source, place.line, place.column);
        Problem { snippet: self.snippet(place), order, ..Problem::new(self.name(place), message, fix) }
    }

    fn get(&self, source: u32) -> Option<&Source> {
        self.0.get(source as usize)
    }

    /// The line at `place` with a caret below. Values that may be secret are shown as `…`, comments not at all; where
    /// nothing is known about the text, nothing is shown.
    fn snippet(&self, place: Place) -> Option<String> {
        let source = self.get(place.source)?;
        if source.spans.is_empty() {
            return None;
        }
        let index = place.line.checked_sub(1)?;
        let line = source.text.split_inclusive('\n').nth(index as usize)?;
        let start = line.as_ptr().addr() - source.text.as_ptr().addr();
        let (mut shown, mut caret, mut hidden) = (String::new(), None, None);
        for (number, (at, c)) in line.trim_end_matches(['\r', '\n']).char_indices().enumerate() {
            let span = source.spans.iter().find(|span| span.bytes.contains(&(start + at)));
            if number + 1 == place.column as usize {
                caret = Some(shown.chars().count() - usize::from(hidden.is_some() && hidden == span));
            }
            match span {
                Some(Span { visible: true, .. }) => shown.push(if c.is_control() { ' ' } else { c }),
                Some(_) if hidden == span => {}
                Some(_) => shown.push('…'),
                None if c == '#' => break,
                None if harmless(c) => shown.push(if c == '\t' { ' ' } else { c }),
                None if shown.ends_with('…') => {}
                None => shown.push('…'),
            }
            hidden = span.filter(|span| !span.visible);
        }
        let caret = caret.unwrap_or_else(|| shown.chars().count());
        let number = place.line.to_string();
        let gutter = " ".repeat(number.len());
        Some(format!("{number} | {}\n{gutter} | {}^", shown.trim_end(), " ".repeat(caret)))
    }
}

/// Characters that structure a line and say nothing.
const fn harmless(c: char) -> bool {
    matches!(c, ' ' | '\t' | '{' | '}' | '[' | ']' | ',' | ':' | '-')
}

#[cfg(test)]
mod tests {
    use super::{Place, Sources, Span};

    #[test]
    fn only_what_is_harmless_is_shown() {
        let mut sources = Sources::default();
        let text = "a: 1\n  url: postgres://u:pw@h  # pw\n";
        let file = sources.add("f.yaml", text);
        let place = |line, column| Place { source: file, line, column };
        assert_eq!(sources.problem(place(2, 3), "m", "f").to_string(), "f.yaml:2:3: m; f");
        sources.show(file, vec![Span { bytes: 7..10, visible: true }, Span { bytes: 12..29, visible: false }]);
        let shown = |line, column| sources.problem(place(line, column), "m", "f").to_string();
        assert_eq!(shown(2, 3), "f.yaml:2:3: m; f\n  2 |   url: …\n    |   ^");
        assert_eq!(shown(2, 8), "f.yaml:2:8: m; f\n  2 |   url: …\n    |        ^");
        assert_eq!(shown(2, 9), "f.yaml:2:9: m; f\n  2 |   url: …\n    |        ^");
        assert_eq!(shown(9, 1), "f.yaml:9:1: m; f");
        assert_eq!(shown(0, 0), "f.yaml: m; f");
    }
}
