//! The binary: every service, the shopper and the tools, as subcommands.

fn main() {}
