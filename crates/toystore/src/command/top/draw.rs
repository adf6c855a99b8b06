//! The picture: from what was said to cells of a terminal. Pure; drawn on a buffer in tests.
//!
//! Colour only repeats what words and marks say.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Block, Cell, Paragraph, RenderDirection, Row, Sparkline, Table, TableState,
};
use serde_json::Value;
use shop::catalog::status::Totals;
use shop::{catalog, frontend};

use super::history::History;
use super::keys::Keys;
use super::verdict;
use crate::command::status::{Said, Seen, catalog_leader, leader, show};
use crate::supervisor::cluster::Cluster;
use crate::supervisor::layout::Role;
use crate::supervisor::leader::catalog_reign;

/// The smallest terminal that anything is drawn on: columns, rows.
const SMALLEST: (u16, u16) = (60, 16);

/// Rows of a box in which there is anything to see, and those of the strip of orders.
const BOX_LEAST: usize = 3;
const STRIP_ROWS: usize = 5;

/// Columns of a node's name, in front of its log or cache.
const NAME_COLUMNS: u16 = 12;

/// Cells of a node's row that hold words; numbers follow.
const NODE_WORDS: usize = 3;

/// Columns of a toy in the stock.
const TOY_COLUMNS: usize = 30;

const HELP: &str = "↑↓ choose   k kill   p pause   r resume   s start   q quit";

/// Everything that is drawn.
pub struct Shown<'a> {
    /// Who runs where.
    pub cluster: &'a Cluster,
    /// What each node says, in the order of the cluster.
    pub seen: &'a [Seen],
    /// What the page says of its round, if there is a page.
    pub rounds: Option<&'a Value>,
    /// What they said before.
    pub history: &'a History,
    /// What is chosen and asked.
    pub keys: &'a Keys,
}

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, shown: &Shown<'_>) {
    let all = frame.area();
    if all.width < SMALLEST.0 || all.height < SMALLEST.1 {
        let words = format!("make the terminal larger: {} x {} at least", SMALLEST.0, SMALLEST.1);
        return frame.render_widget(Paragraph::new(words), all);
    }
    let rows = |role| shown.seen.iter().filter(|node| node.member.role == role).count();
    let stock = stock(shown.seen, usize::from(all.width));
    // Where there is too little room, the last of these get less, or nothing.
    let mut left = usize::from(all.height.saturating_sub(3));
    let mut height = |rows: usize, kept: usize| {
        let room = left.saturating_sub(kept);
        let given = if room < BOX_LEAST { 0 } else { rows.min(room) };
        left -= given;
        Constraint::Length(u16::try_from(given).unwrap_or(u16::MAX))
    };
    let judged = shown.rounds.map(verdict::lines).unwrap_or_default();
    let told = if judged.is_empty() { 0 } else { judged.len() + 2 };
    let (nodes, told) = (height(shown.seen.len() + 3, 0), height(told, 0));
    let (logs, caches) = (height(rows(Role::Order) + 2, 0), height(rows(Role::Frontend) + 2, 0));
    // There may be many toys: they get what is left, but there is room for their sum.
    let strip = height(STRIP_ROWS, BOX_LEAST);
    let shelves = height(stock.len() + 2, 0);
    let [one, rest] = [Constraint::Length(1), Constraint::Min(0)];
    let parts = Layout::vertical([one, nodes, told, logs, caches, shelves, strip, rest, one, one]);
    let [title, nodes, told, logs, caches, shelves, strip, _, words, help] = parts.areas(all);
    frame.render_widget(Paragraph::new(headline(shown)), title);
    let mut state = TableState::default().with_selected(shown.keys.chosen());
    frame.render_stateful_widget(table(shown.seen), nodes, &mut state);
    frame.render_widget(Paragraph::new(judged).block(Block::bordered().title(" verdict ")), told);
    let lines = log_lines(shown.seen, logs);
    let key = " logs: █ committed  ▒ not yet  · missing ";
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(key)), logs);
    let lines = shown.seen.iter().filter_map(cache).collect::<Vec<_>>();
    let title = " caches: the one on the right goes first ";
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(title)), caches);
    frame.render_widget(Paragraph::new(stock).block(Block::bordered().title(" stock ")), shelves);
    frame.render_widget(orders(shown.history, strip.width), strip);
    frame.render_widget(Paragraph::new(shown.keys.line()).bold(), words);
    frame.render_widget(Paragraph::new(HELP).dim(), help);
}

