//! Medians and spreads, as a table and as a picture.

use std::path::Path;

use plotters::prelude::*;

use crate::engine::Cell;
use crate::latency::Latencies;
use crate::policy::Policy;
use crate::spread::spread;

pub(crate) struct Report {
    engine: String,
    rows: u64,
    rounds: usize,
    policies: Vec<(Policy, Vec<Cell>)>,
}

// === impl Report ===

impl Report {
    pub(crate) fn new(engine: &str, rows: u64, rounds: usize) -> Self {
        Self { engine: engine.to_owned(), rows, rounds, policies: vec![] }
    }

    pub(crate) fn add(&mut self, policy: Policy, round: usize, cell: Cell) {
        eprintln!(
            "round {round}, {} beside {}: {:.0} rows/s, p99 {:.2} ms before and {:.2} ms during ({} transactions)",
            self.engine,
            policy.name(),
            speed(&cell),
            cell.before.percentile(99.0),
            cell.during.percentile(99.0),
            cell.during.count()
        );
        match self.policies.iter_mut().find(|(other, _)| *other == policy) {
            Some((_, cells)) => cells.push(cell),
            None => self.policies.push((policy, vec![cell])),
        }
    }

    pub(crate) fn print(&self) {
        println!("{}: half of {} rows due, medians [min-max] of {} rounds", self.engine, self.rows, self.rounds);
        #[allow(clippy::cast_precision_loss, reason = "rows")]
        let due = self.rows as f64 / 2.0;
        for (policy, cells) in &self.policies {
            let of = |f: &dyn Fn(&Cell) -> f64| spread(cells.iter().map(f).collect());
            let times = |percent| of(&|cell| ratio(cell, percent));
            let most = |f: &dyn Fn(&Cell) -> f64| cells.iter().map(f).fold(0.0, f64::max);
            println!(
                "  {}: {} rows/s; p50 {} x, p95 {} x, p99 {} x of before ({} ms then); longest transaction {:.0} ms; \
                 {} errors; {} by the server's record of lock waits; others used {:.0}% at most",
                policy.name(),
                median(cells, &speed).round(),
                times(50.0),
                times(95.0),
                times(99.0),
                of(&|cell| cell.before.percentile(99.0)),
                most(&|cell| cell.longest_ms),
                cells.iter().map(|cell| cell.errors).sum::<usize>(),
                self.waits(most(&|cell| cell.lock_waits)),
                most(&|cell| cell.foreign) * 100.0
            );
            for cell in cells.iter().filter(|cell| cell.rows > 0.0 && cell.rows < due) {
                let (rows, minutes) = (cell.rows, cell.seconds / 60.0);
                println!("    {rows:.0} of {due:.0} rows went in {minutes:.0} minutes; the others did not fit");
            }
        }
    }

    fn waits(&self, most: f64) -> String {
        match self.engine.as_str() {
            "postgres" => format!("{most} waits over 200 ms"),
            _ => format!("{most} ms at most"),
        }
    }

    /// Rows a second against the application's p99, both as medians.
    pub(crate) fn draw(&self, file: &Path) {
        let points: Vec<(&str, f64, f64)> = self
            .policies
            .iter()
            .map(|(policy, cells)| {
                let speed = median(cells, &speed);
                (policy.name(), speed, median(cells, &|cell| ratio(cell, 99.0)))
            })
            .collect();
        let most = |f: &dyn Fn(&(&str, f64, f64)) -> f64| points.iter().map(f).fold(1.0, f64::max);
        let root = SVGBackend::new(file, (900, 500)).into_drawing_area();
        root.fill(&WHITE).unwrap();
        let title = format!("{}: {} rows, half due, {} rounds", self.engine, self.rows, self.rounds);
        let mut chart = ChartBuilder::on(&root)
            .caption(title, ("sans-serif", 20))
            .margin(20)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..most(&|point| point.1) * 1.25, 0.0..most(&|point| point.2) * 1.1)
            .unwrap();
        chart
            .configure_mesh()
            .x_desc("rows purged a second")
            .y_desc("p99 of the application, times that of before")
            .x_label_formatter(&|rows| format!("{rows:.0}"))
            .draw()
            .unwrap();
        let dot = |point: &(&str, f64, f64)| {
            let place = EmptyElement::at((point.1, point.2));
            place + Circle::new((0, 0), 4, BLUE.filled()) + Text::new(point.0.to_owned(), (8, -6), ("sans-serif", 14))
        };
        chart.draw_series(points.iter().map(dot)).unwrap();
        root.present().unwrap();
    }
}

/// Rows a second.
fn speed(cell: &Cell) -> f64 {
    cell.rows / cell.seconds
}

fn ratio(cell: &Cell, percent: f64) -> f64 {
    let at = |latencies: &Latencies| latencies.percentile(percent);
    at(&cell.during) / at(&cell.before)
}

fn median(cells: &[Cell], f: &dyn Fn(&Cell) -> f64) -> f64 {
    let mut values: Vec<f64> = cells.iter().map(f).collect();
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}
