//! The progress bar of commands that take a while, on standard error and only where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use orders_inventory::store::Progress;

/// One line: what is done, how far, how fast, and how long it still takes.
const COUNTED: &str = "{msg:22} {wide_bar} {human_pos} of {human_len}, {per_sec:.0}, {eta} left";
/// The same where nobody knows how far.
const UNCOUNTED: &str = "{msg:22} {spinner} {elapsed}";
/// How often the line is drawn while nothing is told.
const TICK: Duration = Duration::from_millis(250);

/// A bar for one step after the other. It goes when this does.
pub(super) struct Bar {
    bar: ProgressBar,
    step: &'static str,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length();
        bar.enable_steady_tick(TICK);
        Self { bar, step: "" }
    }

    /// Shows how far this step is.
    pub(super) fn show(&mut self, progress: Progress) {
        if progress.step != self.step {
            self.step = progress.step;
            let template = if progress.total == 0 { UNCOUNTED } else { COUNTED };
            // A template that is wrong leaves the bar as it is.
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            self.bar.set_message(self.step);
            self.bar.set_position(0);
            self.bar.reset_eta();
        }
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
