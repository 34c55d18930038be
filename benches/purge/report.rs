//! Medians and spreads, as a table.

use crate::Scene;

/// One round of one scene.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cell {
    pub(crate) rows: u64,
    pub(crate) lanes: u64,
    pub(crate) single: f64,
    /// Bytes of WAL.
    pub(crate) single_wal: f64,
    pub(crate) wal: f64,
    pub(crate) naked: f64,
    pub(crate) naked_longest_ms: f64,
    /// The whole program.
    pub(crate) forgetd: f64,
    /// Its batches alone.
    pub(crate) batches: f64,
    pub(crate) longest_ms: f64,
    pub(crate) peak_mib: f64,
    pub(crate) growth: f64,
}

pub(crate) struct Report {
    rows: u64,
    scenes: Vec<(Scene, Vec<Cell>)>,
}

impl Report {
    pub(crate) fn new(rows: u64) -> Self {
        Self { rows, scenes: vec![] }
    }

    pub(crate) fn add(&mut self, scene: &Scene, round: usize, cell: Cell) {
        eprintln!(
            "round {round} {}: single {:.2} s, naked {:.2} s, forgetd {:.2} s, longest {:.0} ms",
            scene.name(),
            cell.single,
            cell.naked,
            cell.forgetd,
            cell.longest_ms
        );
        match self.scenes.iter_mut().find(|(other, _)| other == scene) {
            Some((_, cells)) => cells.push(cell),
            None => self.scenes.push((*scene, vec![cell])),
        }
    }

    pub(crate) fn print(&self) {
        if self.scenes.is_empty() {
            return;
        }
        println!("{} rows, half due; medians [min-max] of {} rounds", self.rows, self.scenes[0].1.len());
        println!(
            "{:45} {:>10} {:>18} {:>18} {:>20} {:>20} {:>9} {:>9} {:>7} {:>7} {:>8} {:>5}",
            "scene",
            "rows/s",
            "x single",
            "naked x single",
            "batches on naked",
            "whole on naked",
            "longest",
            "naked l.",
            "growth",
            "x WAL",
            "peak MiB",
            "lanes"
        );
        for (scene, cells) in &self.scenes {
            let column = |f: &dyn Fn(&Cell) -> f64| spread(cells, f);
            #[allow(clippy::cast_precision_loss, reason = "rows")]
            let speed = median(cells, &|cell| cell.rows as f64 / cell.forgetd);
            println!(
                "{:45} {:>10.0} {:>18} {:>18} {:>20} {:>20} {:>7.0}ms {:>7.0}ms {:>7.2} {:>7.2} {:>8.1} {:>5}",
                scene.name(),
                speed,
                column(&|cell| cell.single / cell.forgetd),
                column(&|cell| cell.single / cell.naked),
                column(&|cell| cell.batches / cell.naked - 1.0),
                column(&|cell| cell.forgetd / cell.naked - 1.0),
                median(cells, &|cell| cell.longest_ms),
                median(cells, &|cell| cell.naked_longest_ms),
                median(cells, &|cell| cell.growth),
                median(cells, &|cell| cell.wal / cell.single_wal),
                median(cells, &|cell| cell.peak_mib),
                cells.iter().map(|cell| cell.lanes).max().unwrap_or_default(),
            );
        }
    }
}

fn sorted(cells: &[Cell], f: &dyn Fn(&Cell) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = cells.iter().map(f).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(cells: &[Cell], f: &dyn Fn(&Cell) -> f64) -> f64 {
    let values = sorted(cells, f);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

fn spread(cells: &[Cell], f: &dyn Fn(&Cell) -> f64) -> String {
    let values: Vec<f64> = cells.iter().map(f).collect();
    // What the scene does not tell.
    if values.iter().all(|value| value.is_nan()) { "-".into() } else { super::spread::spread(values) }
}
