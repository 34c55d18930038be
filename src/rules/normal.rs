//! The normal form of predicates: what a policy reads as, and what is written back.

use forgetd_connector::{Check, Predicate, Test};

/// The same predicate in normal form: nowhere an `All` in an `All` or an `Any` in an `Any`, none of a single part, and
/// no constant but as the whole. Order and doubles stay. True, false and unknown are true, false and unknown as before.
pub fn normal(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::All(parts) => {
            let mut kept = vec![];
            for part in parts.into_iter().map(normal) {
                match part {
                    Predicate::All(inner) => kept.extend(inner),
                    // What is never true decides, whatever else is unknown.
                    Predicate::Any(none) if none.is_empty() => return Predicate::Any(none),
                    part => kept.push(part),
                }
            }
            single(kept, Predicate::All)
        }
        Predicate::Any(parts) => {
            let mut kept = vec![];
            for part in parts.into_iter().map(normal) {
                match part {
                    Predicate::Any(inner) => kept.extend(inner),
                    Predicate::All(none) if none.is_empty() => return Predicate::All(none),
                    part => kept.push(part),
                }
            }
            single(kept, Predicate::Any)
        }
        Predicate::Not { part, or_null } => match normal(*part) {
            Predicate::All(none) if none.is_empty() => Predicate::Any(none),
            Predicate::Any(none) if none.is_empty() => Predicate::All(none),
            part => Predicate::Not { part: Box::new(part), or_null },
        },
        Predicate::Test(test) => {
            // These are never unknown.
            let or_null = test.or_null && !matches!(test.check, Check::Null(_) | Check::Exists(_));
            Predicate::Test(Test { or_null, ..test })
        }
    }
}

fn single(mut parts: Vec<Predicate>, several: fn(Vec<Predicate>) -> Predicate) -> Predicate {
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            parts.extend(last);
            several(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use forgetd_connector::{Predicate, Value};

    use super::normal;

    fn a() -> Predicate {
        Predicate::equal("a", Value::Int(1))
    }

    fn b() -> Predicate {
        Predicate::equal("b", Value::Int(2))
    }

    fn not(part: Predicate) -> Predicate {
        Predicate::Not { part: Box::new(part), or_null: false }
    }

    #[test]
    fn nothing_is_nested_that_need_not_be() {
        let (all, any) = (Predicate::All, Predicate::Any);
        let (always, never) = (|| all(vec![]), || any(vec![]));
        for (written, meant) in [
            (all(vec![a()]), a()),
            (all(vec![all(vec![a()]), b()]), all(vec![a(), b()])),
            (any(vec![any(vec![a(), b()]), any(vec![a()])]), any(vec![a(), b(), a()])),
            (all(vec![any(vec![a(), b()]), b()]), all(vec![any(vec![a(), b()]), b()])),
            (all(vec![a(), always()]), a()),
            (all(vec![a(), never()]), never()),
            (any(vec![a(), always()]), always()),
            (any(vec![a(), never()]), a()),
            (all(vec![]), always()),
            (not(all(vec![not(always()), any(vec![])])), always()),
            (not(all(vec![any(vec![a()])])), not(a())),
        ] {
            assert_eq!(normal(written.clone()), meant, "{written:?}");
            assert_eq!(normal(meant.clone()), meant);
        }
    }
}
