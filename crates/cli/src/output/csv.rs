//! Comma-separated values (RFC 4180, but lines end as on Unix) that a spreadsheet does not take for formulas.

/// Writes one row.
pub fn row<T: AsRef<str>>(cells: &[T]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(&guarded(cell.as_ref()))).collect();
    format!("{}\n", cells.join(","))
}

/// Puts a `'` before what a spreadsheet would run.
fn guarded(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{cell}")
    } else {
        cell.into()
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_get_a_quote() {
        for cell in
            ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"http://x\",\"y\")"]
        {
            let line = row(&[cell]);
            let unquoted = line.trim_start_matches('"');
            assert!(unquoted.starts_with('\''), "{line:?}");
        }
        assert_eq!(row(&["a=b", "7", ""]), "a=b,7,\n");
    }

    #[test]
    fn cells_come_back_whole() {
        assert_eq!(
            row(&["a,b", "say \"x\"", "two\nlines"]),
            "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\n"
        );
        assert_eq!(row(&["=\"a\",b"]), "\"'=\"\"a\"\",b\"\n");
    }
}
