//! A histogram of months, short enough to be read.

use forgetd_connector::Month;

/// More lines than this are summed up by year.
const LINES_MAX: usize = 24;

/// How long the longest bar is.
const BAR: u64 = 30;

/// The months, or the years where there are many, each with a bar; anything at all has one mark.
pub(super) fn bars(months: &[Month]) -> Vec<(Month, String)> {
    let shown = if months.len() > LINES_MAX { years(months) } else { months.to_vec() };
    let most = shown.iter().map(|month| month.rows).max().unwrap_or(0).max(1);
    let bar = |rows: u64| {
        let length = (rows.saturating_mul(BAR) / most).max(u64::from(rows > 0));
        "#".repeat(usize::try_from(length).unwrap_or(0))
    };
    shown.into_iter().map(|month| (month.clone(), bar(month.rows))).collect()
}

fn years(months: &[Month]) -> Vec<Month> {
    let mut years: Vec<Month> = vec![];
    for Month { month, rows } in months {
        let year =
            month.as_ref().map(|month| month.rsplit_once('-').map_or(month.clone(), |(year, _)| year.to_owned()));
        match years.last_mut() {
            Some(last) if last.month == year => last.rows += rows,
            _ => years.push(Month { month: year, rows: *rows }),
        }
    }
    years
}

#[cfg(test)]
mod tests {
    use forgetd_connector::Month;

    use super::{BAR, bars};

    fn month(name: &str, rows: u64) -> Month {
        Month { month: Some(name.into()), rows }
    }

    #[test]
    fn bars_show_proportions_and_never_hide_a_month() {
        let shown = bars(&[month("2024-01", 3_000), month("2024-02", 1), month("2024-03", 1_500)]);
        let lengths: Vec<usize> = shown.iter().map(|(_, bar)| bar.len()).collect();
        assert_eq!(lengths, [30, 1, 15]);
        assert_eq!(BAR, 30);
        assert_eq!(bars(&[]), []);
    }

    #[test]
    fn many_months_become_years_and_lose_no_row() {
        let months: Vec<Month> =
            (2000..2005).flat_map(|y| (1..=12).map(move |m| month(&format!("{y}-{m:02}"), 2))).collect();
        let shown = bars(&months);
        assert_eq!(
            shown.iter().map(|(year, _)| year.month.as_deref()).collect::<Vec<_>>(),
            [Some("2000"), Some("2001"), Some("2002"), Some("2003"), Some("2004")]
        );
        assert_eq!(shown.iter().map(|(year, _)| year.rows).sum::<u64>(), 120);
    }
}
