//! Rows of cells under each other, each column as wide as what stands in it, so that a terminal of 80 columns has room for the last.

/// A cell that is wider moves the rest of its own row alone.
const WIDEST: usize = 24;

/// The rows, two blanks between their cells.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().min(WIDEST).max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
        format!("{}\n", cells.trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell_up_to_a_limit() {
        let long = "x".repeat(30);
        let rows =
            [["tag", "raw", "value"], ["\u{d6}l", "01C7", "45.5"], ["m", &long, ""]].map(|row| row.map(String::from));
        let expected =
            format!("tag  raw                       value\n\u{d6}l   01C7                      45.5\nm    {long}\n");
        assert_eq!(columns(&rows), expected);
    }
}
