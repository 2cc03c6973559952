//! Data on standard output, everything else on standard error.

pub mod csv;
pub mod elements;
pub mod found;
pub mod installs;
pub mod list;
pub mod playbooks;
pub mod progress;
pub mod results;
pub mod steps;
pub mod table;
mod tasks;
pub mod text;
pub mod views;

use crate::exit::{Failure, of_writing};
use clap::ValueEnum;
use std::io::{self, IsTerminal, Write};

/// Says how data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Columns for people; dangerous characters are escaped.
    #[default]
    Table,
    /// One JSON document, exactly as the server wrote its parts.
    Json,
    /// One JSON document per line.
    Jsonl,
    /// Comma-separated values with a header; cells that look like formulas get a leading quote.
    Csv,
}

/// Knows where the two streams go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Whether standard output is a terminal: then dangerous characters are escaped in every format.
    pub data_is_shown: bool,
    /// Whether standard error is a terminal that may be painted on.
    pub may_paint: bool,
    /// Whether a person can be asked: both standard input and standard error are terminals.
    pub may_ask: bool,
}

impl Screen {
    /// Looks at the streams; `no_color` is the variable of that name (<https://no-color.org>).
    pub fn detect(no_color: Option<&str>) -> Self {
        let stderr = io::stderr().is_terminal();
        Self {
            data_is_shown: io::stdout().is_terminal(),
            may_paint: stderr && no_color.is_none_or(str::is_empty),
            may_ask: stderr && io::stdin().is_terminal(),
        }
    }

    /// Writes data to standard output and flushes it.
    pub fn data(self, data: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(data.as_bytes()).and_then(|()| stdout.flush());
        written.map_err(|error| of_writing(&error))
    }

    /// Writes a note of one or more lines to standard error; texts of others in it must be escaped.
    pub fn note(self, note: &str) {
        // a standard error that is gone leaves nobody to tell
        let _ = writeln!(io::stderr().lock(), "{note}");
    }
}
