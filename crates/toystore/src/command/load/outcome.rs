//! What came of a run: whether it holds, and the tables that say so.
//!
//! Made by `load::run`; read by the files that are written of it.

use std::time::SystemTime;

use anstream::println;

use crate::command::paint;
use crate::load::count::{Failure, Latencies, availability};
use crate::load::gathered::Gathered;
use crate::load::goal;
use crate::load::mix::Kind;
use hdrhistogram::Histogram;

/// How many numbers that were given twice are shown.
const SHOWN_MAX: usize = 5;

/// Everything about a run that is over.
pub struct Outcome {
    /// When the warm-up was over.
    pub began: SystemTime,
    /// What fixed its choices.
    pub seed: u64,
    /// The command line that makes them again.
    pub repeat: String,
    /// What was done, in a sentence.
    pub about: String,
    /// Whether requests had times of their own.
    pub open: bool,
    /// What was counted.
    pub gathered: Gathered,
    /// Order numbers that were told to more than one order.
    pub twice: Vec<u64>,
    /// What became of `--slo`.
    pub goals: Vec<goal::Outcome>,
}

impl Outcome {
    /// Whether something was right, nothing wrong, and every goal reached.
    pub fn holds(&self) -> bool {
        self.right() > 0
            && self.gathered.counts.wrong() == 0
            && self.twice.is_empty()
            && self.goals.iter().all(|goal| goal.holds)
    }

    /// Right answers.
    pub fn right(&self) -> u64 {
        self.gathered.counts.rows().map(|(_, row)| row.right).sum()
    }

    /// How many of these there were in a second.
    pub fn per_second(&self, count: u64) -> f64 {
        let seconds = self.gathered.measured.as_secs_f64();
        if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
    }

    /// The share of right answers in all that was intended.
    pub fn availability(&self) -> Option<f64> {
        availability(&self.gathered.counts.total(), self.gathered.counts.never_sent)
    }

    /// Latencies by what is measured: of each kind from the intended time, and in the open loop
    /// from the time of sending, too.
    pub fn latencies(&self) -> Vec<(Kind, &'static str, &Histogram<u64>)> {
        let rows = self.gathered.counts.rows();
        let both = rows.flat_map(|(kind, row)| {
            let service = self.open.then_some((kind, "service", &row.service));
            std::iter::once((kind, "response", &row.response)).chain(service)
        });
        both.filter(|(_, _, histogram)| !histogram.is_empty()).collect()
    }

    /// Prints all of it.
    pub fn print(&self) {
        self.print_counts();
        self.print_latencies();
        self.print_verdict();
    }

    fn print_counts(&self) {
        let mut head = vec!["", "right", "a second", "no stock", "hits"];
        let failures = Failure::ALL.iter();
        let met = |failure: &&Failure| {
            self.gathered.counts.rows().any(|(_, row)| row.failures[**failure as usize] > 0)
        };
        let met: Vec<Failure> = failures.filter(met).copied().collect();
        head.extend(met.iter().map(|failure| failure.name()));
        let mut table = paint::table_of_numbers(&head, 1);
        for (kind, row) in self.gathered.counts.rows() {
            let mut cells = vec![
                kind.name().to_string(),
                row.right.to_string(),
                format!("{:.0}", self.per_second(row.right)),
                row.no_stock.to_string(),
                row.hits().to_string(),
            ];
            cells.extend(met.iter().map(|failure| row.failures[*failure as usize].to_string()));
            table.add_row(cells);
        }
        println!("{table}");
    }

    fn print_latencies(&self) {
        println!("{}", latency_table(&self.latencies()));
        if self.open {
            println!("response: from the intended time of a request; service: from its sending");
        }
    }

    fn print_verdict(&self) {
        let counts = &self.gathered.counts;
        let seconds = self.gathered.measured.as_secs_f64();
        println!(
            "{} right answers in {seconds:.2} s: {:.0} a second",
            self.right(),
            self.per_second(self.right())
        );
        if counts.never_sent > 0 {
            let words = format!(
                "never sent: {}, whose time came, and no client was free until the end. They \
                 count against availability",
                counts.never_sent
            );
            println!("{}", paint::check(false, &words));
        }
        let failed = counts.total().ended() - self.right();
        if failed > 0 {
            println!("{}", paint::check(false, &format!("without a right answer: {failed}")));
        }
        let wrong = counts.wrong();
        let words = match (wrong, self.right()) {
            (0, 0) => "no answer was right".to_string(),
            (0, _) => "every answer was checked, and none was wrong".to_string(),
            (wrong, _) => format!("{wrong} answers were wrong"),
        };
        println!("{}", paint::check(wrong == 0 && self.right() > 0, &words));
        if !self.twice.is_empty() {
            let shown: Vec<String> =
                self.twice.iter().take(SHOWN_MAX).map(u64::to_string).collect();
            let words = format!(
                "{} order numbers were given to more than one order: {} …",
                self.twice.len(),
                shown.join(", ")
            );
            println!("{}", paint::check(false, &words));
        }
        for goal in &self.goals {
            println!("{}", paint::check(goal.holds, &format!("{}: {}", goal.goal, goal.value)));
        }
    }
}

/// A line for each histogram.
pub fn latency_table<T: Named>(rows: &[T]) -> comfy_table::Table {
    let head = ["", "samples", "mean", "p50", "p90", "p99", "p99.9", "max"];
    let mut table = paint::table_of_numbers(&head, 1);
    for row in rows {
        let (name, histogram) = row.named();
        let Some(latencies) = Latencies::of(histogram) else { continue };
        let times = [
            latencies.mean_us as u64,
            latencies.p50_us,
            latencies.p90_us,
            latencies.p99_us,
            latencies.p999_us,
            latencies.max_us,
        ];
        let mut cells = vec![name, latencies.samples.to_string()];
        cells.extend(times.map(paint::micros));
        table.add_row(cells);
    }
    table
}

/// A histogram with a name.
pub trait Named {
    /// Both.
    fn named(&self) -> (String, &Histogram<u64>);
}

impl Named for (Kind, &str, &Histogram<u64>) {
    fn named(&self) -> (String, &Histogram<u64>) {
        (format!("{} {}", self.0.name(), self.1), self.2)
    }
}

impl Named for (&String, &Histogram<u64>) {
    fn named(&self) -> (String, &Histogram<u64>) {
        (self.0.clone(), self.1)
    }
}
