//! The report as files: the page, and each plot as SVG and as CSV.
//!
//! Called by [`super::Evaluate`].

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::page::Report;
use super::section::Part;
use crate::command::plot::sheet;

/// The page.
pub const PAGE: &str = "index.html";

/// What says which command made the folder, and where.
const ABOUT: &str = "about.txt";

/// Makes sure that a report can be written at the end, before what is long begins.
///
/// # Errors
/// If it cannot, or there is something else in the folder.
pub fn prepare(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut all = fs::read_dir(folder)
        .with_context(|| format!("cannot read the folder {}", folder.display()))?;
    if all.next().is_some() && !folder.join(ABOUT).exists() {
        bail!(
            "{} is not empty, and no report is in it\n\
             hint: name a new folder with --out, or one with a report, which is written over",
            folder.display()
        );
    }
    super::super::check_writable(&folder.join(PAGE))
}

/// Writes it; what an older report left is removed.
///
/// # Errors
/// If a file cannot be written.
pub fn write(folder: &Path, report: &Report) -> Result<()> {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|end| end == "svg" || end == "csv") {
            // What cannot be removed is written over, or is of another report.
            let _ = fs::remove_file(path);
        }
    }
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    for part in report.sections.iter().flat_map(|(section, _)| &section.parts) {
        put(&format!("{}.csv", part.id()), &part.numbers().csv())?;
        if let Part::Plot(plot) = part {
            put(&format!("{}.svg", plot.id), &sheet::alone(&plot.drawing))?;
        }
    }
    let mut about = format!("{}\n\n", report.repeat);
    for (name, value) in &report.environment {
        about.push_str(&format!("{name}: {value}\n"));
    }
    for (section, repeat) in &report.sections {
        about.push_str(&format!("\n{}: {repeat}\n", section.id));
        section.how.iter().for_each(|words| about.push_str(&format!("  {words}\n")));
    }
    put(ABOUT, &about)?;
    put(PAGE, &report.page())
}
