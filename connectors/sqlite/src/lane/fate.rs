//! What becomes of due rows that a transform read.

use forgetd_connector::{Cause, NewRow, OldRow, Transform, Value};

use crate::codec;
use crate::query::{Becomes, Kept, Line, Rewriting, coarser};

/// What becomes of one row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    /// These of its columns are written, and the marker.
    Write(Vec<Set>),
    /// It is passed over.
    Unfit(Cause),
}

/// A column that is written, by its number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Set {
    pub(super) column: usize,
    pub(super) value: Value,
    pub(super) kept: Kept,
}

/// One fate for each line; absent where the transform answers for other rows than it was asked for.
pub(super) fn fates(rewriting: &Rewriting, lines: &[Line], transform: &dyn Transform) -> Option<Vec<Fate>> {
    let computed = |n: &usize| matches!(rewriting.columns()[*n].becomes, Becomes::Computed { .. });
    let computed: Vec<usize> = (0..rewriting.columns().len()).filter(computed).collect();
    let answers = if computed.is_empty() {
        vec![NewRow::Same; lines.len()]
    } else {
        let old = |line: &Line| OldRow { values: rewriting.old_values(line), marked: line.marked };
        transform.compute(&lines.iter().map(old).collect::<Vec<_>>())
    };
    if answers.len() != lines.len() {
        return None;
    }
    lines.iter().zip(answers).map(|(line, answer)| fate(rewriting, line, &computed, answer)).collect()
}

fn fate(rewriting: &Rewriting, line: &Line, computed: &[usize], answer: NewRow) -> Option<Fate> {
    let mut answers = match answer {
        _ if line.too_large => return Some(Fate::Unfit(Cause::Size)),
        NewRow::Unfit(cause) => return Some(Fate::Unfit(cause)),
        NewRow::Same => vec![],
        NewRow::Values(values) if values.len() == computed.len() => values,
        NewRow::Values(_) => return None,
    }
    .into_iter();
    let mut sets = vec![];
    for (column, (touched, cell)) in rewriting.columns().iter().zip(&line.cells).enumerate() {
        let value = match &touched.becomes {
            Becomes::Constant(value) => (cell.value == Value::Int(1)).then(|| value.clone()),
            Becomes::Coarser(_) if cell.value == Value::Null => None,
            Becomes::Coarser(grain) => match coarser(&cell.value, grain) {
                Some(value) => Some(value).filter(|value| *value != cell.value),
                None => return Some(Fate::Unfit(Cause::ValueUnfit)),
            },
            // NULL is never written over.
            Becomes::Computed { .. } => {
                answers.next().filter(|value| *value != cell.value && cell.value != Value::Null)
            }
        };
        if let Some(value) = value {
            let Some(bound) = codec::bind(&value) else { return Some(Fate::Unfit(Cause::TransformUnfit)) };
            let kept = if bound.as_text { Kept::RawText } else { cell.kept };
            sets.push(Set { column, value, kept });
        }
    }
    let finished = line.marked || rewriting.marker().is_none();
    // Nothing would be written, and the row is due: what is in it is no such thing as the rule says.
    Some(if sets.is_empty() && finished { Fate::Unfit(Cause::ValueUnfit) } else { Fate::Write(sets) })
}
