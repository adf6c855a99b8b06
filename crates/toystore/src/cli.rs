//! The command line: every subcommand and flag, and the one place where the program ends.
//!
//! Called by `main`; hands over to [`crate::command`], one file for each subcommand, and to the
//! services.

use std::process::ExitCode;

use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::command::{
    catalog, check, client, compare, control, dashboard, demo, evaluate, export, frontend,
    generate, health, load, migrate, node, order, paint, run, sim, status, top, up, view,
};
use crate::supervisor::control::Action;

/// A distributed toy store that you can break, and whose answers are proved
///
/// A catalog, a replicated order service and caching frontends, speaking REST, in one binary.
/// `toystore demo` shows it in half a minute; `toystore up` starts one to work with.
#[derive(Debug, Parser)]
#[command(name = "toystore", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  toystore demo                               shoppers, a crash, and the verdict, in 30 seconds
  toystore up                                 a store: six processes, data in ./toystore-data
  curl http://127.0.0.1:8080/products/tux     a toy of it
  toystore client --clients 5 --requests 200  shoppers for it
  toystore load --rate 2000 --orders 0.1      as many requests as it takes, and how long they took
  toystore kill leader                        the order leader dies …
  toystore status                             … another one leads …
  toystore start order-3                      … and it comes back
  toystore compare --quick                    the ways of replication, side by side
  toystore evaluate --quick                   the lab's whole evaluation, as one report
  toystore view FOLDER                        a run that is over, in the page

Data goes to stdout, everything else to stderr. Exit code 0: done, and what was checked holds;
1: not so; 2: wrong usage. Every flag of a service is also an environment variable TOYSTORE_*.";

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Client(client::Client),
    Load(load::Load),
    Check(check::Check),
    Demo(demo::Demo),
    Status(status::Status),
    Top(top::Top),
    Dashboard(dashboard::elsewhere::DashboardCommand),
    Catalog(catalog::CatalogCommand),
    Order(order::OrderCommand),
    Frontend(frontend::FrontendCommand),
    /// Kill a node of a running store: SIGKILL, as a crash
    ///
    /// Returns when the process is gone. It stays dead until `toystore start`.
    Kill(control::Control),
    /// Pause a node: SIGSTOP, so that it is hung, not dead
    Pause(control::Control),
    /// Let a paused node go on: SIGCONT
    Resume(control::Control),
    /// Start a dead node again, where it was, on its own data
    ///
    /// Returns when it answers.
    Start(control::Control),
    Node(node::NodeCommand),
    Export(export::Export),
    Generate(generate::Generate),
    Migrate(migrate::Migrate),
    Sim(sim::Sim),
    Run(run::Run),
    View(view::View),
    Compare(compare::Compare),
    Evaluate(evaluate::Evaluate),
    Health(health::Health),
}

/// A number below zero is refused by its range, with the flag's name; else it is taken for a flag
/// that does not exist. All flags that want a number are told by the word for their value.
fn with_numbers_below_zero(argument: Arg) -> Arg {
    let words = argument.get_value_names().unwrap_or_default();
    match words.first().map(|word| word.as_str()) {
        Some("N" | "P" | "ID") => argument.allow_negative_numbers(true),
        // With its unit it is no number to clap.
        Some("DURATION") => argument.allow_hyphen_values(true),
        Some(_) | None => argument,
    }
}

fn read() -> Cli {
    let mut all =
        Cli::command().mut_subcommands(|command| command.mut_args(with_numbers_below_zero));
    let matches = all.get_matches_mut();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut all).exit())
}

/// Reads the command line, does what it says, and returns the exit code: 2 for wrong usage (clap's
/// own), 1 for an error.
pub fn run() -> ExitCode {
    let outcome = match read().command {
        Command::Up(up) => up.run(),
        Command::Client(client) => client.run(),
        Command::Load(load) => load.run(),
        Command::Check(check) => check.run(),
        Command::Demo(demo) => demo.run(),
        Command::Status(status) => status.run(),
        Command::Top(top) => top.run(),
        Command::Dashboard(dashboard) => dashboard.run(),
        Command::Catalog(catalog) => catalog.run(),
        Command::Order(order) => order.run(),
        Command::Frontend(frontend) => frontend.run(),
        Command::Kill(control) => control.run(Action::Kill),
        Command::Pause(control) => control.run(Action::Pause),
        Command::Resume(control) => control.run(Action::Resume),
        Command::Start(control) => control.run(Action::Start),
        Command::Node(node) => node.run(),
        Command::Export(export) => export.run(),
        Command::Generate(generate) => generate.run(),
        Command::Migrate(migrate) => migrate.run(),
        Command::Sim(sim) => sim.run(),
        Command::Run(run) => run.run(),
        Command::View(view) => view.run(),
        Command::Compare(compare) => compare.run(),
        Command::Evaluate(evaluate) => evaluate.run(),
        Command::Health(health) => health.run(),
    };
    outcome.unwrap_or_else(|error| {
        paint::error(&error);
        ExitCode::FAILURE
    })
}
