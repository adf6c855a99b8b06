//! The report's page: it needs nothing else, no script and no network; light and dark, on a screen
//! and on paper. First the questions with their answers, then everything that they rest on.
//!
//! Pure. Called by [`super::Evaluate`].

use std::fmt::Write as _;
use std::time::Duration;

use checker::picture::escape;

use super::forecast;
use super::section::{Numbers, Part, Section};
use crate::command::plot::sheet::{DRAWING, PAGE, PRINT, PROTOCOLS};

/// What all experiments have in common.
pub struct Report {
    /// The command that makes it again.
    pub repeat: String,
    /// The machine and the program.
    pub environment: Vec<(&'static str, String)>,
    /// What makes its figures mean less than they seem to.
    pub warning: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// Whether somebody wanted an end before it was done.
    pub stopped: bool,
    /// Experiments that failed, and why.
    pub failed: Vec<String>,
    /// What was not done at all, and why.
    pub left_out: Vec<String>,
    /// What was done, each with the command that repeats it alone.
    pub sections: Vec<(Section, String)>,
}

impl Report {
    /// Whether everything was measured, and everything that must hold held.
    pub fn holds(&self) -> bool {
        self.failed.is_empty() && self.sections.iter().all(|(section, _)| section.broken.is_empty())
    }

    /// The whole page.
    pub fn page(&self) -> String {
        let mut body = self.head();
        for (section, repeat) in &self.sections {
            write_section(&mut body, section, repeat);
        }
        body.push_str(&self.environment());
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>toystore evaluate</title>\n\
             <style>\n{PAGE}{DRAWING}{PROTOCOLS}{STYLE}{PRINT}</style>\n\
             </head>\n<body>\n{body}</body>\n</html>\n",
        )
    }

    /// Questions and answers, and where to find what.
    fn head(&self) -> String {
        let mut text = "<h1>A toy store, evaluated</h1>\n".to_string();
        _ = writeln!(text, "<p>{STORE}</p>");
        let took = forecast::words(self.took);
        _ = writeln!(
            text,
            "<p class=\"dim\">Measured in {took}. To measure it again: <code>{}</code></p>",
            escape(&self.repeat)
        );
        if let Some(warning) = &self.warning {
            _ = writeln!(text, "<p class=\"bad\">Mind that {}.</p>", escape(warning));
        }
        if self.stopped {
            text.push_str(
                "<p class=\"bad\">Stopped before it was done: what was measured until \
                 then is shown.</p>\n",
            );
        }
        let broken = self.sections.iter().flat_map(|(section, _)| &section.broken);
        for wrong in broken.chain(&self.failed) {
            _ = writeln!(text, "<p class=\"bad\">✗ {}</p>", escape(wrong));
        }
        text.push_str("<h2 id=\"summary\">The questions, each with its answer</h2>\n");
        for (section, _) in self.sections.iter().filter(|(section, _)| !section.is_empty()) {
            _ = writeln!(
                text,
                "<h3 class=\"of\"><a href=\"#{}\">{}</a></h3>\n<dl>",
                section.id,
                escape(section.title)
            );
            for answer in &section.answers {
                _ = writeln!(
                    text,
                    "<dt>{}</dt><dd>{} <a href=\"#{id}\">{id}</a></dd>",
                    escape(&answer.question),
                    escape(&answer.sentence),
                    id = answer.evidence,
                );
            }
            text.push_str("</dl>\n");
        }
        if !self.left_out.is_empty() {
            text.push_str("<h3 class=\"of\">Left out</h3>\n<ul>\n");
            for words in &self.left_out {
                _ = writeln!(text, "<li>{}</li>", escape(words));
            }
            text.push_str("</ul>\n");
        }
        text
    }

    fn environment(&self) -> String {
        let mut text = "<section>\n<h2 id=\"environment\">Where it was measured</h2>\n\
             <div class=\"scroll\" tabindex=\"0\">\n<table>\n"
            .to_string();
        for (name, value) in &self.environment {
            _ = writeln!(
                text,
                "<tr><th>{name}</th><td class=\"words\">{}</td></tr>",
                escape(value)
            );
        }
        text.push_str("</table>\n</div>\n");
        _ = writeln!(text, "<p class=\"dim\">{MACHINE}</p>\n</section>");
        text
    }
}

/// What the store is, for whoever never saw the lab.
const STORE: &str = "The store: shoppers ask a <em>frontend</em> for toys and order them. It keeps \
    the toys asked for last in a cache; all others it asks of the <em>catalog</em>, which keeps \
    the stock. Orders go to the <em>order service</em>, several replicas of which one leads; they \
    agree on a log of orders, so that none is lost when some of them die. A toy that is sold is \
    dropped from the caches (it is <em>invalidated</em>).";

/// What numbers of one machine are worth.
const MACHINE: &str = "All processes, and whoever loads them, share this machine: numbers beside \
    each other in one plot can be compared, those of two machines or two days cannot.";

