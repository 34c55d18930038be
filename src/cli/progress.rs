//! Progress of long work: a bar on a terminal, nothing elsewhere (the log has its lines).

use std::cell::RefCell;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run::{Begun, Progress};

/// A bar on standard error, if that is a terminal.
#[derive(Default)]
pub struct Bar(RefCell<Option<ProgressBar>>);

// === impl Bar ===

impl Progress for Bar {
    fn begin(&self, rule: &str, begun: &Begun<'_>) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let bar = if begun.exact { ProgressBar::new(begun.due) } else { ProgressBar::no_length() };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        let template = "{msg} {bar:30} {human_pos} of {human_len} rows  {per_sec}  {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(rule.to_owned());
        bar.set_position(begun.changed);
        *self.0.borrow_mut() = Some(bar);
    }

    fn batch(&self, _rule: &str, _rows: u64, changed: u64, _took: Duration) {
        if let Some(bar) = self.0.borrow().as_ref() {
            bar.set_position(changed);
        }
    }

    fn end(&self, _rule: &str) {
        if let Some(bar) = self.0.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}
