//! The course of a backlog as a line. Pure geometry.

use jiff::Timestamp;

use super::words;
use crate::board::RuleState;

/// The drawing's own units; it is stretched to where it stands.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 100.0;

/// So many points are drawn of a small one.
const SMALL_POINTS_MAX: usize = 24;

/// A chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chart {
    /// The points of the line.
    pub(super) line: String,
    /// The same closed at the bottom.
    pub(super) area: String,
    /// From the last point to where nothing is left.
    pub(super) ahead: Option<String>,
    /// What it shows, in words.
    pub(super) label: String,
    /// The highest value.
    pub(super) top: String,
    /// The day it begins.
    pub(super) from: String,
    /// The day it ends.
    pub(super) to: String,
}

/// Where a moment and a number lie.
struct Scale {
    from: i64,
    span: f64,
    top: f64,
}

/// The chart of a rule's backlog; nothing where there is no course yet, or nothing ever was left.
pub(super) fn of(rule: &RuleState) -> Option<Chart> {
    let course = &rule.standing.course;
    let (first, last) = (course.first()?, course.last()?);
    let top = course.iter().map(|(_, left)| *left).max().filter(|top| *top > 0)?;
    let drained = rule.drained.filter(|drained| last.1 > 0 && *drained > last.0);
    let end = drained.unwrap_or(last.0);
    let scale = Scale::new(first.0, end, top)?;
    let line = points(course.iter(), &scale);
    let area = format!("{},{HEIGHT} {line} {},{HEIGHT}", scale.x(first.0), scale.x(last.0));
    let ahead = drained.map(|drained| format!("{} {}", scale.point(last), scale.point(&(drained, 0))));
    Some(Chart {
        line,
        area,
        ahead,
        label: format!(
            "backlog from {} to {} rows between {} and {}",
            words::count(first.1),
            words::count(last.1),
            words::day(first.0),
            words::day(last.0)
        ),
        top: words::count(top),
        from: words::day(first.0),
        to: words::day(end),
    })
}

/// The line alone, with few points, for a row of the table.
pub(super) fn small(rule: &RuleState) -> Option<String> {
    let course = &rule.standing.course;
    let (first, last) = (course.first()?, course.last()?);
    let top = course.iter().map(|(_, left)| *left).max().filter(|top| *top > 0)?;
    let scale = Scale::new(first.0, last.0, top)?;
    let step = course.len().div_ceil(SMALL_POINTS_MAX);
    // Counted from the end, so that the newest point is always there.
    let mut kept: Vec<_> = course.iter().rev().step_by(step).collect();
    kept.reverse();
    Some(points(kept.into_iter(), &scale))
}

fn points<'a>(course: impl Iterator<Item = &'a (Timestamp, u64)>, scale: &Scale) -> String {
    course.map(|point| scale.point(point)).collect::<Vec<_>>().join(" ")
}

// === impl Scale ===

impl Scale {
    /// Nothing where no time passes.
    fn new(from: Timestamp, to: Timestamp, top: u64) -> Option<Self> {
        let span = to.duration_since(from).as_secs_f64();
        (span > 0.0).then(|| Self { from: from.as_second(), span, top: top as f64 })
    }

    fn x(&self, at: Timestamp) -> String {
        let x = (at.as_second() - self.from) as f64 / self.span * WIDTH;
        format!("{:.0}", x.clamp(0.0, WIDTH))
    }

    fn point(&self, (at, left): &(Timestamp, u64)) -> String {
        let y = HEIGHT - (*left as f64 / self.top * HEIGHT);
        format!("{},{:.0}", self.x(*at), y.clamp(0.0, HEIGHT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Mode;
    use crate::run::standing::Standing;

    fn rule(course: &[(i64, u64)], drained: Option<i64>) -> RuleState {
        let at = |second| Timestamp::from_second(second).unwrap();
        RuleState {
            database: "crm".into(),
            engine: String::new(),
            table: "t".into(),
            action: "delete",
            mode: Mode::Enforce,
            keep_for: "30d".into(),
            schedule: None,
            interval_secs: None,
            next: None,
            running: None,
            standing: Standing {
                course: course.iter().map(|(second, left)| (at(*second), *left)).collect(),
                ..Standing::default()
            },
            drained: drained.map(at),
        }
    }

    #[test]
    fn the_line_goes_from_corner_to_corner() {
        let chart = of(&rule(&[(0, 200), (50, 100), (100, 0)], None)).unwrap();
        assert_eq!(chart.line, "0,0 300,50 600,100");
        assert_eq!(chart.area, "0,100 0,0 300,50 600,100 600,100");
        assert_eq!((chart.ahead, chart.top.as_str()), (None, "200"));
    }

    #[test]
    fn what_is_ahead_ends_at_nothing() {
        let chart = of(&rule(&[(0, 200), (50, 100)], Some(100))).unwrap();
        assert_eq!((chart.line.as_str(), chart.ahead.as_deref()), ("0,0 300,50", Some("300,50 600,100")));
        // A date that has passed is none.
        assert_eq!(of(&rule(&[(0, 200), (50, 100)], Some(20))).unwrap().ahead, None);
    }

    #[test]
    fn no_course_no_chart() {
        for course in [&[][..], &[(0, 5)], &[(0, 0), (9, 0)], &[(9, 5), (9, 4)]] {
            assert_eq!((of(&rule(course, None)), small(&rule(course, None))), (None, None), "{course:?}");
        }
    }

    #[test]
    fn a_small_one_has_few_points_and_the_newest() {
        let course: Vec<_> = (0..90).map(|n| (n, 90 - u64::try_from(n).unwrap())).collect();
        let line = small(&rule(&course, None)).unwrap();
        assert!(line.split(' ').count() <= SMALL_POINTS_MAX && line.ends_with("600,99"), "{line}");
    }
}
