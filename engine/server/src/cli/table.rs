//! Aligned columns for people.

use std::fmt;

use super::colour;

/// The widest column but the last, in characters.
const CELL_CHARS_MAX: usize = 48;

/// Rows under headings. The last column is neither cut nor padded.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row with as many cells as there are headings.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        let last = cells.len().saturating_sub(1);
        let cut = |(index, cell): (usize, String)| match cell.chars().count() > CELL_CHARS_MAX && index < last
        {
            true => format!("{}…", cell.chars().take(CELL_CHARS_MAX - 1).collect::<String>()),
            false => cell,
        };
        self.rows.push(cells.into_iter().enumerate().map(cut).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let line: String =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
            if number == 0 {
                writeln!(f, "{}", colour::bold(line.trim_end()))?;
                continue;
            }
            // The last cell is not padded, so that nothing stands at the end of a line.
            let last = row.iter().rposition(|cell| !cell.is_empty()).unwrap_or_default();
            for (place, (cell, width)) in row.iter().zip(&widths).take(last + 1).enumerate() {
                let padded = if place == last { cell.clone() } else { format!("{cell:<width$}  ") };
                f.write_str(&colour::by_word(cell, &padded))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_long_cells_cut() {
        let mut table = Table::new(&["ID", "RULE", "WHY"]);
        table.row(vec!["issue-1".into(), "a".into(), "x".repeat(60)]);
        table.row(vec!["issue-22".into(), "ä".repeat(50), String::new()]);
        let expected = format!(
            "ID        RULE{}WHY\nissue-1   a{}{}\nissue-22  {}…\n",
            " ".repeat(46),
            " ".repeat(49),
            "x".repeat(60),
            "ä".repeat(47)
        );
        assert_eq!(table.to_string(), expected);
    }
}
