//! The tests that need the binary: one test binary, one module for each subject.

mod cli;
