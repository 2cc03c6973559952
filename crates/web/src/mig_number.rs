//! Numbers in MIG's parameters: Go reads every id as a float (specs/mig/api.md §1.4).

use crate::Problem;

/// Reads the id of one thing: missing, unreadable, or not above 0 is 400; a number that no id can be is not found.
pub fn id(name: &str, what: &str, value: Option<&str>) -> Result<i64, Problem> {
    let Some(value) = value else {
        let detail = format!("the parameter '{name}' is missing");
        return Err(Problem::malformed("parameter-missing", detail));
    };
    let number = value.parse::<f64>().map_err(|_error| {
        let detail = format!(
            "Wrong parameters '{name}': 'strconv.ParseFloat: parsing {value:?}: invalid syntax'"
        );
        Problem::malformed("number-invalid", detail)
    })?;
    if number.is_nan() || number <= 0.0 {
        let detail = format!("Invalid {what} ID '{}'", written(number));
        return Err(Problem::malformed("id-invalid", detail));
    }
    let fits = number.fract() == 0.0 && number <= 9_007_199_254_740_992.0;
    let whole = fits.then(|| format!("{number:.0}").parse().ok()).flatten();
    whole.ok_or_else(|| Problem::not_found(format!("{what} ID '{}' not found", written(number))))
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
    use super::id;

    #[test]
    fn ids_read_as_go_reads_them() {
        for (value, want) in
            [("2", 2), ("2.0", 2), ("2e0", 2), ("28051203489801", 28_051_203_489_801)]
        {
            assert_eq!(id("loaderid", "Loader", Some(value)).unwrap(), want);
        }
        for (value, status, text) in [
            (Some("-1"), 400, "Invalid Loader ID '-1'"),
            (Some("NaN"), 400, "Invalid Loader ID 'NaN'"),
            (Some("Inf"), 404, "Loader ID '+Inf' not found"),
            (Some("1.5"), 404, "Loader ID '2' not found"),
            (Some("x"), 400, "Wrong parameters 'loaderid'"),
            (None, 400, "'loaderid' is missing"),
        ] {
            let problem = id("loaderid", "Loader", value).unwrap_err();
            assert_eq!(problem.status().as_u16(), status, "{value:?}");
            assert!(problem.to_string().contains(text), "{problem}");
        }
    }
}
