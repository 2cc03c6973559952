//! Numbers with a point, exactly: 18 digits before it and 18 after it.

use std::fmt::{self, Display};

/// One, in the unit of [`Decimal`].
const ONE: i128 = 1_000_000_000_000_000_000;
const DIGITS: usize = 18;

/// Is a number as a count of 10⁻¹⁸.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimal(i128);

impl Decimal {
    /// Reads `[+-]digits[.digits]` with at most 18 digits on each side.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        if [whole, fraction].iter().any(|part| {
            !(1..=DIGITS).contains(&part.len()) || !part.bytes().all(|b| b.is_ascii_digit())
        }) {
            return None;
        }
        let whole: i128 = whole.parse().ok()?;
        let fraction: i128 = format!("{fraction:0<DIGITS$}").parse().ok()?;
        let size = whole.checked_mul(ONE)?.checked_add(fraction)?;
        Some(Self(if negative { size.checked_neg()? } else { size }))
    }

    /// Says whether it is below zero.
    pub(crate) fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Gives the nearest whole number; halves go away from zero, as PostgreSQL rounds.
    pub(crate) fn round(self) -> Option<i64> {
        let half = ONE.checked_div(2)?.checked_mul(self.0.signum())?;
        i64::try_from(self.0.checked_add(half)?.checked_div(ONE)?).ok()
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        // 19 and 18 digits are fewer than the 38 of an i128
        Self(i128::from(number).saturating_mul(ONE))
    }
}

impl Display for Decimal {
    /// Writes at least one digit after the point, so that it is not read back as a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let size = self.0.unsigned_abs();
        let one = ONE.unsigned_abs();
        let whole = size.checked_div(one).unwrap_or_default();
        let fraction = format!("{:0DIGITS$}", size.checked_rem(one).unwrap_or_default());
        let fraction = fraction.trim_end_matches('0');
        write!(f, "{sign}{whole}.{}", if fraction.is_empty() { "0" } else { fraction })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_orders_and_writes() {
        let numbers = ["-2.5", "-0.000000000000000001", "0.0", "0.1", "0.25", "1.0", "12.75"];
        let read: Vec<Decimal> = numbers.iter().map(|n| Decimal::parse(n).unwrap()).collect();
        assert!(read.is_sorted());
        assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), numbers);
        assert_eq!(Decimal::parse("+007.50"), Decimal::parse("7.5"));
        assert_eq!(Decimal::from(7), Decimal::parse("7").unwrap());
        assert!(Decimal::from(i64::MAX) > Decimal::parse(&"9".repeat(18)).unwrap());
    }

    #[test]
    fn rounds_halves_away_from_zero() {
        let round = |text: &str| Decimal::parse(text).unwrap().round();
        assert_eq!(
            ["0.4", "0.5", "1.5", "2.5", "-0.5", "-2.5", "-2.4"].map(round),
            [0, 1, 2, 3, -1, -3, -2].map(Some)
        );
        assert_eq!(round(&format!("{}.9", "9".repeat(18))), Some(1_000_000_000_000_000_000));
    }

    #[test]
    fn refuses_what_is_no_number_or_too_long() {
        let long = "1".repeat(19);
        let small = format!("0.{long}");
        for text in ["", "-", ".5", "5.", "1e3", " 1", "1 ", "+-1", "NaN", "1.2.3", &long, &small] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }
}
