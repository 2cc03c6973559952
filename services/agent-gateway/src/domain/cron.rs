//! When tasks run: only what every RunbookSolutions agent understands the same way.
//!
//! Agents give the expression to `croniter`, whichever version was current when they were installed, and one that it
//! does not take ends the whole schedule of that agent without a word (specs/runbook/plugins-and-tasks.md §6). So this
//! takes the subset that versions 2.0.1 and 7.0.0 agree on, and nothing that never happens.
//!
//! Long because the dialect, its dates and its pauses are read against one table of fields.

use std::time::Duration;
use time::Date;
use time::macros::date;

const LONGEST: usize = 256;
const ALIASES: [&str; 7] =
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// The days of each month that come every year.
const DAYS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Is one field: what it is called, what it takes, and the words for its numbers from `first` on.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    words: &'static [&'static str],
}

const fn field(name: &'static str, first: u32, last: u32, words: &'static [&'static str]) -> Field {
    Field { name, first, last, words }
}

const MINUTE: Field = field("minute", 0, 59, &[]);
const HOUR: Field = field("hour", 0, 23, &[]);
const DAY: Field = field("day of the month", 1, 31, &[]);
const MONTH: Field = field("month", 1, 12, &MONTHS);
const WEEKDAY: Field = field("day of the week", 0, 7, &WEEKDAYS);
const SECOND: Field = field("second", 0, 59, &[]);

/// Says why `expression` may not be given to an agent, if it may not.
pub(crate) fn check(expression: &str) -> Result<(), String> {
    if expression.len() > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    if expression.starts_with('@') {
        let known = ALIASES.contains(&expression);
        return known.then_some(()).ok_or_else(|| format!("is none of {}", ALIASES.join(", ")));
    }
    let [minute, hour, day, month, weekday, second] = &fields(expression)?;
    MINUTE.numbers(minute)?;
    HOUR.numbers(hour)?;
    SECOND.numbers(second)?;
    let months = MONTH.numbers(month)?;
    if !day.eq_ignore_ascii_case("l") {
        let days = DAY.numbers(day)?;
        check_days(&days, &months)?;
        check_star(&DAY, day, days.len() == 31)?;
    }
    match nth_weekday(weekday)? {
        Some(_) if *day != "*" => Err(
            "asks for a day of the month beside an n-th or last weekday, which agents cannot find"
                .into(),
        ),
        Some(5) if months.len() < MONTHS.len() => {
            Err("asks for a fifth weekday in some months only, which may not come for years".into())
        }
        Some(_) => Ok(()),
        None => check_star(&WEEKDAY, weekday, WEEKDAY.numbers(weekday)?.len() >= 7),
    }
}

/// Parts an expression into minute, hour, day, month, weekday and second.
fn fields(expression: &str) -> Result<[&str; 6], String> {
    let fields: Vec<&str> = expression.split([' ', '\t']).filter(|f| !f.is_empty()).collect();
    match *fields.as_slice() {
        [minute, hour, day, month, weekday] => Ok([minute, hour, day, month, weekday, "0"]),
        [minute, hour, day, month, weekday, second] => {
            Ok([minute, hour, day, month, weekday, second])
        }
        ref other => Err(format!(
            "has {} fields; 5 are needed (minute, hour, day, month, weekday), or 6 with the second last",
            other.len()
        )),
    }
}

/// Refuses a field that names every day in other words than `*`: version 2.0.1 takes it for `*` and version 7.0.0 does
/// not, which decides whether a day of the month and a weekday have both to fit, or one of them.
fn check_star(field: &Field, text: &str, is_all: bool) -> Result<(), String> {
    if is_all && text != "*" {
        return Err(format!("{}: {text:?} names every day; write *", field.name));
    }
    Ok(())
}

/// Refuses days that do not come in each year in any of these months. That a weekday is asked for as well does not
/// help: agents look for both.
fn check_days(days: &[u32], months: &[u32]) -> Result<(), String> {
    let comes = |month: &u32| {
        let index = usize::try_from(month.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = DAYS.get(index).copied().unwrap_or(0);
        days.iter().any(|day| *day <= last)
    };
    if months.iter().any(comes) {
        Ok(())
    } else {
        Err("never happens, or not in every year: no month of it has such a day".into())
    }
}

/// Reads `L5` (the last Friday) and `1#2` (the second Monday), which stand alone; gives the number behind the `#`.
fn nth_weekday(text: &str) -> Result<Option<u32>, String> {
    let bad = || format!("day of the week: {text:?} is not understood by every agent");
    if let Some(day) = text.strip_prefix(['L', 'l']) {
        let day = WEEKDAY.number(day).filter(|_| day.bytes().all(|b| b.is_ascii_digit()));
        return day.filter(|day| *day < 7).map(|_| Some(0)).ok_or_else(bad);
    }
    let Some((day, nth)) = text.split_once('#') else { return Ok(None) };
    let day = WEEKDAY.number(day).filter(|day| *day < 7);
    let nth = matches!(nth, "1" | "2" | "3" | "4" | "5").then(|| nth.parse().ok()).flatten();
    day.and(nth).map(Some).ok_or_else(bad)
}

/// Is when something happens within some time: first, last, and the longest time in between, in seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Within {
    first: i64,
    last: i64,
    gap: i64,
}

impl Within {
    /// Repeats this at each of these places, which are `unit` seconds apart.
    fn at(self, places: impl IntoIterator<Item = i64>, unit: i64) -> Option<Self> {
        let mut places = places.into_iter();
        let first = places.next()?;
        let mut whole = Self { first: first * unit + self.first, gap: self.gap, ..self };
        let mut before = first;
        for place in places {
            whole.gap = whole.gap.max((place - before) * unit - self.last + self.first);
            before = place;
        }
        whole.last = before * unit + self.last;
        Some(whole)
    }
}

/// Says how long a schedule is silent at most, whatever the agent's time zone; nothing for one that [`check`] refuses.
pub(crate) fn longest_gap(expression: &str) -> Option<Duration> {
    let expression = match expression {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        other => other,
    };
    let [minute, hour, day, month, weekday, second] = fields(expression).ok()?;
    let numbers = |field: &Field, text| {
        let numbers = field.numbers(text).ok()?;
        Some(numbers.into_iter().map(i64::from).collect::<Vec<_>>())
    };
    let calendar = Calendar::read(day, month, weekday)?;
    // eight years: every kind of year beside every other one
    let start = date!(2024 - 01 - 01);
    let matching = (0..8 * 366).filter(|place| calendar.has(start + time::Duration::days(*place)));
    let whole = Within::default()
        .at(numbers(&SECOND, second)?, 1)?
        .at(numbers(&MINUTE, minute)?, 60)?
        .at(numbers(&HOUR, hour)?, 3_600)?
        .at(matching, 86_400)?;
    Some(Duration::from_secs(whole.gap.try_into().ok()?))
}

/// Says on which days a schedule runs.
struct Calendar {
    months: Vec<u32>,
    /// None for every one, an empty list for the last one.
    days: Option<Vec<u32>>,
    weekdays: Option<Weekdays>,
}

/// Says on which days of the week a schedule runs.
enum Weekdays {
    Any(Vec<u32>),
    Nth(u32, u8),
    Last(u32),
}

impl Calendar {
    fn read(day: &str, month: &str, weekday: &str) -> Option<Self> {
        let days = match day {
            "*" => None,
            "l" | "L" => Some(Vec::new()),
            day => Some(DAY.numbers(day).ok()?),
        };
        let number = |text| WEEKDAY.number(text).map(|day| day % 7);
        let weekdays = if weekday == "*" {
            None
        } else if let Some(day) = weekday.strip_prefix(['L', 'l']) {
            Some(Weekdays::Last(number(day)?))
        } else if let Some((day, nth)) = weekday.split_once('#') {
            Some(Weekdays::Nth(number(day)?, nth.parse().ok()?))
        } else {
            let numbers = WEEKDAY.numbers(weekday).ok()?;
            Some(Weekdays::Any(numbers.into_iter().map(|day| day % 7).collect()))
        };
        Some(Self { months: MONTH.numbers(month).ok()?, days, weekdays })
    }

    /// Both restricted: one of them is enough.
    fn has(&self, date: Date) -> bool {
        if !self.months.contains(&u32::from(u8::from(date.month()))) {
            return false;
        }
        let last = date.month().length(date.year());
        let day = self.days.as_ref().map(|days| {
            if days.is_empty() { date.day() == last } else { days.contains(&date.day().into()) }
        });
        let today = u32::from(date.weekday().number_days_from_sunday());
        let weekday = self.weekdays.as_ref().map(|weekdays| match weekdays {
            Weekdays::Any(days) => days.contains(&today),
            Weekdays::Nth(of, nth) => *of == today && date.day().div_ceil(7) == *nth,
            Weekdays::Last(of) => *of == today && date.day() + 7 > last,
        });
        match (day, weekday) {
            (Some(day), Some(weekday)) => day || weekday,
            (day, weekday) => day.unwrap_or(true) && weekday.unwrap_or(true),
        }
    }
}

impl Field {
    /// Gives the numbers that a field stands for.
    fn numbers(&self, text: &str) -> Result<Vec<u32>, String> {
        let mut numbers = Vec::new();
        for item in text.split(',') {
            let bad = || {
                let Self { name, first, last, .. } = self;
                format!(
                    "{name}: {item:?} is not understood by every agent; it takes *, numbers from {first} to {last}, ascending ranges, steps and lists"
                )
            };
            let (range, step) = match item.split_once('/') {
                None => (item, None),
                Some((range, step)) => (range, Some(step)),
            };
            let step = match step {
                None => 1,
                Some(step) => step_of(step).ok_or_else(bad)?,
            };
            let (from, to) = self.range(range, step > 1 || item.contains('/')).ok_or_else(bad)?;
            numbers.extend((from..=to).step_by(step));
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    fn range(&self, text: &str, stepped: bool) -> Option<(u32, u32)> {
        if text == "*" {
            return Some((self.first, self.last));
        }
        if let Some((from, to)) = text.split_once('-') {
            let (from, to) = (self.number(from)?, self.number(to)?);
            return (from < to).then_some((from, to));
        }
        let number = self.number(text).filter(|_| !stepped)?;
        Some((number, number))
    }

    fn number(&self, text: &str) -> Option<u32> {
        if let Some(place) = self.words.iter().position(|word| text.eq_ignore_ascii_case(word)) {
            return Some(self.first + u32::try_from(place).ok()?);
        }
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits)?;
        (self.first..=self.last).contains(&number).then_some(number)
    }
}

fn step_of(text: &str) -> Option<usize> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|step| digits && *step > 0)
}

