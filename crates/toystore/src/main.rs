//! The binary: every service, the shopper and the tools, as subcommands.

mod cli;
mod client;
mod command;
mod supervisor;
// Nothing calls it yet: the driver of the nodes will.
#[allow(dead_code, unused_imports)]
mod wal;

fn main() -> std::process::ExitCode {
    cli::run()
}
