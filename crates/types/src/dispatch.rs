//! How the commands of an action are given out: at what rate, in which waves, and when to stop.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use utoipa::ToSchema;

/// Says how many waves may be named at most.
pub const MAX_WAVES: usize = 64;

/// Says how the commands of an action are to be given out; without any of it, all at once.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dispatch {
    /// How many commands are given out a second at most; 0.5 is one every two seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_per_second: Option<f64>,
    /// How many agents each wave has; the next one starts when all of the one before have ended. After the last one
    /// named its size is repeated until no agent is left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Value>)]
    pub waves: Vec<Wave>,
    /// When to pause; needs `rate_per_second`, or `waves` of which the first is a number: what is given out all at once
    /// cannot be stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_when: Option<StopWhen>,
}

/// Says when the run of an action is paused by itself. Whoever went away without an answer counts, for both, at the end of
/// its wave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StopWhen {
    /// When such a part of the commands given out has failed, from 0 to 1; 0 is the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_ratio: Option<f64>,
    /// When so many commands ran too long on their agents; 0 and 1 are the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<i64>,
}

/// Says how many agents a wave has: a number, or `"all"` that are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wave {
    /// So many.
    Of(i64),
    /// Whoever is left.
    All,
}

const ALL: &str = "all";

impl fmt::Display for Wave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(count) => write!(f, "{count}"),
            Self::All => f.write_str(ALL),
        }
    }
}

impl Serialize for Wave {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Of(count) => serializer.serialize_i64(*count),
            Self::All => serializer.serialize_str(ALL),
        }
    }
}

impl<'de> Deserialize<'de> for Wave {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WaveVisitor)
    }
}

struct WaveVisitor;

impl de::Visitor<'_> for WaveVisitor {
    type Value = Wave;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of agents or \"all\"")
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<Wave, E> {
        Ok(Wave::Of(count))
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Wave, E> {
        Ok(Wave::Of(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Wave, E> {
        if word == ALL {
            Ok(Wave::All)
        } else {
            Err(E::invalid_value(de::Unexpected::Str(word), &self))
        }
    }
}

/// Says what of a dispatch cannot be done, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DispatchFault {
    /// A JSON pointer into the dispatch.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// The fastest rate that may be asked for.
pub const MAX_RATE: f64 = 100_000.0;
/// The slowest: about one command a day.
pub const MIN_RATE: f64 = 0.000_01;
/// The largest wave that may be named.
pub const MAX_WAVE: i64 = 100_000_000;

impl Dispatch {
    /// Checks that every number is in its bounds, and that what is to stop it can.
    pub fn check(&self) -> Result<(), DispatchFault> {
        if let Some(rate) = self.rate_per_second
            && !(MIN_RATE..=MAX_RATE).contains(&rate)
        {
            return fault("/rate_per_second", format!("{rate} is not in {MIN_RATE}..={MAX_RATE}"));
        }
        if self.waves.len() > MAX_WAVES {
            return fault(
                "/waves",
                format!("has {} waves; at most {MAX_WAVES} are taken", self.waves.len()),
            );
        }
        for (at, wave) in self.waves.iter().enumerate() {
            match wave {
                Wave::Of(count) if !(1..=MAX_WAVE).contains(count) => {
                    return fault(
                        &format!("/waves/{at}"),
                        format!("{count} is not in 1..={MAX_WAVE}"),
                    );
                }
                Wave::All if at + 1 < self.waves.len() => {
                    let detail = "\"all\" leaves nobody for the waves after it; put it last";
                    return fault(&format!("/waves/{at}"), detail.into());
                }
                _ => {}
            }
        }
        let stop = self.stop_when.unwrap_or_default();
        if let Some(ratio) = stop.failed_ratio
            && !(0.0..=1.0).contains(&ratio)
        {
            return fault("/stop_when/failed_ratio", format!("{ratio} is not in 0..=1"));
        }
        if let Some(count) = stop.timeouts
            && count < 0
        {
            return fault("/stop_when/timeouts", format!("{count} is less than 0"));
        }
        let all_at_once =
            self.rate_per_second.is_none() && !matches!(self.waves.first(), Some(Wave::Of(_)));
        if all_at_once && stop != StopWhen::default() {
            let detail = "needs rate_per_second, or waves of which the first is a number";
            return fault("/stop_when", detail.into());
        }
        Ok(())
    }
}

fn fault(pointer: &str, detail: String) -> Result<(), DispatchFault> {
    Err(DispatchFault { pointer: pointer.into(), detail })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: Value) -> Result<Dispatch, String> {
        let dispatch: Dispatch =
            serde_json::from_value(value).map_err(|error| error.to_string())?;
        dispatch.check().map_err(|fault| format!("{}: {fault}", fault.pointer))?;
        Ok(dispatch)
    }

    #[test]
    fn what_is_written_is_read() {
        let value = json!({"rate_per_second": 2.5, "waves": [1, 10, "all"],
            "stop_when": {"failed_ratio": 0.1, "timeouts": 3}});
        let dispatch = read(value.clone()).unwrap();
        assert_eq!(dispatch.waves, [Wave::Of(1), Wave::Of(10), Wave::All]);
        assert_eq!(serde_json::to_value(dispatch).unwrap(), value);
        assert_eq!(read(json!({})).unwrap(), Dispatch::default());
    }

    #[test]
    fn a_limit_stops_a_rate_or_waves() {
        let stop_when = json!({"failed_ratio": 0.1});
        for value in [
            json!({"rate_per_second": 50, "waves": [1, 10, 100, "all"], "stop_when": stop_when}),
            json!({"waves": [1, 10, 100, "all"], "stop_when": stop_when}),
            json!({"rate_per_second": 50, "stop_when": stop_when}),
            json!({"rate_per_second": 50, "waves": ["all"], "stop_when": stop_when}),
            json!({"rate_per_second": 50, "waves": [1, 10, 100, "all"]}),
            json!({"waves": ["all"], "stop_when": {}}),
        ] {
            assert!(read(value.clone()).is_ok(), "{value}");
        }
        for value in [
            json!({"stop_when": stop_when}),
            json!({"stop_when": {"timeouts": 0}}),
            json!({"waves": ["all"], "stop_when": stop_when}),
        ] {
            let want = "/stop_when: needs rate_per_second, or waves of which the first is a number";
            assert_eq!(read(value.clone()).unwrap_err(), want, "{value}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_pointed_at() {
        for (value, at) in [
            (json!({"rate_per_second": 0}), "/rate_per_second: "),
            (json!({"rate_per_second": -1.5}), "/rate_per_second: "),
            (json!({"rate_per_second": 1e9}), "/rate_per_second: "),
            (json!({"waves": [1, 0]}), "/waves/1: "),
            (json!({"waves": ["all", 1]}), "/waves/0: "),
            (json!({"waves": vec![1; 65]}), "/waves: "),
            (json!({"stop_when": {"failed_ratio": 1.01}}), "/stop_when/failed_ratio: "),
            (json!({"stop_when": {"timeouts": -1}}), "/stop_when/timeouts: "),
            (json!({"waves": ["most"]}), "invalid value"),
            (json!({"waves": [1.5]}), "invalid type"),
        ] {
            let error = read(value.clone()).unwrap_err();
            assert!(error.starts_with(at), "{value}: {error}");
        }
    }
}
