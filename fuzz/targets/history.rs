//! Gives [`fuzz::history`] whatever libFuzzer makes up. Built and run by `.ci/fuzz`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::history::check(input));
