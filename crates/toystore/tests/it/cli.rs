//! The command line as a person meets it: what is said on which stream, and the exit code.

use std::process::{Command, Output};

/// Runs the binary in an empty folder, without the environment of whoever runs the tests.
fn toystore(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let folder = std::env::temp_dir();
    Command::new(env!("CARGO_BIN_EXE_toystore"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Expects exit code, nothing on stdout, and every part on stderr.
fn check_refused(output: &Output, code: i32, parts: &[&str]) {
    let words = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{words}");
    assert_eq!(stdout(output), "");
    for part in parts {
        assert!(words.contains(part), "{part:?} is not in:\n{words}");
    }
    assert!(!words.contains('\u{1b}'), "colour on a pipe:\n{words}");
    assert!(!words.contains("panicked"), "{words}");
}

const COMMANDS: [&str; 22] = [
    "up",
    "catalog",
    "order",
    "frontend",
    "client",
    "load",
    "check",
    "demo",
    "status",
    "kill",
    "pause",
    "resume",
    "start",
    "export",
    "generate",
    "health",
    "migrate",
    "compare",
    "evaluate",
    "dashboard",
    "view",
    "help",
];

#[test]
fn help_lists_every_command_with_a_sentence_and_examples() {
    let output = toystore(&["--help"], &[]);
    let words = stdout(&output);
    assert!(output.status.success());
    for command in COMMANDS {
        let line = words.lines().find(|line| line.trim_start().starts_with(command));
        assert!(line.is_some_and(|line| line.len() > command.len() + 10), "{command}:\n{words}");
    }
    assert!(words.contains("Examples:"), "{words}");
}

#[test]
fn every_command_has_help_that_fits_the_width() {
    for command in COMMANDS {
        let output = toystore(&[command, "--help"], &[]);
        let words = stdout(&output);
        assert!(output.status.success() || command == "help", "{command}: {}", stderr(&output));
        let widest = words.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(widest <= 100, "{command}: {widest} characters:\n{words}");
    }
}

#[test]
fn the_version_is_told() {
    let output = toystore(&["--version"], &[]);
    assert_eq!(stdout(&output), concat!("toystore ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn without_a_command_help_comes_with_the_exit_code_of_wrong_usage() {
    check_refused(&toystore(&[], &[]), 2, &["Usage: toystore <COMMAND>", "Examples:"]);
}

#[test]
fn an_unknown_flag_is_refused_with_a_similar_one() {
    let output = toystore(&["up", "--frontend", "2"], &[]);
    check_refused(&output, 2, &["unexpected argument '--frontend'", "'--frontends'"]);
}

#[test]
fn an_unknown_command_is_refused_with_a_similar_one() {
    check_refused(&toystore(&["statsu"], &[]), 2, &["'statsu'", "'status'"]);
}

#[test]
fn a_bad_duration_is_refused_with_what_is_expected() {
    let output = toystore(&["up", "--restock-interval", "10"], &[]);
    check_refused(&output, 2, &["'10'", "--restock-interval", "such as 500ms, 10s or 2m"]);
}

#[test]
fn a_bad_environment_value_is_refused_like_a_bad_flag() {
    let output = toystore(&["up"], &[("TOYSTORE_INVALIDATION", "sometimes")]);
    check_refused(&output, 2, &["sometimes", "--invalidation", "ttl=2s"]);
    let output = toystore(&["up"], &[("TOYSTORE_ORDERS", "10")]);
    check_refused(&output, 2, &["10", "--orders", "1..=9"]);
    let output = toystore(&["up"], &[("TOYSTORE_LISTEN", "everywhere")]);
    check_refused(&output, 2, &["everywhere", "--listen"]);
}

#[test]
fn a_bad_choice_is_refused_with_the_choices() {
    let output = toystore(&["up", "--replication", "magic"], &[]);
    check_refused(&output, 2, &["magic", "naive, primary-backup, raft, paxos"]);
    let output = toystore(&["client", "--draw", "lots"], &[]);
    check_refused(&output, 2, &["lots", "independent, exact"]);
}

/// Terms and what is committed mean another thing under another protocol.
#[test]
fn a_log_is_not_read_under_another_replication() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("replication"), "raft\n").unwrap();
    let data = folder.path().to_str().unwrap();
    let orders = "1=http://127.0.0.1:2";
    let mut flags = vec!["order", "--id", "1", "--listen", "127.0.0.1:0", "--orders", orders];
    flags.extend(["--catalog", "http://127.0.0.1:1", "--data", data, "--replication", "paxos"]);
    let token = folder.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
    flags.extend(["--cluster-token-file", token.to_str().unwrap()]);
    let output = toystore(&flags, &[]);
    check_refused(&output, 1, &["--replication raft", "paxos cannot read it", "hint:"]);

    // Nor by another replica than the one that wrote it.
    let note = folder.path().join("replication");
    std::fs::write(&note, "paxos\norder-2\n").unwrap();
    let output = toystore(&flags, &[]);
    check_refused(&output, 1, &["is that of order-2, and this is order-1", "hint:"]);
    std::fs::write(&note, "paxso\n").unwrap();
    let output = toystore(&flags, &[]);
    check_refused(&output, 1, &["should say how the log", "paxso", "raft, paxos", "hint:"]);
}

/// Not after minutes of work.
#[test]
fn a_file_that_cannot_be_written_in_the_end_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere").join("file");
    let nowhere = nowhere.to_str().unwrap();
    for flags in [
        &["compare", "--html", nowhere][..],
        &["compare", "--csv", nowhere],
        &["demo", "--picture", nowhere],
        &["sim", "--ledger", nowhere],
        &["load", "--html", nowhere],
        &["load", "--hdr", nowhere],
    ] {
        let output = toystore(flags, &[]);
        check_refused(&output, 1, &["cannot write", nowhere]);
    }
    let other = folder.path().join("other");
    std::fs::write(&other, "something else").unwrap();
    let other = other.to_str().unwrap();
    let output = toystore(&["sim", "--ledger", other], &[]);
    check_refused(&output, 1, &["is no ledger", "name a new file"]);
    assert_eq!(std::fs::read_to_string(other).unwrap(), "something else");
}

#[test]
fn ephemeral_and_a_folder_contradict_but_the_environment_gives_way() {
    let output = toystore(&["up", "--ephemeral", "--data", "x"], &[]);
    check_refused(&output, 1, &["error:", "--ephemeral", "choose one"]);
}

#[test]
fn commands_for_a_running_store_say_what_to_do_when_there_is_none() {
    for command in [&["kill", "order-3"][..], &["status"], &["export", "orders"]] {
        let output = toystore(command, &[("TOYSTORE_DATA", "/nowhere")]);
        check_refused(&output, 1, &["no store runs on /nowhere", "toystore up", "--data"]);
    }
}

#[test]
fn health_of_nobody_is_an_exit_code_and_a_reason() {
    // Port 1 is privileged and nobody's.
    let output = toystore(&["health", "--url", "http://127.0.0.1:1"], &[]);
    check_refused(&output, 1, &["http://127.0.0.1:1/health/ready", "no connection"]);
    let output = toystore(&["health", "live"], &[("TOYSTORE_LISTEN", "0.0.0.0:1")]);
    check_refused(&output, 1, &["http://127.0.0.1:1/health/live"]);
}

#[test]
fn a_bad_url_is_refused_with_what_is_expected() {
    for url in ["127.0.0.1:8080", "https://shop", "http://shop/products"] {
        let output = toystore(&["client", "--url", url], &[]);
        check_refused(&output, 2, &[url, "--url", "http://HOST:PORT"]);
    }
}

#[test]
fn a_client_of_nobody_says_so_and_its_seed_and_fails() {
    let nobody = ["client", "--url", "http://127.0.0.1:1", "--clients", "2", "--seed", "7"];
    let quick = ["--retry-interval", "1ms", "--orders-csv", "none"];
    let output = toystore(&[&nobody[..], &quick].concat(), &[]);
    let (data, words) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.starts_with("seed 7; "), "{words}");
    assert!(words.contains("toystore client --url http://127.0.0.1:1 --clients 2"), "{words}");
    assert!(words.contains("no connection: http://127.0.0.1:1: "), "{words}");
    assert!(data.contains("│ list    ┆ unavailable ┆     2 ┆"), "{data}");
    assert!(data.contains("2 of 2 shoppers did not come to the end"), "{data}");
}

#[test]
fn a_clients_result_is_one_json_object() {
    let flags = ["client", "--retries", "0", "--orders-csv", "none", "--json"];
    let output = toystore(&flags, &[("TOYSTORE_URL", "http://127.0.0.1:1")]);
    let result: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(result["all_matched"], false);
    assert_eq!(result["shoppers"].as_array().map(Vec::len), Some(5));
    assert_eq!(result["urls"][0], "http://127.0.0.1:1");
    let latency = &result["latency"][0];
    assert_eq!((&latency["kind"], &latency["count"]), (&"list".into(), &5.into()));
}

#[test]
fn orders_that_cannot_be_written_are_an_error_before_anything_is_ordered() {
    let output = toystore(&["client", "--orders-csv", "/nowhere/orders.csv"], &[]);
    check_refused(&output, 1, &["cannot write orders to /nowhere/orders.csv", "--orders-csv none"]);
}

#[test]
fn a_bad_probability_is_refused_with_what_is_expected() {
    for command in ["client", "demo"] {
        let output = toystore(&[command, "--probability", "1.5"], &[]);
        check_refused(&output, 2, &["1.5", "--probability", "0 to 1"]);
    }
}

#[test]
fn a_number_below_zero_is_refused_by_its_range() {
    let check = |command: &str, flag: &str, value: &str, expected: &str| {
        let output = toystore(&[command, flag, value], &[]);
        check_refused(&output, 2, &[value, &format!("'{flag} <"), expected]);
    };
    for flag in ["--frontends", "--orders", "--catalog-replicas"] {
        check("up", flag, "-1", "1..=9");
    }
    check("up", "--cache-capacity", "-1", "0..");
    check("up", "--restock-interval", "-1s", "such as 500ms, 10s or 2m");
    check("order", "--id", "-3", "1..=");
    check("catalog", "--id", "-3", "1..=");
    check("demo", "--catalog-replicas", "0", "1..=9");
    for flag in ["--connections-max", "--threads"] {
        check("catalog", flag, "-1", "1..");
    }
    check("frontend", "--cache-capacity", "-1", "0..");
    check("health", "--timeout", "-2s", "such as 500ms, 10s or 2m");
    for command in ["client", "demo"] {
        check(command, "--clients", "-1", "1..=");
        check(command, "--requests", "-1", "0..");
        check(command, "--probability", "-1", "0 to 1");
        check(command, "--probability", "-0.5", "0 to 1");
        check(command, "--pause", "-20ms", "such as 500ms, 10s or 2m");
        check(command, "--seed", "-1", "from 0 to");
    }
    check("client", "--retries", "-1", "0..");
}

#[test]
fn a_demo_needs_a_new_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("store.json"), "{}").unwrap();
    let output = toystore(&["demo", "--keep", &folder.path().to_string_lossy()], &[]);
    check_refused(&output, 1, &["holds a store already", "--keep"]);
}

/// It would shop in whatever store has port 8080.
#[test]
fn shoppers_for_a_store_that_does_not_run_go_to_no_other() {
    let output = toystore(&["client", "--data", "./no-such-store"], &[]);
    check_refused(&output, 1, &["no store runs on ./no-such-store", "hint: "]);
}
