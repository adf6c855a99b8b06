//! The reader: what it refuses, in which words, and that nothing makes it panic.

use checker::history::{self, FORMAT};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const HEAD: &str = concat!(
    r#"{"history":"toystore","format":1,"clock":"us","catalogue":[{"toy":"Tux","quantity":5}],"#,
    r#""invalidation":"lease","replication":"mine","keys":true}"#,
);

/// A head that is wrong.
fn check_head(head: &str, expected: &str) {
    let error = history::read(head.as_bytes()).expect_err(head);
    assert_eq!(error.to_string(), expected, "{head}");
}

/// A second line that is wrong.
fn check(line: &str, expected: &str) {
    let text = format!("{HEAD}\n{line}\n");
    let error = history::read(text.as_bytes()).expect_err(line);
    assert_eq!(error.to_string(), format!("line 2, {expected}"), "{line}");
}

#[test]
fn a_file_that_is_no_history_is_refused() {
    let mark = "expected \"history\":\"toystore\", the mark of a history";
    check_head("", "line 1, column 1: expected a first line with \"history\":\"toystore\"");
    check_head("{}", &format!("line 1, column 2: {mark}"));
    check_head("number,name,quantity", "line 1, column 3: expected ident");
    check_head(r#"{"history":"jepsen","format":1}"#, &format!("line 1, column 2: {mark}"));
    let timeless = HEAD.replace(r#""clock":"us","#, "");
    let column = timeless.len();
    check_head(&timeless, &format!("line 1, column {column}: missing field `clock`"));
    let millis = HEAD.replace(r#""us""#, r#""ms""#);
    check_head(&millis, "line 1, column 34: expected \"clock\":\"us\" (microseconds)");
}

#[test]
fn a_newer_format_is_refused_with_both_numbers() {
    let newer = format!("{{\"history\":\"toystore\",\"format\":{},\"new\":1}}", FORMAT + 1);
    check_head(
        &newer,
        "line 1, column 23: this is a history of format 2; this program reads format 1: take a \
         newer one",
    );
    check_head(r#"{"history":"toystore"}"#, "line 1, column 22: expected \"format\":1");
}

#[test]
fn each_wrong_line_says_where_and_what_was_expected() {
    check("", "column 1: EOF while parsing a value");
    check("{}", "column 2: expected the field `op` or `event`");
    check(r#"{"op":"read","event":"stock"}"#, "column 14: expected `op` or `event`, not both");
    check(
        r#"{"op":"reed"}"#,
        "column 12: unknown variant `reed`, expected one of `read`, `buy`, `order`, `fate`, \
         `resolve`",
    );
    check(r#"{"op":"read"}"#, "column 13: expected the field `client` of an operation");
    let read = r#"{"op":"read","client":1,"invoked":5,"returned":9,"toy":"Tux","outcome":"ok""#;
    check(&format!("{read}}}"), "column 76: expected the field `quantity` that was seen");
    check(
        &format!("{}}}", read.replace(":9", ":4")),
        "column 37: expected `returned` not before `invoked` (5)",
    );
    check(
        &format!("{}}}", read.replace(":5", ":-5")),
        "column 36: invalid value: integer `-5`, expected u64",
    );
    check(
        &format!("{},\"quantity\":\"5\"}}", read),
        "column 90: invalid type: string \"5\", expected i64",
    );
    let typo = format!("{read},\"quantitty\":5}}");
    let error = history::read(format!("{HEAD}\n{typo}").as_bytes()).unwrap_err();
    assert!(error.expected.starts_with("unknown field `quantitty`, expected one of"), "{error}");
    let buy = r#"{"op":"buy","client":1,"invoked":5,"returned":9,"toy":"Tux","quantity":1,"#;
    check(
        &format!("{buy}\"outcome\":\"ok\"}}"),
        "column 88: expected the field `order` of what was bought: its number",
    );
    check(
        &format!("{buy}\"outcome\":\"refused\"}}"),
        "column 93: expected the field `reason` of a refusal",
    );
    check(
        r#"{"event":"stock","toy":"Tux","quantity":1000000001}"#,
        "column 30: expected a quantity from -1000000000 to 1000000000",
    );
    check(
        r#"{"event":"fault","at":7,"until":6,"what":"kill"}"#,
        "column 25: expected `until` not before `at` (7)",
    );
}

#[test]
fn a_toy_stands_once_in_the_catalogue() {
    let twice = HEAD.replace(
        r#"{"toy":"Tux","quantity":5}"#,
        r#"{"toy":"Tux","quantity":5},{"toy":"Tux","quantity":6}"#,
    );
    let error = history::read(twice.as_bytes()).unwrap_err();
    assert_eq!(error.expected, "expected each toy once, but \"Tux\" stands twice");
}

#[test]
fn line_ends_of_other_systems_and_a_missing_last_one_are_read() {
    let text = include_str!("histories/held.jsonl");
    let plain = history::read(text.as_bytes()).unwrap();
    for other in [text.replace('\n', "\r\n"), text.trim_end().to_string()] {
        let read = history::read(other.as_bytes()).unwrap();
        assert_eq!(read.operations, plain.operations);
        assert_eq!(read.events, plain.events);
    }
}

/// Whatever stands in a file, it is read or refused, and what is read is judged.
#[test]
fn nothing_makes_it_panic() {
    let seed = 20_261_125;
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    let files: [&[u8]; 3] = [
        include_bytes!("histories/held.jsonl"),
        include_bytes!("histories/oversold.jsonl"),
        include_bytes!("histories/plain-stale.jsonl"),
    ];
    let pieces: [&[u8]; 14] = [
        b"0",
        b"-1",
        b"18446744073709551615",
        b"9223372036854775807",
        b"-9223372036854775808",
        b"null",
        b"\"\"",
        b"{",
        b"]",
        b"\n",
        b"\xff",
        b"1e300",
        b"unknown",
        b"refused",
    ];
    let mut judged = 0;
    for _ in 0..30_000 {
        let mut text = files[random.random_range(0..files.len())].to_vec();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..text.len());
            let to = (at + random.random_range(0..8)).min(text.len());
            // A value in the place of a value, half of the time.
            let value = |from: usize| text[from..].iter().position(|byte| *byte == b':');
            let (at, to) = match (random.random_range(0..2), value(at)) {
                (0, Some(colon)) => {
                    let from = at + colon + 1;
                    let end = text[from..].iter().position(|byte| b",}".contains(byte));
                    (from, from + end.unwrap_or(0))
                }
                _ => (at, to),
            };
            let piece = pieces[random.random_range(0..pieces.len())];
            text.splice(at..to, piece.iter().copied());
        }
        if let Ok(history) = history::read(&text) {
            let verdict = checker::judge(&history, 10_000);
            checker::picture::page(&history, &verdict);
            checker::report::text(&history, &verdict);
            judged += 1;
        }
    }
    assert!(judged > 500, "seed {seed}: {judged} could be read");
}
