//! What an experiment hands back: its questions with their answers, its plots and its tables.
//!
//! Filled by each experiment, written by [`super::page`] and [`super::files`].

use checker::verdict::many;

use crate::client::csv;

/// An experiment, measured.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// The name by which it is asked for: `latency`.
    pub id: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// The lab's questions, each with its answer.
    pub answers: Vec<Answer>,
    /// Plots and tables, in the order of the page.
    pub parts: Vec<Part>,
    /// How it was measured: sentences.
    pub how: Vec<String>,
    /// What could not be measured, and why.
    pub missing: Vec<String>,
    /// What must hold and did not.
    pub broken: Vec<String>,
}

/// A question and what was found.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As the lab asks it.
    pub question: String,
    /// The answer, with its numbers.
    pub sentence: String,
    /// The id of the plot or table that shows it.
    pub evidence: String,
}

/// Something to look at.
#[derive(Clone, Debug)]
pub enum Part {
    /// A drawing with its numbers.
    Plot(Plot),
    /// Numbers alone.
    Table(Table),
}

/// A drawing.
#[derive(Clone, Debug)]
pub struct Plot {
    /// The name of its files: `latency-with-cache`.
    pub id: String,
    /// What it shows, in a sentence with its numbers.
    pub title: String,
    /// What is drawn, of how many samples.
    pub about: String,
    /// SVG, for wide screens and for narrow ones.
    pub drawing: String,
    /// The numbers that are drawn.
    pub numbers: Numbers,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// The name of its file.
    pub id: String,
    /// What it lists.
    pub title: String,
    /// Its rows.
    pub numbers: Numbers,
}

/// Rows under a heading.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// The heading.
    pub head: Vec<String>,
    /// As many cells in each as the heading has.
    pub rows: Vec<Vec<String>>,
}

impl Section {
    /// One that has nothing yet.
    pub fn new(id: &'static str, title: &'static str) -> Section {
        Section { id, title, ..Section::default() }
    }

    /// Adds a question and its answer.
    pub fn answer(&mut self, question: &str, sentence: impl Into<String>, evidence: &str) {
        self.answers.push(Answer {
            question: question.to_string(),
            sentence: sentence.into(),
            evidence: evidence.to_string(),
        });
    }

    /// Adds a drawing.
    pub fn plot(&mut self, plot: Plot) {
        self.parts.push(Part::Plot(plot));
    }

    /// Adds a table.
    pub fn table(&mut self, id: &str, title: &str, numbers: Numbers) {
        let (id, title) = (id.to_string(), title.to_string());
        self.parts.push(Part::Table(Table { id, title, numbers }));
    }

    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

impl Part {
    /// The name of its files.
    pub fn id(&self) -> &str {
        match self {
            Part::Plot(plot) => &plot.id,
            Part::Table(table) => &table.id,
        }
    }

    /// Its numbers.
    pub fn numbers(&self) -> &Numbers {
        match self {
            Part::Plot(plot) => &plot.numbers,
            Part::Table(table) => &table.numbers,
        }
    }
}

impl Numbers {
    /// No rows yet.
    pub fn new(head: &[&str]) -> Numbers {
        Numbers { head: head.iter().map(ToString::to_string).collect(), rows: Vec::new() }
    }

    /// One more.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let row: Vec<String> = cells.into_iter().collect();
        debug_assert_eq!(row.len(), self.head.len(), "{row:?}");
        self.rows.push(row);
    }

    /// As CSV (RFC 4180).
    pub fn csv(&self) -> String {
        let line = |row: &Vec<String>| csv::line(row.iter().map(String::as_str));
        std::iter::once(&self.head).chain(&self.rows).map(line).collect()
    }
}

/// A number as files have it: at most four digits behind the point.
pub fn cell(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// A number that may be absent.
pub fn cell_of(value: Option<f64>) -> String {
    value.map_or_else(String::new, cell)
}

/// `1 run`, `2 runs`.
pub fn count(number: usize, one: &str) -> String {
    many(number as u64, one)
}

/// `a, b and c`.
pub fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_short_and_csv_is_whole() {
        assert_eq!([cell(1.0), cell(0.25), cell(1_234.567_89)], ["1", "0.25", "1234.5679"]);
        let mut numbers = Numbers::new(&["toy", "hits"]);
        numbers.row(["Rubik's, \"Cube\"".to_string(), cell(3.0)]);
        assert_eq!(numbers.csv(), "toy,hits\n\"Rubik's, \"\"Cube\"\"\",3\n");
        assert_eq!(list(&["a".into(), "b".into(), "c".into()]), "a, b and c");
    }
}
