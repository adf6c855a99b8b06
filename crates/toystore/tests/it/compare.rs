//! `toystore compare`: every cell is filled, and the numbers show what they must.

use std::collections::BTreeMap;
use std::process::Command;

use crate::store::turn;

/// A row of the CSV, by its columns' names.
type Row = BTreeMap<String, String>;

fn rows(csv: &str) -> Vec<Row> {
    let mut lines = csv.lines();
    let heading: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), heading.len(), "{line}");
        let named = heading.iter().zip(cells);
        named.map(|(name, cell)| (name.to_string(), cell.to_string())).collect()
    };
    lines.map(row).collect()
}

fn number(row: &Row, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} of {row:?}"))
}

fn of<'a>(rows: &'a [Row], what: &str) -> Vec<&'a Row> {
    rows.iter().filter(|row| row["what"] == what).collect()
}

#[test]
fn every_cell_is_filled_and_only_naive_loses() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_toystore"))
        .args(["compare", "--quick", "--csv", "numbers.csv", "--html", "plots.html"])
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words}");
    assert!(words.contains("toystore compare --quick --replicas 3 --seeds 1 --seed 1"), "{words}");
    let rows = rows(&std::fs::read_to_string(folder.path().join("numbers.csv")).unwrap());
    let (costs, outages, losses) = (of(&rows, "cost"), of(&rows, "outage"), of(&rows, "loss"));
    assert_eq!((costs.len(), outages.len(), losses.len()), (8, 32, 24));
    for row in &costs {
        for column in ["messages_per_order", "bytes_per_order", "syncs_per_order", "p50_us"] {
            assert!(number(row, column) > 0.0, "{column} of {row:?}");
        }
        assert!(number(row, "p99_us") >= number(row, "p50_us"), "{row:?}");
        assert_eq!((&*row["lost"], &*row["broke"]), ("0", ""), "{row:?}");
    }
    for row in &outages {
        assert!(number(row, "gap_worst_ms") >= number(row, "gap_median_ms"), "{row:?}");
        let elects = row["replication"] == "raft" || row["replication"] == "paxos";
        if elects && row["fault"] == "OffFollowers" {
            assert!(number(row, "gap_worst_ms") < 2000.0, "{row:?}");
            assert_eq!(row["went_on_runs"], row["runs"], "{row:?}");
        }
        let naive = row["replication"] == "naive";
        if row["fault"] == "CutThenKilled" {
            assert_eq!(number(row, "lost") > 0.0, naive, "{row:?}");
        }
    }
    for row in rows.iter().filter(|row| row["replication"] != "naive") {
        assert!(number(row, "acknowledged") > 0.0, "{row:?}");
        assert_eq!((&*row["lost"], &*row["doubled"], &*row["broke"]), ("0", "0", ""), "{row:?}");
    }
    let page = std::fs::read_to_string(folder.path().join("plots.html")).unwrap();
    // Each plot twice: for wide screens and for narrow ones.
    assert_eq!(page.matches("<svg").count(), 2 * page.matches("<h3>").count());
    assert!(page.contains("naive lost") && !page.contains("<script"), "a page without findings");
    assert!(!page.contains("NaN") && !page.contains("inf"), "a number that is none");
}

/// Real processes give the same verdicts as the simulator, and times beside them; one page has
/// both.
#[test]
fn real_processes_lose_what_the_simulator_says_they_lose() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_toystore"))
        .args(["compare", "--world", "both", "--quick", "--shoppers", "4"])
        .args(["--only", "costs,leader-off-then-killed", "--csv", "numbers.csv"])
        .args(["--html", "plots.html"])
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words}\n{}", String::from_utf8_lossy(&output.stderr));
    let rows = rows(&std::fs::read_to_string(folder.path().join("numbers.csv")).unwrap());
    for world in ["sim", "local"] {
        let mine = rows.iter().filter(|row| row["world"] == world);
        let mine: Vec<Row> = mine.cloned().collect();
        let (costs, outages) = (of(&mine, "cost"), of(&mine, "outage"));
        assert_eq!((costs.len(), outages.len(), mine.len()), (4, 4, 8), "{world}");
        for row in costs {
            assert!(number(row, "p50_us") > 0.0 && number(row, "orders_per_second") > 0.0);
            assert!(number(row, "p99_us") >= number(row, "p50_us"), "{row:?}");
            assert_eq!(row["messages_per_order"].is_empty(), world == "local", "{row:?}");
        }
        for row in outages {
            let naive = row["replication"] == "naive";
            assert_eq!(number(row, "lost") > 0.0, naive, "{row:?}");
            assert_eq!(row["broke"].is_empty(), !naive, "{row:?}");
            assert!(number(row, "gap_worst_ms") >= number(row, "gap_least_ms"), "{row:?}");
        }
    }
    let page = std::fs::read_to_string(folder.path().join("plots.html")).unwrap();
    assert!(page.contains("<h2>Simulated</h2>") && page.contains("<h2>Real processes</h2>"));
    assert_eq!(page.matches("naive lost").count(), 2 * 3, "a title, and what both drawings are");
    assert!(words.contains("✓ Real processes: naive lost"), "{words}");
}
