//! Experiment 5: the ways of replication side by side, by the cases of `toystore compare` in the
//! simulator: exact counts, which do not depend on this machine.

use std::num::NonZero;
use std::time::Duration;

use anyhow::Result;
use simulator::comparison::{Case, Comparison, Extent, Happens, Measured, Outage};

use super::lab::Lab;
use super::section::{Numbers, Plot, Section};
use super::settings::Size;
use crate::command::compare::{Part, about, findings, page, simulated, table};
use crate::command::plot::bars::draw;

/// Cases that run between two looks whether somebody wants an end.
const CHUNK: usize = 8;

/// How much is compared.
fn extent(size: Size, seed: u64) -> Extent {
    let quick = [1, 4, 4].map(Duration::from_secs);
    let full = [4, 10, 10].map(Duration::from_secs);
    let [length, loss_length, span] = size.of(quick, quick, full);
    Extent {
        replicas: size.of(vec![3], vec![3], vec![3, 5, 7]),
        shoppers: size.of(vec![1], vec![1, 16], vec![1, 16, 64]),
        seed,
        seeds: size.of(1, 1, 5),
        cost_seeds: 1,
        length,
        loss_length,
        span,
    }
}

/// What of it: the quick one leaves out what takes longest and teaches least.
fn wanted(size: Size, happens: Happens) -> bool {
    let outage = match happens {
        Happens::Nothing { .. } => return true,
        Happens::Loss { .. } => return size == Size::Full,
        Happens::Outage(outage) => outage,
    };
    let quick = [Outage::Killed, Outage::Paused, Outage::CutThenKilled, Outage::QuorumLoss];
    match size {
        Size::Smallest => outage == Outage::CutThenKilled,
        Size::Quick => quick.contains(&outage),
        Size::Full => true,
    }
}

/// How long it takes as planned, in seconds.
pub fn planned(size: Size) -> f64 {
    size.of(2.0, 5.0, 150.0)
}

/// Runs all cases.
///
/// # Errors
/// None of its own.
pub async fn run(lab: &Lab) -> Result<Section> {
    let size = lab.settings.size;
    // Cases are numbered from a seed; a huge one leaves no room for further ones.
    let extent = extent(size, lab.settings.seed % 1_000_000);
    let cases = extent.cases().into_iter().filter(|case| wanted(size, case.happens));
    let cases: Vec<Case> = cases.collect();
    let jobs = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut measured: Vec<(Case, Measured)> = Vec::new();
    for chunk in cases.chunks(CHUNK) {
        if lab.is_stopped() {
            break;
        }
        let share = measured.len() as f64 / cases.len() as f64;
        lab.at(share, &format!("{} of {} simulated runs", measured.len(), cases.len()));
        measured.extend(simulated::measure(chunk, jobs, || {}));
        // So that Ctrl-C is heard.
        tokio::task::yield_now().await;
    }
    let mut section = Section::new("protocols", "The ways of replication, side by side");
    section.how = vec![
        about(&extent),
        "Simulated: the real services in virtual time, so that what is counted is the same on \
         every machine; processors take no time in it. naive is the course's rule taken literally, \
         without what makes it safe: it is there to be seen losing orders. docs/compare.md says \
         what each fault is."
            .to_string(),
        format!(
            "By hand: toystore compare, or with real processes: toystore compare --world local. \
             The seeds begin at {}.",
            extent.seed
        ),
    ];
    if measured.is_empty() {
        return Ok(section);
    }
    let comparison = Comparison::new(&measured);
    let part = Part { world: "Simulated", about: about(&extent), real: false, comparison };
    fill(&mut section, &part);
    Ok(section)
}

fn fill(section: &mut Section, part: &Part) {
    let csv = table::csv(std::slice::from_ref(part));
    let questions = [
        ("messages", "What does an order cost under each way of replication?"),
        ("outages", "Which of them goes on after which fault, and how soon?"),
        ("lost", "Which of them keeps what it has acknowledged?"),
    ];
    for plot in page::plots(part) {
        let id = format!("protocols-{}", plot.id);
        if let Some((_, question)) = questions.iter().find(|(name, _)| *name == plot.id) {
            section.answer(question, plot.title.clone(), &id);
        }
        let mut numbers = Numbers::new(&["group", "replication", "value", "to", "words"]);
        for group in &plot.groups {
            for bar in &group.bars {
                let to = bar.range.map_or_else(String::new, |(_, to)| to.to_string());
                let value = bar.value.to_string();
                let (group, name) = (group.name.clone(), bar.name.clone());
                numbers.row([group, name, value, to, bar.words.clone()]);
            }
        }
        let drawing = draw(&plot.groups, plot.axis, &plot.title);
        let runs = part.comparison.outages.iter().map(|row| row.seeds).max().unwrap_or(1);
        let runs = if runs == 1 { "1 run".to_string() } else { format!("{runs} runs") };
        let about = format!("Simulated, {runs} of each fault: {}", plot.words);
        section.plot(Plot { id, title: plot.title, about, drawing, numbers });
    }
    let mut lines = csv.lines().map(|line| line.split(',').map(str::to_string).collect());
    let head = lines.next().unwrap_or_default();
    let numbers = Numbers { head, rows: lines.collect() };
    section.table("protocols-table", "Everything that was counted", numbers);
    let kept = findings::kept(&part.comparison);
    if !kept.holds {
        section.broken.push(kept.sentence);
    }
}
