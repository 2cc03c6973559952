//! How far an action is: a bar on a terminal, plain lines on change elsewhere; always on standard error.

use super::{Screen, text};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use types::api::action::ActionView;

/// Shows the progress of one action.
pub struct Progress {
    screen: Screen,
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    /// Begins to show; nothing is drawn before the first update.
    pub fn new(screen: Screen) -> Self {
        let bar = screen.may_paint.then(|| {
            let style = ProgressStyle::with_template("{bar:20} {msg}");
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        // a dumb terminal hides the bar; it gets lines
        let bar = bar.filter(|bar| !bar.is_hidden());
        Self { screen, bar, last: String::new() }
    }

    /// Shows how the action is now.
    pub fn update(&mut self, action: &ActionView) {
        let line = describe(action);
        if line == self.last {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_length(action.counters.targeted.try_into().unwrap_or(0));
            bar.set_position(done(action).try_into().unwrap_or(0));
            bar.set_message(line.clone());
        } else {
            self.screen.note(&line);
        }
        self.last = line;
    }

    /// Writes something without tearing the bar.
    pub fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Says something that is not progress.
    pub fn note(&self, note: &str) {
        self.aside(|| self.screen.note(note));
    }

    /// Ends with the last state in plain text; a bar does not stay.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            if !self.last.is_empty() {
                self.screen.note(&self.last);
            }
        }
    }
}

/// Gives how many commands ended.
pub fn done(action: &ActionView) -> i64 {
    let counters = action.counters;
    counters.success + counters.failed + counters.timeout + counters.expired + counters.cancelled
}

/// Describes an action in a line; counts that are zero are left out, but how many are done never is.
pub fn describe(action: &ActionView) -> String {
    let counters = action.counters;
    let parts: Vec<String> = [
        (counters.waiting, "waiting"),
        (counters.delivered, "delivered"),
        (counters.success, "success"),
        (counters.failed, "failed"),
        (counters.timeout, "timeout"),
        (counters.expired, "expired"),
        (counters.cancelled, "cancelled"),
    ]
    .iter()
    .filter(|(count, _)| *count != 0)
    .map(|(count, name)| format!("{count} {name}"))
    .collect();
    let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    let status = text::escape(&action.status);
    let mut line = format!(
        "action {} {status}: {} of {} done{parts}",
        action.id,
        done(action),
        counters.targeted
    );
    if action.status == "paused" {
        let reason = text::escape(action.reason.as_deref().unwrap_or_default());
        line += &format!("; {reason}; next: writ action resume {}", action.id);
    }
    line
}
