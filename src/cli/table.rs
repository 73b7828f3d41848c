//! Tables without borders: a header in capitals, two blanks between columns.

use super::style::{Tone, clean, cut};
use comfy_table::{Attribute, Cell as Shown, Color, ContentArrangement, Table as Grid, presets};
use std::borrow::Cow;

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Option<Tone>,
    whole: bool,
}

/// A cell in no particular tone; control characters are made visible, the empty text is `-`.
#[expect(clippy::needless_pass_by_value, reason = "cells are made of numbers and temporaries more often than of references")]
pub(crate) fn cell(text: impl ToString) -> Cell {
    let text = clean(&text.to_string());
    Cell { text: if text.is_empty() { "-".into() } else { text }, tone: None, whole: false }
}

impl Cell {
    /// The same cell in a tone.
    #[must_use]
    pub(crate) fn tone(self, tone: impl Into<Option<Tone>>) -> Self {
        Self { tone: tone.into(), ..self }
    }

    /// The same cell where a part of it says nothing: its column is not cut.
    #[must_use]
    pub(crate) fn whole(self) -> Self {
        Self { whole: true, ..self }
    }
}

/// Rows under a header.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    header: Vec<Cow<'static, str>>,
    rows: Vec<Vec<Cell>>,
}

/// Between two columns.
const GAP: usize = 2;
/// No column is cut below this.
const LEAST: usize = 10;

impl Table {
    /// A table with these columns.
    #[must_use]
    pub(crate) fn new(header: &'static [&'static str], rows: Vec<Vec<Cell>>) -> Self {
        Self { header: header.iter().copied().map(Cow::Borrowed).collect(), rows }
    }

    /// A table whose columns are known only at run time.
    #[must_use]
    pub(crate) fn named(header: Vec<String>, rows: Vec<Vec<Cell>>) -> Self {
        Self { header: header.into_iter().map(Cow::Owned).collect(), rows }
    }

    /// The table as text. With a `width` its widest columns are cut so that no row wraps, each to no less than [`LEAST`].
    #[must_use]
    pub(crate) fn render(&self, headers: bool, width: Option<u16>) -> String {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).enforce_styling();
        grid.style_text_only();
        if headers {
            grid.set_header(&self.header);
        }
        let most = width.map_or_else(Vec::new, |width| self.widths(usize::from(width), headers));
        for row in &self.rows {
            grid.add_row(row.iter().enumerate().map(|(i, cell)| {
                let shown = Shown::new(most.get(i).map_or_else(|| cell.text.clone(), |most| cut(&cell.text, *most)));
                cell.tone.into_iter().fold(shown, coloured)
            }));
        }
        for column in grid.column_iter_mut() {
            column.set_padding((0, u16::try_from(GAP).unwrap_or(0)));
        }
        grid.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
    }

    /// How wide each column may be: as wide as it is, the widest less until all fit.
    fn widths(&self, width: usize, headers: bool) -> Vec<usize> {
        let natural = |i: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.text.chars().count());
            cells.chain(headers.then(|| self.header[i].chars().count())).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.header.len()).map(natural).collect();
        let is_whole = |i: usize| self.rows.iter().filter_map(|row| row.get(i)).any(|cell| cell.whole);
        let whole: Vec<bool> = (0..self.header.len()).map(is_whole).collect();
        let gaps = GAP * self.header.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > width {
            let cuttable = widths.iter_mut().zip(&whole).filter(|(width, whole)| !**whole && **width > LEAST);
            let Some((widest, _)) = cuttable.max() else { break };
            *widest -= 1;
        }
        widths
    }
}

fn coloured(cell: Shown, tone: Tone) -> Shown {
    match tone {
        Tone::Good => cell.fg(Color::DarkGreen),
        Tone::Bad => cell.fg(Color::DarkRed).add_attribute(Attribute::Bold),
        Tone::Warn => cell.fg(Color::DarkYellow),
        Tone::Busy => cell.fg(Color::DarkCyan),
        Tone::Faint => cell.add_attribute(Attribute::Dim),
        Tone::Strong => cell.add_attribute(Attribute::Bold),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colours() {
        let rows = vec![
            vec![cell(1042), cell("active").tone(Tone::Busy), cell("a note that is rather long")],
            vec![cell(7), cell("").tone(None), cell("tab\there")],
        ];
        let table = Table::new(&["ID", "STATE", "NOTE"], rows);
        let plain = |text: String| anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain(table.render(true, Some(28))), "ID    STATE   NOTE\n1042  active  a note that...\n7     -       tab\\there\n");
        let id = |text: &str| vec![cell(text).whole(), cell("a note that is rather long")];
        let whole = Table::new(&["AT", "NOTE"], vec![id("2026-11-20T09:14:30Z")]);
        assert_eq!(plain(whole.render(false, Some(32))), "2026-11-20T09:14:30Z  a note ...\n", "a part of a time is none");
        assert_eq!(plain(table.render(true, Some(80))), plain(table.render(true, None)), "what fits is not cut");
        assert!(table.render(true, None).contains('\u{1b}'));
        assert!(plain(table.render(false, None)).starts_with("1042  active  a note that is rather long\n"));
    }
}
