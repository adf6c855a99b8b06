//! The binary: every service, the shopper and the tools, as subcommands.

mod cli;
// The subcommand that runs it follows with the services.
#[allow(dead_code)]
mod client;
// The demo, which uses the rest of them, follows with the services.
#[allow(dead_code)]
mod command;
#[allow(dead_code)]
mod supervisor;
// Nothing calls it yet: the driver of the nodes will.
#[allow(dead_code, unused_imports)]
mod wal;

fn main() -> std::process::ExitCode {
    cli::run()
}
