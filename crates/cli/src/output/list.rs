//! Lists of anything in every format, written piece by piece where the format allows it.

use super::{Format, Screen, csv, table, text};
use crate::exit::Failure;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Is a document of the server: its exact text and what it means.
#[derive(Debug, Clone)]
pub struct Item<T> {
    /// The text, byte for byte.
    pub raw: Box<RawValue>,
    /// The meaning.
    pub value: T,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let value = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        Ok(Self { raw, value })
    }
}

/// Gives the cells of one document; it may take several rows or none.
pub trait Rows {
    /// Names the columns of the table.
    const TABLE: &'static [&'static str];
    /// Names the columns of the CSV; they never change their meaning.
    const CSV: &'static [&'static str];

    /// Gives the rows of the table, escaped.
    fn table(&self) -> Vec<Vec<String>>;
    /// Gives the rows of the CSV, raw.
    fn csv(&self) -> Vec<Vec<String>>;
}

/// Takes documents one after the other and writes them as a list.
pub struct List<T> {
    format: Format,
    screen: Screen,
    count: usize,
    rows: Vec<Vec<String>>,
    of: std::marker::PhantomData<T>,
}

impl<T: Rows> List<T> {
    /// Begins a list.
    pub fn new(format: Format, screen: Screen) -> Self {
        Self { format, screen, count: 0, rows: Vec::new(), of: std::marker::PhantomData }
    }

    /// Adds one document.
    pub fn push(&mut self, raw: &RawValue, value: &T) -> Result<(), Failure> {
        let first = self.count == 0;
        self.count += 1;
        match self.format {
            Format::Table => {
                self.rows.extend(value.table());
                Ok(())
            }
            Format::Json => {
                let before = if first { "[\n" } else { ",\n" };
                self.screen.data(&format!("{before}{}", json(raw, self.screen)))
            }
            Format::Jsonl => self.screen.data(&format!("{}\n", json(raw, self.screen))),
            Format::Csv => {
                let header = if first { csv::row(T::CSV) } else { String::new() };
                let rows: String = value.csv().iter().map(|row| csv::row(row)).collect();
                self.screen.data(&shown(&format!("{header}{rows}"), self.screen))
            }
        }
    }

    /// Ends the list: what has to wait for the whole of it is written now.
    pub fn finish(self) -> Result<(), Failure> {
        match self.format {
            Format::Table if self.rows.is_empty() => Ok(()),
            Format::Table => {
                self.screen.data(&table::render(T::TABLE, self.rows, self.screen.data_is_shown))
            }
            Format::Json => self.screen.data(if self.count == 0 { "[]\n" } else { "\n]\n" }),
            Format::Csv if self.count == 0 => self.screen.data(&csv::row(T::CSV)),
            Format::Csv | Format::Jsonl => Ok(()),
        }
    }
}

/// Writes a single document: JSON as an object, not as a list of one.
pub fn one<T: Rows>(item: &Item<T>, format: Format, screen: Screen) -> Result<(), Failure> {
    if matches!(format, Format::Json | Format::Jsonl) {
        return screen.data(&format!("{}\n", json(&item.raw, screen)));
    }
    let mut list = List::new(format, screen);
    list.push(&item.raw, &item.value)?;
    list.finish()
}

/// Writes a document as the server did, on one line; for a terminal without dangerous characters.
pub fn json(raw: &RawValue, screen: Screen) -> Cow<'_, str> {
    let line = text::one_line(raw.get());
    if screen.data_is_shown { text::escape_json(&line).into_owned().into() } else { line }
}

/// Escapes CSV on a terminal, line by line.
fn shown(csv: &str, screen: Screen) -> String {
    if !screen.data_is_shown {
        return csv.into();
    }
    csv.split('\n').map(text::escape).collect::<Vec<_>>().join("\n")
}
