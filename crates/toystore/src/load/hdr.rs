//! Histograms as files that others read, and that can be merged: HdrHistogram's interval log,
//! version 1.3, with one line for each kind of request (`Tag=read`), in its V2 encoding.
//!
//! Quantiles of two machines cannot be averaged; their histograms can be added. Pure: text in, text
//! out. Called by [`crate::command::load`].

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use super::count::histogram;

/// No clock is right that is beyond the year 9999.
const TIME_MAX: Duration = Duration::from_secs(253_402_300_799);

/// The most that the counts of a histogram may have, in bytes: more than those of five digits have,
/// with each value once.
const COUNTS_MAX: usize = 64 << 20;

/// Latencies by tag, and when they were taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// Microseconds; a tag is a kind of request, with `.service` behind it for service times.
    pub histograms: BTreeMap<String, Histogram<u64>>,
    /// When the first began, since 1970.
    pub start: Duration,
    /// When the last one ended.
    pub end: Duration,
}

impl Log {
    /// An empty one of a run that began then, and took so long.
    pub fn new(start: SystemTime, took: Duration) -> Log {
        // A clock before 1970 is wrong, and nothing here depends on it.
        let start = start.duration_since(UNIX_EPOCH).unwrap_or_default();
        Log { histograms: BTreeMap::new(), start, end: start + took }
    }

