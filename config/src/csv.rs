//! CSV as spreadsheets write it: `;`, `,` or tab between cells, quotes around what holds one of these, any line ends.

/// A row with at least one cell that says something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// As spreadsheets count: from 1, blank rows too.
    pub(crate) number: usize,
    /// All of them, the blank ones too.
    pub(crate) cells: Vec<Cell>,
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    /// Without its quotes and without blanks around it.
    pub(crate) text: String,
    /// The bytes of the file that it stands in, quotes included.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A quote that is never closed, at this byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unclosed(pub(crate) usize);

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads the whole text. The first row decides what stands between cells.
pub(crate) fn rows(text: &str) -> Result<Vec<Row>, Unclosed> {
    let body = text.trim_start_matches(BYTE_ORDER_MARK);
    let mut reader = Reader { text, separator: separator(body), at: text.len() - body.len() };
    let mut rows = Vec::new();
    let mut number = 0;
    while reader.at < text.len() {
        number += 1;
        let cells = reader.row()?;
        if cells.iter().any(|cell| !cell.text.is_empty()) {
            rows.push(Row { number, cells });
        }
    }
    Ok(rows)
}

/// The separator that the first line with text in it has most of; `,` where it has none.
fn separator(text: &str) -> char {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |separator: &char| header.matches(*separator).count();
    // Of several that are equally frequent the last is taken.
    ['\t', ';', ','].into_iter().max_by_key(count).unwrap_or(',')
}

struct Reader<'a> {
    text: &'a str,
    separator: char,
    /// The next byte to read.
    at: usize,
}

impl Reader<'_> {
    /// The cells up to the end of the line, which is read too.
    fn row(&mut self) -> Result<Vec<Cell>, Unclosed> {
        let mut cells = Vec::new();
        loop {
            cells.push(self.cell()?);
            match self.next() {
                Some('\r') => {
                    if self.rest().starts_with('\n') {
                        self.at += 1;
                    }
                    return Ok(cells);
                }
                Some('\n') | None => return Ok(cells),
                // A cell ends nowhere else.
                Some(_separator) => {}
            }
        }
    }

    /// One cell, up to what ends it.
    fn cell(&mut self) -> Result<Cell, Unclosed> {
        let start = self.at;
        let mut text = String::new();
        if self.rest().starts_with('"') {
            self.at += 1;
            loop {
                match self.next() {
                    Some('"') if self.rest().starts_with('"') => {
                        self.at += 1;
                        text.push('"');
                    }
                    Some('"') => break,
                    Some(character) => text.push(character),
                    None => return Err(Unclosed(start)),
                }
            }
        }
        let rest = self.rest();
        let end = rest.find([self.separator, '\r', '\n']).unwrap_or(rest.len());
        text.push_str(rest.get(..end).unwrap_or_default());
        self.at += end;
        Ok(Cell { text: text.trim().to_owned(), start, end: self.at })
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(usize, Vec<String>)> {
        let rows = rows(text).unwrap().into_iter();
        rows.map(|row| (row.number, row.cells.into_iter().map(|cell| cell.text).collect())).collect()
    }

    #[test]
    fn cells_are_found_whatever_the_country_puts_between_them() {
        let expected = [(1, vec!["name".to_owned(), "at".to_owned()]), (2, vec!["a".to_owned(), "40001".to_owned()])];
        for text in [
            "name,at\na,40001\n",
            "name;at\r\na;40001\r\n",
            "name\tat\ra\t40001",
            "\u{feff}\"name\";\"at\"\r\n a ;40001",
        ] {
            assert_eq!(texts(text), expected, "{text:?}");
        }
    }

    #[test]
    fn quotes_hold_separators_quotes_and_line_ends() {
        let text = "name,note\n\"a,b\",\"say \"\"on\"\"\nor off\"\n";
        assert_eq!(texts(text)[1], (2, vec!["a,b".to_owned(), "say \"on\"\nor off".to_owned()]));
        assert_eq!(rows("name,note\na,\"open"), Err(Unclosed(12)));
    }

    #[test]
    fn blank_rows_are_left_out_and_counted() {
        assert_eq!(texts("name;at\n\n;;\n  ;\na;1\n").iter().map(|(row, _)| *row).collect::<Vec<_>>(), [1, 5]);
        assert_eq!(rows(""), Ok(Vec::new()));
    }

    #[test]
    fn a_cell_knows_its_bytes() {
        let rows = rows("\u{feff}a;\"b\"\n").unwrap();
        let places: Vec<_> = rows[0].cells.iter().map(|cell| (cell.start, cell.end)).collect();
        assert_eq!(places, [(3, 4), (5, 8)]);
    }
}