fn headline(shown: &Shown<'_>) -> Line<'static> {
    let how = shown.cluster.replication;
    let leads = match leader(shown.seen) {
        Some((term, node)) => format!("{node} leads under term {term} ({how})").bold(),
        None => format!("no order replica leads ({how})").red().bold(),
    };
    let pace = shown.history.orders_per_second();
    let pace = pace.map_or(String::new(), |pace| format!(" · {pace:.0} orders/s"));
    let hits = shown.history.hit_rate().map_or(String::new(), |(share, reads)| {
        format!(" · {:.1} % of {reads} reads of the last minute hit", 100.0 * share)
    });
    Line::from(vec![leads, Span::raw(pace), Span::raw(hits)])
}

fn table(seen: &[Seen]) -> Table<'static> {
    let last = seen.iter().filter_map(last_index).max();
    let rows = seen.iter().map(|node| {
        let mut cells = vec![node.member.name.clone()];
        match &node.said {
            Err(_) => cells.extend([show::silence(node)]),
            Ok(Said::Order(order)) => {
                let engine = &order.status.engine;
                let behind = last.map_or(0, |last| last.saturating_sub(engine.last.0));
                cells.extend([
                    show::state(&order.status, order.not_ready_because.as_deref()),
                    engine.term.to_string(),
                    order.status.orders.to_string(),
                    engine.last.to_string(),
                    engine.committed.to_string(),
                    behind.to_string(),
                ]);
            }
            Ok(said @ Said::Catalog(catalog)) => {
                let status = &catalog.status;
                let leads = catalog_reign(status).map_or("", |_| "leader, ");
                cells.extend([
                    format!("{leads}{}, {}", status.phase, show::readiness(said)),
                    status.engine.term.to_string(),
                    String::new(),
                    status.engine.last.to_string(),
                    status.applied.to_string(),
                ]);
            }
            Ok(said @ Said::Frontend(frontend)) => {
                cells.extend([format!("{}; {}", show::readiness(said), belief(&frontend.status))]);
            }
        }
        let row = Row::new(aligned(cells));
        if node.said.is_err() { row.style(Style::new().fg(Color::Red)) } else { row }
    });
    let head = ["node", "state", "term", "orders", "last", "committed", "behind"];
    let widths = [
        Constraint::Length(NAME_COLUMNS),
        Constraint::Fill(1),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Length(7),
    ];
    Table::new(rows, widths)
        .header(Row::new(aligned(head.map(str::to_string).to_vec())).bold())
        .row_highlight_style(Style::new().reversed())
        .highlight_symbol("▸ ")
        .block(Block::bordered().title(" nodes "))
}

/// Numbers to the right, as they are read.
fn aligned(cells: Vec<String>) -> impl Iterator<Item = Cell<'static>> {
    cells.into_iter().enumerate().map(|(column, words)| match column {
        0..NODE_WORDS => Cell::from(words),
        _ => Cell::from(Line::from(words).right_aligned()),
    })
}

/// What a frontend goes by.
fn belief(status: &frontend::Status) -> String {
    let leader = match status.leader {
        Some(leader) => format!("asks order-{}", leader.id),
        None => "knows of no leader".to_string(),
    };
    let lease = match status.lease {
        Some(lease) if lease.remaining_ms > 0 => format!(", lease {} ms", lease.remaining_ms),
        Some(_) => ", lease lapsed".to_string(),
        None => String::new(),
    };
    leader + &lease
}

fn last_index(node: &Seen) -> Option<u64> {
    match &node.said {
        Ok(Said::Order(said)) => Some(said.status.engine.last.0),
        Ok(Said::Catalog(_) | Said::Frontend(_)) | Err(_) => None,
    }
}

