//! The binary: every service, the shopper and the tools, as subcommands.

mod cli;
mod clock;
mod driver;
mod http;
mod peer;
// The subcommand that runs it follows with the services.
#[allow(dead_code)]
mod client;
// The demo, which uses the rest of them, follows with the services.
#[allow(dead_code)]
mod command;
#[allow(dead_code)]
mod supervisor;
mod wal;

fn main() -> std::process::ExitCode {
    cli::run()
}
