//! The binary: every service, the shopper and the tools, as subcommands.

mod bundle;
mod cli;
mod client;
mod clock;
mod command;
mod disk;
mod driver;
mod http;
mod peer;
mod supervisor;

fn main() -> std::process::ExitCode {
    cli::run()
}