/// The logs of the replicas below each other, aligned at the newest entry that any has.
fn log_lines(seen: &[Seen], area: Rect) -> Vec<Line<'static>> {
    let columns = u64::from(area.width.saturating_sub(2 + NAME_COLUMNS));
    let newest = seen.iter().filter_map(last_index).max().unwrap_or_default();
    let first = newest.saturating_sub(columns) + 1;
    let replicas = seen.iter().filter(|node| node.member.role == Role::Order);
    let line = |node: &Seen| {
        let name = format!("{:width$}", node.member.name, width = usize::from(NAME_COLUMNS));
        let Ok(Said::Order(said)) = &node.said else {
            return Line::from(vec![Span::raw(name), Span::raw(show::silence(node)).red()]);
        };
        let (last, committed) = (said.status.engine.last.0, said.status.engine.committed.0);
        let cells = (first..=newest).map(|index| match index {
            _ if index <= committed => '█',
            _ if index <= last => '▒',
            _ => '·',
        });
        Line::from(vec![Span::raw(name), Span::raw(cells.collect::<String>()).green()])
    };
    replicas.map(line).collect()
}

/// The slots of a frontend, what is evicted next last.
fn cache(node: &Seen) -> Option<Line<'static>> {
    if node.member.role != Role::Frontend {
        return None;
    }
    let name = format!("{:width$}", node.member.name, width = usize::from(NAME_COLUMNS));
    let Ok(Said::Frontend(said)) = &node.said else {
        return Some(Line::from(vec![Span::raw(name), Span::raw(show::silence(node)).red()]));
    };
    let slots = said.status.cache.iter().rev().map(|slot| {
        format!("{} {} {} ({} hits)", slot.name, slot.quantity, slot.version, slot.hits)
    });
    let slots = slots.collect::<Vec<_>>().join(" │ ");
    let slots = if slots.is_empty() { "nothing is cached".to_string() } else { slots };
    Some(Line::from(vec![Span::raw(name), Span::raw(slots)]))
}

/// The shelves, and whether nothing came from nowhere or went there.
fn stock(seen: &[Seen], columns: usize) -> Vec<Line<'static>> {
    let leads = |node: &&Seen| match catalog_leader(seen) {
        Some((_, name)) => name == node.member.name,
        None => true,
    };
    let catalogs = seen.iter().filter(|node| node.member.role == Role::Catalog);
    let said = catalogs.filter(leads).find_map(|node| match &node.said {
        Ok(Said::Catalog(said)) => Some(&said.status),
        Ok(Said::Order(_) | Said::Frontend(_)) | Err(_) => None,
    });
    let Some(status) = said else { return vec![Line::from("no catalog answers").red()] };
    let toys: Vec<String> = status.toys.iter().map(toy).collect();
    let across = (columns.saturating_sub(2) / TOY_COLUMNS).max(1);
    // The sum first: it is of all toys, also of those for which there is no room.
    let rows = toys.chunks(across).map(|toys| Line::from(toys.concat()));
    [conserved(status)].into_iter().chain(rows).collect()
}

fn toy(toy: &catalog::status::ToyStatus) -> String {
    let out = if toy.in_stock == 0 { "sold out" } else { "" };
    let words = format!("{} {} ({} sold) {out}", toy.name, toy.in_stock, toy.sold);
    let fits: String = words.chars().take(TOY_COLUMNS - 1).collect();
    format!("{fits:TOY_COLUMNS$}")
}

fn conserved(status: &catalog::status::Status) -> Line<'static> {
    let Totals { in_stock, initial, restocked, sold, unsettled, .. } = status.totals;
    let there = |toy: &catalog::status::ToyStatus| toy.in_stock + toy.sold + toy.unsettled;
    let held = initial + restocked == in_stock + sold + unsettled
        && status.toys.iter().all(|toy| toy.initial + toy.restocked == there(toy));
    let words = format!(
        "{initial} at first + {restocked} restocked {} {in_stock} in stock + {sold} sold + \
         {unsettled} not settled",
        if held { "=" } else { "≠" },
    );
    match held {
        true => Line::from(vec![Span::raw("✓ ").green(), Span::raw(words)]),
        false => Line::from(vec![Span::raw("✗ "), Span::raw(words)]).red().bold(),
    }
}

/// Orders each second, the newest on the right.
fn orders(history: &History, width: u16) -> Sparkline<'static> {
    let strip = history.strip();
    let room = usize::from(width.saturating_sub(2));
    let strip: Vec<u64> = strip.into_iter().rev().take(room).collect();
    let most = strip.iter().max().copied().unwrap_or_default();
    let title = format!(" orders each second, {most} at most ");
    Sparkline::default()
        .data(strip)
        .direction(RenderDirection::RightToLeft)
        .block(Block::bordered().title(title))
}