fn write_section(body: &mut String, section: &Section, repeat: &str) {
    _ = writeln!(body, "<h2 id=\"{}\">{}</h2>", section.id, escape(section.title));
    if section.is_empty() {
        body.push_str("<p class=\"dim\">Nothing was measured.</p>\n");
    }
    for part in &section.parts {
        match part {
            Part::Plot(plot) => {
                _ = writeln!(
                    body,
                    "<section id=\"{id}\">\n<h3>{}</h3>\n<p class=\"dim\">{} \
                     <span class=\"files\"><a href=\"{id}.svg\">{id}.svg</a> \
                     <a href=\"{id}.csv\">{id}.csv</a></span></p>\n{}</section>",
                    escape(&plot.title),
                    escape(&plot.about),
                    plot.drawing,
                    id = plot.id,
                );
            }
            Part::Table(table) => {
                _ = writeln!(
                    body,
                    "<details id=\"{id}\">\n<summary>{} <span class=\"files\">\
                     <a href=\"{id}.csv\">{id}.csv</a></span></summary>\n{}</details>",
                    escape(&table.title),
                    rows(&table.numbers),
                    id = table.id,
                );
            }
        }
    }
    for missing in &section.missing {
        _ = writeln!(body, "<p><strong>Not measured:</strong> {}</p>", escape(missing));
    }
    body.push_str("<details class=\"how\">\n<summary>How it was measured</summary>\n");
    for words in &section.how {
        _ = writeln!(body, "<p>{}</p>", escape(words));
    }
    _ = writeln!(
        body,
        "<p>This part alone, again: <code>{}</code></p>\n</details>",
        escape(repeat)
    );
}

fn rows(numbers: &Numbers) -> String {
    let mut text = "<div class=\"scroll\" tabindex=\"0\">\n<table>\n<tr>".to_string();
    for name in &numbers.head {
        _ = write!(text, "<th>{}</th>", escape(&name.replace('_', " ")));
    }
    text.push_str("</tr>\n");
    for row in &numbers.rows {
        text.push_str("<tr>");
        for cell in row {
            // What is no number is read from the left.
            let number = cell.chars().all(|c| c.is_ascii_digit() || "+-.%– ".contains(c));
            let class = if number { "" } else { " class=\"words\"" };
            _ = write!(text, "<td{class}>{}</td>", escape(cell));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</table>\n</div>\n");
    text
}

const STYLE: &str = "\
a { color: inherit; }
.files { font-size: .85em; margin-left: .4em; color: var(--dim); }
.files a { margin-right: .5em; }
h3.of { margin: 1.2rem 0 .2rem; }
dl { margin: 0; }
dt { font-weight: bold; margin-top: .5rem; }
dd { margin: 0 0 .2rem 1.2rem; }
dd a { color: var(--dim); font-size: .85em; }
details { margin: .8rem 0; max-width: 62rem; }
details.how { background: var(--soft); padding: .4rem .8rem; }
summary { cursor: pointer; }
td.words { text-align: left; white-space: normal; }
@media print { details:not([open]) > *:not(summary) { display: revert; }
  details::details-content { content-visibility: visible; height: auto; display: block; }
  .files { display: none; } }
";

#[cfg(test)]
mod tests {
    use super::super::section::Plot;
    use super::*;

    #[test]
    fn the_page_begins_with_answers_that_lead_to_what_they_rest_on() {
        let mut section = Section::new("latency", "How long");
        section.answer("How <much>?", "1.2 ms & more", "latency-a");
        section.plot(Plot {
            id: "latency-a".to_string(),
            title: "A & B".to_string(),
            about: "3 samples".to_string(),
            drawing: "<svg></svg>\n".to_string(),
            numbers: Numbers::new(&["a_us"]),
        });
        let mut numbers = Numbers::new(&["a_us", "what"]);
        numbers.row(["1.5".to_string(), "a word".to_string()]);
        section.table("latency-table", "All", numbers);
        section.broken.push("an order was lost".to_string());
        let report = Report {
            repeat: "toystore evaluate --seed 1".to_string(),
            environment: vec![("kernel", "6.1".to_string())],
            took: Duration::from_secs(61),
            stopped: true,
            failed: vec![],
            warning: Some("it is <memory>".to_string()),
            left_out: vec!["crashes: no".to_string()],
            sections: vec![(section, "toystore evaluate --only latency --seed 1".to_string())],
        };
        let page = report.page();
        let answer = page.find("<dt>How &lt;much&gt;?</dt><dd>1.2 ms &amp; more");
        assert!(answer.is_some_and(|at| at < page.find("id=\"latency-a\"").unwrap()), "{page}");
        for words in [
            "href=\"#latency-a\"",
            "latency-a.svg",
            "<th>a us</th>",
            "1 min 01 s",
            "✗ an order",
            "Mind that it is &lt;memory&gt;.",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
        assert!(page.contains("<td>1.5</td><td class=\"words\">a word</td>"), "{page}");
        assert!(!page.contains("<script") && !report.holds());
    }
}
