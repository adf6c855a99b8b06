//! The binary: hands over to the library, which has everything.

fn main() -> std::process::ExitCode {
    toystore::run()
}