#[cfg(test)]
pub mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use replication::{Index, Protocol};
    use serde_json::json;
    use shop::toy::{Cents, Version};

    use super::*;
    use crate::command::status::show::tests as said;
    use crate::supervisor::cluster::State;

    fn toy(name: &str, in_stock: u64, sold: u64) -> catalog::status::ToyStatus {
        catalog::status::ToyStatus {
            name: name.parse().unwrap(),
            price: Cents(999),
            in_stock,
            version: Version(1 + sold),
            visible_version: Version(1 + sold),
            initial: 37,
            restocked: (in_stock + sold).saturating_sub(37),
            sold,
            unsettled: 37u64.saturating_sub(in_stock + sold),
        }
    }

    /// Three replicas of which one is behind and one is dead, a catalog, a frontend.
    pub fn seen(orders: u64, reads: u64) -> Vec<Seen> {
        let mut replicas =
            [said::replica(1, "follower", "following"), said::replica(2, "leader", "open")];
        for (node, last) in replicas.iter_mut().zip([orders, orders + 3]) {
            let Ok(Said::Order(order)) = &mut node.said else { unreachable!("it is one") };
            order.status.orders = orders;
            (order.status.engine.last, order.status.engine.committed) =
                (Index(last), Index(orders));
        }
        let mut frontend = said::frontend();
        let Ok(Said::Frontend(counts)) = &mut frontend.said else { unreachable!("it is one") };
        (counts.status.counters.hits, counts.status.counters.misses) = (3 * reads, reads);
        let [first, second] = replicas;
        let mut catalog = said::catalog(1, "leader", "open");
        let Ok(Said::Catalog(stock)) = &mut catalog.said else { unreachable!("it is one") };
        let toys = vec![toy("Tux", 0, orders), toy("Whale", 37, 0)];
        stock.status.totals = said::totals(&toys);
        stock.status.toys = toys;
        vec![catalog, first, second, said::silent("order-3", Role::Order, State::Dead), frontend]
    }

    /// The store of these.
    pub fn cluster() -> Cluster {
        let nodes = seen(0, 0).into_iter().map(|node| node.member).collect();
        let (replication, data) = (Protocol::Raft, "/data".into());
        Cluster { pid: 1, replication, dashboard: None, data, secret: None, nodes }
    }

    fn drawn(columns: u16, rows: u16, seen: &[Seen], history: &History) -> String {
        let (cluster, keys) = (cluster(), Keys::default());
        let judged = json!([{"guarantee": "stock", "verdict": "held"}]);
        let ended = json!({"round": 2, "operations": 1234, "verdict": {"guarantees": judged}});
        let rounds = json!({"ended": ended});
        let shown = Shown { cluster: &cluster, seen, rounds: Some(&rounds), history, keys: &keys };
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal.draw(|frame| draw(frame, &shown)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn the_picture_of_a_store() {
        let mut history = History::default();
        for look in 0..40u32 {
            let orders = u64::from(look * look);
            history.note(std::time::Duration::from_millis(500) * look, &seen(orders, 10 * orders));
        }
        let picture = drawn(100, 32, &seen(1521, 15210), &history);
        let kept = include_str!("picture.txt");
        assert!(picture == kept, "top/picture.txt is another one:\n{picture}");
    }

    #[test]
    fn nothing_is_drawn_over_each_other_or_panics_at_any_size() {
        let (seen, history) = (seen(5, 0), History::default());
        for (columns, rows) in [(1, 1), (59, 40), (60, 15)] {
            assert!(!drawn(columns, rows, &seen, &history).contains("order-1"));
        }
        for columns in [60, 80, 200] {
            for rows in [16, 24, 60] {
                let picture = drawn(columns, rows, &seen, &history);
                assert!(
                    picture.contains("order-2 leads") && picture.contains("q quit"),
                    "{picture}"
                );
            }
        }
    }

    #[test]
    fn a_store_of_which_nobody_answers_is_shown_as_such() {
        let nodes = cluster().nodes;
        let silent = nodes.iter().map(|node| said::silent(&node.name, node.role, State::Running));
        let silent: Vec<Seen> = silent.collect();
        let picture = drawn(100, 30, &silent, &History::default());
        assert!(picture.contains("no order replica leads"), "{picture}");
        assert!(picture.contains("no catalog answers"), "{picture}");
    }
}
