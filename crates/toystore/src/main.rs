//! The binary: every service, the shopper and the tools, as subcommands.

mod cli;
mod client;
mod command;
mod supervisor;

fn main() -> std::process::ExitCode {
    cli::run()
}
