//! Values made coarser: dates, numbers and texts, each by what it is. What a grain is not for stays and is passed over.

use forgetd_connector::Grain;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use mongodb::bson::{Bson, DateTime as BsonDate};

/// From so many steps on, a number with a fraction is left as it is: rounding it would say nothing.
const STEPS_MAX: f64 = 1_125_899_906_842_624.0;

/// The coarser value; absent where it is nothing that this grain is for.
pub(crate) fn coarser(value: &Bson, grain: &Grain) -> Option<Bson> {
    match (grain, value) {
        (Grain::Day | Grain::Month | Grain::Quarter | Grain::Year, Bson::DateTime(date)) => {
            let local = TimeZone::UTC.to_datetime(Timestamp::from_millisecond(date.timestamp_millis()).ok()?);
            let at = TimeZone::UTC.to_timestamp(first(local, grain)?).ok()?;
            Some(Bson::DateTime(BsonDate::from_millis(at.as_millisecond())))
        }
        (Grain::Step(step), Bson::Int32(number)) => {
            let number = lower((*number).into(), step)?;
            i32::try_from(number).ok().map(Bson::Int32)
        }
        (Grain::Step(step), Bson::Int64(number)) => lower(*number, step).map(Bson::Int64),
        (Grain::Step(step), Bson::Double(number)) => nearest(*number, step).map(Bson::Double),
        (Grain::Prefix(chars), Bson::String(text)) => {
            Some(Bson::String(text.chars().take(usize::try_from(*chars).ok()?).collect()))
        }
        _ => None,
    }
}

/// The first moment of its day, month, quarter or year.
fn first(local: DateTime, grain: &Grain) -> Option<DateTime> {
    let day = local.date();
    let day = match grain {
        Grain::Month => day.first_of_month(),
        Grain::Quarter => day.first_of_month().checked_sub(((day.month() - 1) % 3).months()).ok()?,
        Grain::Year => day.first_of_year(),
        _ => day,
    };
    Some(day.at(0, 0, 0, 0))
}

fn lower(number: i64, step: &str) -> Option<i64> {
    let step: i64 = step.parse().ok().filter(|step| *step > 0)?;
    number.checked_sub(number.rem_euclid(step))
}

fn nearest(number: f64, step: &str) -> Option<f64> {
    let step: f64 = step.parse().ok().filter(|step| *step > 0.0)?;
    let steps = number / step;
    // Without a negative zero.
    (steps.abs() < STEPS_MAX).then(|| steps.round() * step + 0.0)
}

#[cfg(test)]
mod tests {
    use forgetd_connector::Grain;
    use mongodb::bson::{Bson, DateTime};

    use super::coarser;

    fn date(text: &str) -> Bson {
        Bson::DateTime(DateTime::parse_rfc3339_str(text).unwrap())
    }

    #[test]
    fn values_become_coarser_once() {
        let step = |step: &str| Grain::Step(step.into());
        let text = |text: &str| Bson::String(text.into());
        for (grain, value, expected) in [
            (Grain::Day, date("1969-08-17T13:14:15.167Z"), Some(date("1969-08-17T00:00:00Z"))),
            (Grain::Month, date("2024-08-17T13:14:15Z"), Some(date("2024-08-01T00:00:00Z"))),
            (Grain::Quarter, date("2024-08-17T13:14:15Z"), Some(date("2024-07-01T00:00:00Z"))),
            (Grain::Year, date("2024-02-29T00:00:00Z"), Some(date("2024-01-01T00:00:00Z"))),
            (Grain::Year, text("2024"), None),
            (step("10"), Bson::Int32(-1), Some(Bson::Int32(-10))),
            (step("10"), Bson::Int64(19), Some(Bson::Int64(10))),
            (step("0.5"), Bson::Int32(1), None),
            (step("0.5"), Bson::Double(-0.75), Some(Bson::Double(-1.0))),
            (step("10"), Bson::Double(f64::NAN), None),
            (step("10"), Bson::Int32(i32::MIN), None),
            (Grain::Prefix(2), text("\u{e9}\u{6f22}x"), Some(text("\u{e9}\u{6f22}"))),
            (Grain::Prefix(2), Bson::Int32(123), None),
        ] {
            let coarse = coarser(&value, &grain);
            assert_eq!(coarse, expected, "{grain:?} {value}");
            if let Some(coarse) = coarse {
                assert_eq!(coarser(&coarse, &grain), Some(coarse.clone()), "{grain:?} {value}");
            }
        }
    }
}