#[cfg(test)]
mod tests {
    use super::{check, longest_gap};

    #[test]
    fn how_long_a_schedule_is_silent_is_known() {
        const DAY: u64 = 86_400;
        for (expression, seconds) in [
            ("* * * * *", 60),
            ("* * * * * *", 1),
            ("* * * * * 10,30", 40),
            ("*/7 * * * *", 7 * 60),
            ("0,50 * * * *", 50 * 60),
            ("@hourly", 3_600),
            ("@midnight", DAY),
            ("0 9-17 * * *", 16 * 3_600),
            ("0 9-17 * * 1-5", (2 * 24 + 16) * 3_600),
            ("30 6 * * 7", 7 * DAY),
            ("@monthly", 31 * DAY),
            ("0 0 31 * *", 61 * DAY),
            ("0 0 L * *", 31 * DAY),
            ("0 0 * * L5", 35 * DAY),
            ("0 0 * * 1#2", 35 * DAY),
            ("0 0 13 * fri", 7 * DAY),
            ("@yearly", 366 * DAY),
        ] {
            let told = longest_gap(expression).map(|gap| gap.as_secs());
            assert_eq!(told, Some(seconds), "{expression}");
        }
        assert_eq!(longest_gap("* * * *"), None);
    }

    #[test]
    fn what_every_agent_understands_is_taken() {
        for good in [
            "* * * * *",
            "*/5 * * * *",
            "0 9-17 * * 1-5",
            "0 0 1,15 * *",
            "0 0 * jan,JUL mon-fri",
            "0 0 * * 7",
            "0 0 * * sun",
            "5-59/10 * * * *",
            "0 0 L * *",
            "0 0 l 2 *",
            "0 0 * * L5",
            "0 0 * * 1#2",
            "0 0 * * mon#1",
            "0 0 * * 1#5",
            "* * * * * *",
            "* * * * * */15",
            "@hourly",
            "@daily",
            "@midnight",
            "@weekly",
            "@monthly",
            "@yearly",
            "@annually",
            "*/100 * * * *",
            " * * * * * ",
            "*\t*\t*\t*\t*",
            "*  *  *  *  *",
            "0 0 1 */3 *",
            "00 00 * * *",
            "0 0 28-31 2 *",
            "0 0 31 */2 *",
            "0 0 31 1,2 *",
            "0 0 1 1 1",
        ] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn what_ends_a_schedule_is_refused() {
        for bad in [
            "",
            " ",
            "* * * *",
            "* * * * * * *",
            "* * * * * 30 2026",
            "0 0 31 2 *",
            "0 0 30 2 *",
            "0 0 29 2 *",
            "0 0 31 4 *",
            "0 0 31 4,6,9,11 *",
            "0 0 30 2 1",
            "0 0 29-31 feb *",
            "0 0 * * 5L",
            "0 0 15W * *",
            "0 0 ? * *",
            "0 0 * * ?",
            "@reboot",
            "@every 5m",
            "@Daily",
            " @daily",
            "H * * * *",
            "R * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "50-10 * * * *",
            "0 22-2 * * *",
            "0 0 * * fri-mon",
            "1,2,,3 * * * *",
            ",1 * * * *",
            "a * * * *",
            "0x1 * * * *",
            "٣ * * * *",
            "CRON_TZ=UTC * * * * *",
            "0 0 * 2 1#5",
            "0 0 * * 1#6",
            "0 0 * * 1#0",
            "0 0 * * 1#2,3#1",
            "0 0 L,15 * *",
            "0 0 * * Lfri",
            "0 0 * * L",
            "0 0 * mon *",
            "jan * * * *",
            "+1 * * * *",
            "-1 * * * *",
            "1- * * * *",
            "*-5 * * * *",
            "*/ * * * *",
            "*/+2 * * * *",
            "* * * * *\n",
            "* * * *\u{a0}*",
            "5/10 * * * *",
            "*/99999 * * * *",
            "001 * * * *",
            "3-3 * * * *",
            "0 0 1 * 1#2",
            "0 0 L * mon#2",
            "0 0 31 1 L1",
            "0 3 1 * 0-6",
            "0 3 1 * 1-7",
            "0 3 1 * */1",
            "0 3 1 * sun-sat",
            "0 3 */1 * 5",
            "0 3 1-31 * 1-5",
            "0 3 L * 1-7",
            "* * * * */7,0-fri 0",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check(&"1,".repeat(200)).is_err());
    }
}
