//! Aligned columns, and output that a closed pipe does not turn into a panic.

use std::io::{self, Write as _};

/// Prints a line to standard output.
pub(crate) fn say(line: &str) {
    // Whoever closed the pipe wants no more of it; the JSON file is still written.
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line of progress to standard error.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Rows under a head; the first column left-aligned, the others right-aligned.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn print(&self) {
        say(&self.text());
    }

    fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let pad = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
                match column {
                    0 => line.push_str(&format!("  {cell}{pad}")),
                    _ => line.push_str(&format!("  {pad}{cell}")),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A number with so many decimals, or a dash for none.
pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["name", "µs"]);
        table.row(vec!["nginx".to_owned(), "15.2".to_owned()]);
        assert_eq!(table.text(), "  name     µs\n  nginx  15.2\n");
    }

    #[test]
    fn none_is_a_dash() {
        assert_eq!(number(None, 2), "-");
        assert_eq!(number(Some(0.834), 2), "0.83");
    }
}
