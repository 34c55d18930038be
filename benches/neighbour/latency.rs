//! How long transactions of the application took.

/// Milliseconds from the moment at which a transaction was to begin to its end, in rising order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<f64>);

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