    /// As a file. Tags are ours: they have neither commas nor spaces.
    ///
    /// # Errors
    /// If a histogram cannot be encoded.
    pub fn write(&self) -> Result<String, String> {
        let (mut text, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
        let mut builder = IntervalLogWriterBuilder::new();
        builder.add_comment("toystore load: latencies in microseconds, a line for each kind");
        builder.with_start_time(UNIX_EPOCH + self.start);
        let writer = builder.begin_log_with(&mut text, &mut serializer);
        let mut writer = writer.map_err(|error| error.to_string())?;
        for (tag, histogram) in &self.histograms {
            let took = self.end.saturating_sub(self.start);
            writer
                .write_histogram(histogram, self.start, took, Tag::new(tag))
                .map_err(|error| format!("{tag}: {error:?}"))?;
        }
        drop(writer);
        String::from_utf8(text).map_err(|error| error.to_string())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Says which line is none, and why.
    pub fn read(text: &str) -> Result<Log, String> {
        let mut log = Log { start: Duration::MAX, ..Log::default() };
        let mut deserializer = Deserializer::new();
        // The crate's iterator does not say where it stands: it is given line by line.
        for (number, line) in text.lines().enumerate() {
            let at = |why: String| format!("line {}: {why}", number + 1);
            let line = format!("{line}\n");
            // The legend: names of columns.
            if line.starts_with('"') {
                continue;
            }
            for entry in IntervalLogIterator::new(line.as_bytes()) {
                let entry = entry.map_err(|_| at("not of a log of HdrHistogram".to_string()))?;
                let LogEntry::Interval(interval) = entry else { continue };
                let bytes = STANDARD.decode(interval.encoded_histogram());
                let bytes = bytes.map_err(|error| at(format!("not base64: {error}")))?;
                check_size(&bytes).map_err(at)?;
                let histogram: Histogram<u64> = deserializer
                    .deserialize(&mut &bytes[..])
                    .map_err(|error| at(format!("no histogram: {error}")))?;
                let tag = interval.tag().map_or("all", |tag| tag.as_str());
                log.add(tag, &histogram);
                let start = interval.start_timestamp();
                let end = start.checked_add(interval.duration()).filter(|end| *end <= TIME_MAX);
                let end = end.ok_or_else(|| at("its time is beyond all calendars".to_string()))?;
                log.start = log.start.min(start);
                log.end = log.end.max(end);
            }
        }
        match log.histograms.is_empty() {
            true => Err("it has no histogram".to_string()),
            false => Ok(log),
        }
    }

    /// Adds to those under this tag.
    pub fn add(&mut self, tag: &str, more: &Histogram<u64>) {
        let mine = self.histograms.entry(tag.to_string()).or_insert_with(histogram);
        // One with fewer digits or another unit is added value by value.
        mine.add(more).expect("it grows");
    }

    /// All of another log, too.
    pub fn merge(&mut self, other: &Log) {
        for (tag, histogram) in &other.histograms {
            self.add(tag, histogram);
        }
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
    }
}

/// The crate makes room for as many bytes as a compressed histogram says that it has, and it may
/// say 4 GiB in a line of a hundred characters.
fn check_size(encoded: &[u8]) -> Result<(), String> {
    // A cookie and a length of the compressed, then of what is in it, in four bytes each.
    let mut head = [0; 8];
    let mut inner = ZlibDecoder::new(encoded.get(8..).unwrap_or_default());
    if inner.read_exact(&mut head).is_err() {
        // Whatever it is: what reads it in earnest says what is wrong.
        return Ok(());
    }
    let says = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    match usize::try_from(says) {
        Ok(says) if says <= COUNTS_MAX => Ok(()),
        _ => Err(format!("no histogram: it says that its counts have {says} bytes")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn log(start: u64, values: std::ops::RangeInclusive<u64>) -> Log {
        let mut log = Log::new(UNIX_EPOCH + Duration::from_secs(start), Duration::from_secs(10));
        let mut read = histogram();
        values.for_each(|value| read.record(value).unwrap());
        log.add("read", &read);
        log
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut log = log(1_000, 1..=5_000);
        log.add("order.service", &log.histograms["read"].clone());
        let text = log.write().unwrap();
        assert!(text.contains("Tag=order.service,1000.000,10.000,"), "{text}");
        assert_eq!(Log::read(&text).unwrap(), log);
    }

    #[test]
    fn a_time_that_no_clock_has_is_refused() {
        let text = log(1_000, 1..=5).write().unwrap();
        for time in ["18446744073709551615.000", "9446744073709551615.000"] {
            let wrong = text.replace("Tag=read,1000.000", &format!("Tag=read,{time}"));
            let why = Log::read(&wrong).unwrap_err();
            assert!(why.contains("its time is beyond all calendars"), "{why}");
        }
    }

    #[test]
    fn quantiles_of_merged_logs_are_those_of_all_values() {
        let mut merged = log(1_000, 1..=1_000);
        merged.merge(&log(1_005, 1_001..=4_000));
        let read = &merged.histograms["read"];
        assert_eq!(
            (read.len(), read.max()),
            (4_000, log(0, 4_000..=4_000).histograms["read"].max())
        );
        assert!((1_999..=2_001).contains(&read.value_at_quantile(0.5)));
        assert_eq!(merged.end - merged.start, Duration::from_secs(15));
    }

    #[test]
    fn a_histogram_that_says_it_is_huge_is_refused() {
        let text = log(1, 1..=2).write().unwrap();
        let (front, encoded) = text.trim_end().rsplit_once(',').unwrap();
        let bytes = STANDARD.decode(encoded).unwrap();
        let mut inner = Vec::new();
        ZlibDecoder::new(&bytes[8..]).read_to_end(&mut inner).unwrap();
        inner[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
        let mut packer = ZlibEncoder::new(bytes[..8].to_vec(), Compression::fast());
        packer.write_all(&inner).unwrap();
        let encoded = STANDARD.encode(packer.finish().unwrap());
        let why = Log::read(&format!("{front},{encoded}\n")).unwrap_err();
        assert!(why.contains("its counts have 4294967295 bytes"), "{why}");
    }

    #[test]
    fn what_is_no_log_is_refused_with_its_line() {
        let good = log(1, 1..=2).write().unwrap();
        for (text, expected) in [
            ("", "no histogram"),
            ("hello\n", "line 1: not of a log"),
            ("Tag=a,1.0,1.0,1.0,!!!\n", "line 1: not base64"),
            ("#comment\nTag=a,1.0,1.0,1.0,AAAA\n", "line 2: no histogram"),
        ] {
            let error = Log::read(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let cut = &good[..good.len() - 20];
        assert!(Log::read(cut).is_err());
    }
}
