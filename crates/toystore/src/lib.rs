//! The shell: every service, the shopper and the tools, as subcommands of one program.
//!
//! A library only so that what reads a stranger's bytes can be given some without a process around
//! it. Called by `main`, and by whoever checks the reading ([`Port::read`], [`read_answers`]).

mod bundle;
mod cli;
mod client;
mod clock;
mod command;
mod containers;
mod disk;
mod driver;
mod histogram;
mod http;
mod load;
mod peer;
mod supervisor;
mod trace;

pub use cli::run;
pub use http::endpoint::Role;
pub use http::port::{Port, Understood};
pub use peer::pipe::read_answers;
