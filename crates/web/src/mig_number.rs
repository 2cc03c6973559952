//! Numbers in MIG's parameters: Go reads every id as a float (specs/mig/api.md §1.4).

use crate::Problem;

/// Reads the id of one thing: missing, unreadable, or not above 0 is 400; a number that no id can be is not found.
pub fn id(name: &str, what: &str, value: Option<&str>) -> Result<i64, Problem> {
    let Some(value) = value else {
        return Err(Problem::malformed(
            "parameter-missing",
            format!("the parameter '{name}' is missing"),
        ));
    };
    let number = parse(name, value)?;
    if number.is_nan() || number <= 0.0 {
        return Err(Problem::malformed(
            "id-invalid",
            format!("Invalid {what} ID '{}'", written(number)),
        ));
    }
    let fits = number.fract() == 0.0 && number <= 9_007_199_254_740_992.0;
    let whole = fits.then(|| format!("{number:.0}").parse().ok()).flatten();
    whole.ok_or_else(|| not_found(what, value))
}

/// Says that there is no such thing, in the original's words.
pub fn not_found(what: &str, value: &str) -> Problem {
    let number = value.parse::<f64>().map_or_else(|_| value.to_owned(), written);
    Problem::not_found(format!("{what} ID '{number}' not found"))
}

fn parse(name: &str, value: &str) -> Result<f64, Problem> {
    value.parse::<f64>().map_err(|_error| {
        let detail = format!(
            "Wrong parameters '{name}': 'strconv.ParseFloat: parsing {value:?}: invalid syntax'"
        );
        Problem::malformed("number-invalid", detail)
    })
}

/// Writes a number as Go's `%.0f` does.
fn written(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    format!("{number:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_as_go_reads_them() {
        for (value, want) in
            [("2", 2), ("2.0", 2), ("2e0", 2), ("28051203489801", 28_051_203_489_801)]
        {
            assert_eq!(id("actionid", "Action", Some(value)).unwrap(), want);
        }
        for (value, status, text) in [
            (Some("-1"), 400, "Invalid Action ID '-1'"),
            (Some("NaN"), 400, "Invalid Action ID 'NaN'"),
            (Some("Inf"), 404, "Action ID '+Inf' not found"),
            (Some("1.5"), 404, "Action ID '2' not found"),
            (Some("x"), 400, "Wrong parameters 'actionid'"),
            (None, 400, "'actionid' is missing"),
        ] {
            let problem = id("actionid", "Action", value).unwrap_err();
            assert_eq!(problem.status().as_u16(), status, "{value:?}");
            assert!(problem.to_string().contains(text), "{problem}");
        }
    }
}
