//! Tables for people: no lines, two spaces between columns, everything escaped by whoever fills the cells.

use comfy_table::{ContentArrangement, Table, presets};

/// Below this width long lines are better broken by the terminal.
const NARROWEST: u16 = 40;

/// Writes a table; `fit` breaks long cells at the width of the terminal.
pub fn render(header: &[&str], rows: Vec<Vec<String>>, fit: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied()).add_rows(rows);
    // a terminal that does not know its width says 0
    if fit && table.width().is_some_and(|width| width >= NARROWEST) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.force_no_tty().set_content_arrangement(ContentArrangement::Disabled);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows =
            vec![vec!["web-1".into(), "two\nlines".into()], vec!["longer-name".into(), "x".into()]];
        insta::assert_snapshot!(render(&["AGENT", "RESULT"], rows, false), @r"
        AGENT        RESULT
        web-1        two
                     lines
        longer-name  x
        ");
    }
}
