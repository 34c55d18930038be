//! Spans of physical row ids: arithmetic, at a pace that follows how densely due rows lie.

use forgetd_connector::Fault;
use forgetd_connector::walk::{Position, Span};

use super::{Counted, SLOW_MICROS, Walker};
use crate::connect::Session;
use crate::query::{LINE_BITS, tid_from};
use crate::survey::{Survey, get, odd};

/// The most blocks one batch reads.
const BLOCKS_MAX: f64 = 2_048.0;

/// A batch over its limit is thrown away, so batches aim below it by this many square roots of it: due rows that lie at
/// random scatter by less than one.
const MARGIN: f64 = 2.5;

/// Density that grew by more than this is believed at once: due rows that lie together come suddenly.
const LEAP: f64 = 1.25;

/// How many blocks a batch reads.
pub(super) struct Pace {
    /// Due rows per block, as met lately.
    density: f64,
    /// The most blocks to read next time.
    blocks_max: f64,
}

// === impl Pace ===

impl Pace {
    pub(super) fn new(survey: &Survey) -> Self {
        let blocks = as_float(survey.blocks.max(1));
        // Until met otherwise, every row is due.
        let density = survey.rows.map_or(100.0, |rows| (rows / blocks).max(0.1));
        Self { density, blocks_max: BLOCKS_MAX / 16.0 }
    }

    fn blocks(&self, rows_max: u32) -> u64 {
        let rows = f64::from(rows_max);
        let aim = (rows - MARGIN * rows.sqrt()).max(1.0);
        let blocks = (aim / self.density.max(0.001)).min(self.blocks_max);
        // Between 1 and BLOCKS_MAX by construction.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let blocks = blocks.max(1.0) as u64;
        blocks
    }

    pub(super) fn went(&mut self, from: u64, to: u64, changed: u64, micros: u64) {
        let blocks = as_float(((to - from) >> LINE_BITS).max(1));
        let met = as_float(changed) / blocks;
        self.density = if met > self.density * LEAP { met } else { self.density + (met - self.density) / 4.0 };
        self.blocks_max = if micros > SLOW_MICROS {
            (blocks * as_float(SLOW_MICROS) / as_float(micros)).max(1.0)
        } else {
            self.blocks_max.max(blocks * 2.0).min(BLOCKS_MAX)
        };
    }
}

#[allow(clippy::cast_precision_loss, reason = "a pace needs no exact numbers")]
fn as_float(number: u64) -> f64 {
    number as f64
}

// === impl Walker ===

impl Walker {
    pub(super) async fn physical(
        &mut self,
        session: &Session,
        from: u64,
        rows_max: u32,
        counted: Counted,
    ) -> Result<(Span, Option<Position>), Fault> {
        let (span, after) = self.physical_rows(from, rows_max);
        let Span::Physical { to, .. } = span else { return Ok((span, after)) };
        if counted == Counted::Due {
            let sql = self.query.peek_physical(from, to, rows_max);
            if let Some(row) = self.read(session, &sql).await?.first() {
                let text: String = get(row, 0, &self.place)?;
                return Ok(self.physical_to(from, tid_from(&text).ok_or_else(|| odd(&self.place))?));
            }
        }
        Ok((span, after))
    }

    /// The span by the pace alone.
    pub(super) fn physical_rows(&self, from: u64, rows_max: u32) -> (Span, Option<Position>) {
        let blocks = self.pace.blocks(rows_max);
        self.physical_to(from, ((from >> LINE_BITS) + blocks) << LINE_BITS)
    }

    fn physical_to(&self, from: u64, to: u64) -> (Span, Option<Position>) {
        // Rows that come behind the end that the table had are new.
        let end = self.survey.blocks << LINE_BITS;
        let storage = self.survey.storage.clone();
        let to = match &self.until {
            // Where the other lane began behind this one's back nothing is left to this one.
            Some(Position::Physical { storage: of, from: until }) if *of == storage && *until <= from => {
                return (Span::Physical { from, to: from }, self.until.clone());
            }
            Some(Position::Physical { storage: of, from: until }) if *of == storage => to.min(*until),
            _ => to,
        };
        (Span::Physical { from, to }, (to < end).then_some(Position::Physical { storage, from: to }))
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    #[test]
    fn the_pace_follows_density_and_time() {
        let mut pace = Pace { density: 100.0, blocks_max: 128.0 };
        assert_eq!(pace.blocks(1000), 9);
        assert_eq!(pace.blocks(1), 1);
        for _ in 0..20 {
            pace.went(0, pace.blocks(1000) << 16, 0, 1_000);
        }
        assert_eq!(pace.blocks(1000), 2_048);
        pace.went(0, 2_048 << 16, 0, 50_000);
        assert_eq!(pace.blocks(1000), 1_024);
        pace.went(0, 10 << 16, 1_000, 1_000);
        assert_eq!(pace.blocks(1000), 9);
    }
}
