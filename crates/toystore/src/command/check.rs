//! `toystore check HISTORY`: whether what clients saw can be true, of this store or any other.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::println;
use anyhow::{Context, Result};
use checker::history::{History, LINE_BYTES_MAX, Reader};
use checker::report;
use checker::verdict::Verdict;
use clap::Args;
use owo_colors::OwoColorize;

use super::paint;

/// Bytes that are read at once: histories have hundreds of megabytes.
const BUFFER_BYTES: usize = 1 << 20;

/// Exit code: something broke.
const BROKE: u8 = 1;
/// Exit code: something is not decided, or nothing could be judged.
const NOT_DECIDED: u8 = 2;
/// Exit code: no history.
const BAD_INPUT: u8 = 3;

/// Judge a history: what clients of a store asked and were told
///
/// `toystore client --history FILE` writes one; docs/formats.md says how any other client does.
/// Exit code 0: every guarantee that could be judged holds; 1: something broke; 2: something is not
/// decided; 3: the file is no history, with line and column.
#[derive(Debug, Args)]
pub struct Check {
    /// The file; `-` for standard input
    #[arg(value_name = "HISTORY")]
    history: PathBuf,
    /// Print the verdict as one JSON object
    #[arg(long, env = "TOYSTORE_JSON")]
    json: bool,
    /// Draw the counterexample, or a part of the history if there is none, as an HTML page
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// How many steps may be searched where the versions in the answers prove nothing
    #[arg(long, value_name = "N", default_value_t = checker::STEPS_DEFAULT)]
    steps: u64,
}

impl Check {
    /// Reads, judges, prints.
    ///
    /// # Errors
    /// If the picture cannot be written.
    pub fn run(self) -> Result<ExitCode> {
        let history = match read(&self.history) {
            Ok(history) => history,
            Err(error) => {
                paint::error(&error);
                return Ok(ExitCode::from(BAD_INPUT));
            }
        };
        let judged = checker::judge(&history, self.steps);
        if self.json {
            println!("{}", report::json(&history, &judged));
        } else {
            report::text(&history, &judged).lines().for_each(print_line);
        }
        if let Some(path) = &self.picture {
            std::fs::write(path, checker::picture::page(&history, &judged))
                .with_context(|| format!("cannot write the picture to {}", path.display()))?;
            paint::say(format_args!("picture: {}", path.display()));
        }
        Ok(match judged.verdict() {
            Verdict::Held => ExitCode::SUCCESS,
            Verdict::Broke => ExitCode::from(BROKE),
            Verdict::NotDecided | Verdict::NotJudged => ExitCode::from(NOT_DECIDED),
        })
    }
}

/// Colour repeats what the mark says.
pub fn print_line(line: &str) {
    let mut letters = line.chars();
    match letters.next() {
        Some(mark @ '✓') => println!("{}{}", mark.green().bold(), letters.as_str()),
        Some(mark @ '✗') => println!("{}{}", mark.red().bold(), letters.as_str()),
        Some(mark @ '?') => println!("{}{}", mark.yellow().bold(), letters.as_str()),
        _ => println!("{line}"),
    }
}

/// Line by line, so that a long history is kept once only.
fn read(path: &Path) -> Result<History> {
    let (name, file): (String, Box<dyn Read>) = if path.as_os_str() == "-" {
        ("standard input".to_string(), Box::new(std::io::stdin()))
    } else {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
        (name, Box::new(file))
    };
    let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
    let (mut reader, mut line) = (Reader::default(), Vec::new());
    loop {
        line.clear();
        // One more than is allowed, so that the reader says where it was too long.
        let most = LINE_BYTES_MAX as u64 + 2;
        let read = (&mut file).take(most).read_until(b'\n', &mut line);
        if read.with_context(|| format!("cannot read {name}"))? == 0 {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        reader.line(text).with_context(|| name.clone())?;
    }
    reader.finish().with_context(|| name)
}
