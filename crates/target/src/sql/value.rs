//! Writes values as SQL.

use super::{Bind, Writer};
use crate::ast::{Key, Shift, Value, ValueKind};
use crate::check::{self, Kind};
use crate::columns::Type;
use crate::datum::Datum;
use crate::interval::Interval;
use crate::read;

impl Writer<'_> {
    /// Writes a value that stands where this type is wanted; only quoted texts and NULL heed that.
    pub(super) fn value(&mut self, value: &Value, wanted: Type) -> String {
        match &value.kind {
            ValueKind::Column { name, .. } => {
                // a name that is not in the map cannot come here, it does not pass the check
                self.columns.find(name).map_or("null", |(_, sql, _)| sql).into()
            }
            ValueKind::Json { base, keys, text } => self.json(base, keys, *text),
            ValueKind::Path { base, path } => {
                let base = self.value(base, Type::Json);
                let path: Vec<String> =
                    path.iter().map(|name| self.bind(Bind::Text(name.clone()))).collect();
                format!("({base} #>> array[{}]::text[])", path.join(", "))
            }
            ValueKind::Text(text) => self.constant(Datum::literal(text, wanted), wanted),
            ValueKind::Null => self.constant(None, wanted),
            ValueKind::Int(number) => self.bind(Bind::Int(*number)),
            ValueKind::Num(number) => self.constant(Some(Datum::Num(*number)), Type::Num),
            ValueKind::Bool(truth) => self.bind(Bind::Bool(*truth)),
            ValueKind::Now(shift) => self.now(*shift),
            ValueKind::Time(at) => self.bind(Bind::Time(*at)),
            ValueKind::Cast(inner, wanted) => self.cast(inner, *wanted),
            ValueKind::Fold(case, inner) => {
                format!("{}({})", case.function(), self.value(inner, Type::Text))
            }
        }
    }

    fn json(&mut self, base: &Value, keys: &[Key], text: bool) -> String {
        let mut sql = format!("({}", self.value(base, Type::Json));
        for (n, key) in keys.iter().enumerate() {
            let last = n.saturating_add(1) == keys.len();
            sql.push_str(if last && text { " ->> " } else { " -> " });
            match key {
                Key::Name(name) => sql.push_str(&self.bind(Bind::Text(name.clone()))),
                Key::Index(index) => {
                    sql.push_str(&self.bind(Bind::Int((*index).into())));
                    sql.push_str("::integer");
                }
            }
        }
        sql.push(')');
        sql
    }

    /// Binds a value that the target itself holds.
    fn constant(&mut self, datum: Option<Datum<'_>>, wanted: Type) -> String {
        match datum {
            Some(Datum::Text(text)) => self.bind(Bind::Text(text.into_owned())),
            Some(Datum::Int(number)) => self.bind(Bind::Int(number)),
            Some(Datum::Bool(truth)) => self.bind(Bind::Bool(truth)),
            Some(Datum::Time(at)) => self.bind(Bind::Time(at)),
            Some(Datum::Num(number)) => {
                format!("{}::numeric", self.bind(Bind::Text(number.to_string())))
            }
            Some(Datum::Inet(address)) => {
                format!("{}::inet", self.bind(Bind::Text(address.to_string())))
            }
            Some(Datum::Interval(interval)) => self.interval(interval),
            Some(Datum::Json(_) | Datum::Null) | None => format!("null::{}", wanted.sql()),
        }
    }

    fn interval(&mut self, interval: Interval) -> String {
        let months = self.bind(Bind::Int(interval.months));
        let days = self.bind(Bind::Int(interval.days));
        let seconds = self.bind(Bind::Float(interval.seconds()));
        format!(
            "make_interval(months => {months}::integer, days => {days}::integer, secs => {seconds})"
        )
    }

    /// Moves at UTC: there a day has 24 hours and begins when it does for everybody.
    fn now(&mut self, shift: Option<Shift>) -> String {
        let now = match self.now {
            Some(now) => self.bind(Bind::Time(now)),
            None => "now()".into(),
        };
        let Some(Shift { back, interval }) = shift else { return now };
        let sign = if back { "-" } else { "+" };
        let interval = self.interval(interval);
        format!("(({now} at time zone 'UTC' {sign} {interval}) at time zone 'UTC')")
    }

    fn cast(&mut self, inner: &Value, to: Type) -> String {
        // quoted texts and NULL become at once what they are cast to
        let Ok(Kind::Is(from)) = check::kind(inner, self.columns) else {
            return self.value(inner, to);
        };
        let sql = self.value(inner, from);
        match (from, to) {
            (from, to) if from == to => sql,
            (Type::Text, to) => guarded(&sql, to),
            (Type::Num, Type::Int) => format!("round({sql})::bigint"),
            // there is a cast from boolean only to integer
            (Type::Bool, Type::Int) => format!("({sql})::integer::bigint"),
            (Type::Time, Type::Text) => format!(
                "(rtrim(rtrim(to_char({sql} at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '0'), '.') || '+00')"
            ),
            (_, to) => format!("({sql})::{}", to.sql()),
        }
    }
}

/// Casts a text of a row if it can be cast, so that no row makes the query fail.
fn guarded(sql: &str, to: Type) -> String {
    let guard = match to {
        Type::Int => &read::INT,
        Type::Num => &read::NUM,
        Type::Interval => &read::INTERVAL,
        Type::Inet => &read::INET,
        Type::Bool => {
            let (yes, no) = (read::TRUE.text, read::FALSE.text);
            return format!(
                "(case when {sql} ~ '{yes}' then true when {sql} ~ '{no}' then false end)"
            );
        }
        Type::Time => {
            let (local, zoned) = (read::LOCAL.text, read::ZONED.text);
            return format!(
                "(case when {sql} ~ '{local}' then ({sql})::timestamp at time zone 'UTC' \
                 when {sql} ~ '{zoned}' then ({sql})::timestamptz end)"
            );
        }
        Type::Text | Type::Json => return sql.into(),
    };
    format!("(case when {sql} ~ '{}' then ({sql})::{} end)", guard.text, to.sql())
}
