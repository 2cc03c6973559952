//! Reads the parameters one by one.

use super::{Id, Kind};
use crate::domain::pattern;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::instant;

/// Reads parameters; what is wrong has its default, and the first fault is kept.
pub(super) struct Reader<G> {
    get: G,
    fault: Option<String>,
    /// Told only when nothing else is wrong, as the original does.
    wrong_kind: bool,
}

impl<'a, G: Fn(&str) -> Option<&'a str>> Reader<G> {
    pub(super) fn new(get: G) -> Self {
        Self { get, fault: None, wrong_kind: false }
    }

    /// Gives the first fault.
    pub(super) fn fault(self) -> Option<String> {
        let wrong_kind = self.wrong_kind.then(|| "search type is invalid".into());
        self.fault.or(wrong_kind)
    }

    /// Gives a value that is there and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        (self.get)(name).filter(|value| !value.is_empty())
    }

    pub(super) fn id(&mut self, name: &str) -> Id {
        match self.text(name) {
            None | Some("∞") => Id::Any,
            Some(_) => Id::Is(self.number(name, -1.0)),
        }
    }

    pub(super) fn bounded(&mut self, name: &str, default: f64, most: f64) -> f64 {
        let number = self.number(name, default);
        if (0.0..=most).contains(&number) {
            return number;
        }
        self.say(&format!("{name} must be between 0 and {most:.0}"));
        default
    }

    pub(super) fn pattern(&mut self, name: &str) -> String {
        let text = self.text(name).unwrap_or("%");
        match pattern::fault(text) {
            None => text.to_owned(),
            Some(why) => {
                self.say(&format!("{name} {why}"));
                "%".into()
            }
        }
    }

    pub(super) fn moment(&mut self, name: &str, default: OffsetDateTime) -> OffsetDateTime {
        let Some(text) = self.text(name) else { return default };
        match OffsetDateTime::parse(text, &Rfc3339) {
            Ok(at) if instant::is_writable(at) => return at,
            Ok(_) => self.say(&format!("{name} date not in the years 1 to 9999 (UTC)")),
            Err(_) => self.say(&format!("{name} date not in RFC3339 format")),
        }
        default
    }

    pub(super) fn truth(&mut self, name: &str) -> Option<bool> {
        match self.text(name).map(str::to_lowercase).as_deref() {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => {
                self.say(&format!("{name} parameter must be true or false"));
                None
            }
        }
    }

    /// Reads what is looked for, as it was written too.
    pub(super) fn kind(&mut self) -> (String, Kind) {
        let name = self.text("type").unwrap_or("action");
        let kind = Kind::parse(name);
        self.wrong_kind = kind.is_none();
        (name.to_owned(), kind.unwrap_or(Kind::Action))
    }

    fn number(&mut self, name: &str, default: f64) -> f64 {
        let Some(text) = self.text(name) else { return default };
        text.parse().unwrap_or_else(|_error| {
            self.say(&format!("{name} '{text}' is not a number"));
            default
        })
    }

    fn say(&mut self, text: &str) {
        self.fault.get_or_insert(format!("parseSearchParameters()-> {text}"));
    }
}
