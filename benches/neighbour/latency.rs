//! How long transactions of the application took.

/// Milliseconds from the moment at which a transaction was to begin to its end, in rising order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<f64>);

/// Everything that an application saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// When each transaction was to begin, in seconds of the wall clock, and how long it took from then on, in milliseconds.
    pub(crate) transactions: Vec<(f64, f64)>,
    /// Those that failed.
    pub(crate) errors: usize,
}

// === impl Latencies ===

impl Latencies {
    pub(crate) fn new(mut ms: Vec<f64>) -> Self {
        ms.sort_by(f64::total_cmp);
        Self(ms)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The latency that so many percent do not exceed.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in the list"
    )]
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let place = (self.0.len() as f64 * percent / 100.0).ceil() as usize;
        self.0.get(place.clamp(1, self.0.len().max(1)) - 1).copied().unwrap_or(f64::NAN)
    }
}

// === impl Seen ===

impl Seen {
    /// The transactions that were to begin in this stretch of time.
    pub(crate) fn between(&self, from: f64, to: f64) -> Latencies {
        let within = self.transactions.iter().filter(|(due, _)| (from..to).contains(due));
        Latencies::new(within.map(|(_, took)| *took).collect())
    }
}
