//! The history of a run, for `toystore check`: the state before, every operation, and how it ended.
//!
//! Called by [`super::Client`], and by other commands that have clients. What is before and after
//! is asked of the store itself: of its catalog and its replicas where the data folder says where
//! they are, else of a frontend, which knows no final log. Nothing else may buy while a history is
//! recorded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use checker::history::{
    EventKind, FORMAT, FateKind, Head, Line, LoggedLine, MAGIC, OpKind, OutcomeKind, Reason,
    RestockRule, Shelf,
};
use serde_json::Value;
use shop::message::{Consistency, OrderNumber, Problem, Reply, Request};
use shop::toy::{Product, ToyName};

use crate::client::dialect::Dialect;
use crate::client::order_log::{LoggedOrder, OrderLog};
use crate::client::runner::{Clock, Party};
use crate::command::demo::evidence::wait_until_quiet;
use crate::http::connection::{Ask, Connection, NoAnswer, Said, Url};
use crate::supervisor::cluster::Cluster;
use crate::supervisor::layout::Role;
use crate::supervisor::leader;

/// How long one answer may take: longer than a frontend looks for a leader.
const DEADLINE: Duration = Duration::from_secs(10);
/// Toys on one page of the list.
const PAGE: u32 = 100;
/// How often it is asked what became of a request, until that is final.
const FATE_TRIES: u32 = 5;
/// How long it is waited between.
const FATE_INTERVAL: Duration = Duration::from_secs(1);
/// Takes that the store may begin for one attempt: a frontend tries again under the next leader
/// until its deadline of 8 s, and a leader needs most of a second to be replaced when it hangs.
const TAKES: u32 = 4;
/// Orders in one line.
const LOGGED_MAX: usize = 2_000;
/// Whoever asks for fates.
const ASKER: u32 = 0;

/// The store that is shopped at, if it is the one in this data folder: its catalog and replicas can
/// be asked, in the lab's dialect.
pub fn store_of(party: &Party, data: &Path) -> Option<Cluster> {
    let store = Cluster::find(data).ok()?;
    let urls: Vec<Url> = store.of(Role::Frontend).filter_map(|m| m.url().ok()).collect();
    let ours = party.urls.iter().all(|url| urls.contains(url));
    (ours && party.dialect == Dialect::Lab).then_some(store)
}

/// The file, and where the store is.
#[derive(Debug)]
pub struct HistoryFile {
    path: PathBuf,
    file: BufWriter<File>,
    /// Who knows the stock: the catalog that leads if that is known, else a frontend.
    stock: Connection,
    dialect: Dialect,
    toys: Vec<ToyName>,
    store: Option<Cluster>,
    first_line: String,
    orders_before: u64,
}

impl HistoryFile {
    /// Begins the file with the state of the store.
    ///
    /// # Errors
    /// If it cannot be written, or the store does not answer.
    pub async fn begin(
        path: &Path,
        party: &Party,
        store: Option<Cluster>,
        repeat: &str,
    ) -> Result<HistoryFile> {
        let file = File::create(path)
            .with_context(|| format!("cannot write the history to {}", path.display()))?;
        let stock = match &store {
            Some(store) => leader::find_catalog(store).await?.url()?,
            None => party.urls[0].clone(),
        };
        let mut history = HistoryFile {
            path: path.to_path_buf(),
            file: BufWriter::new(file),
            stock: Connection::new(stock),
            dialect: party.dialect,
            toys: party.each.toys.clone(),
            store,
            first_line: String::new(),
            orders_before: 0,
        };
        let head = history.head(party, repeat).await?;
        let first_line = head.json();
        history.write(&first_line)?;
        Ok(HistoryFile { first_line, orders_before: head.orders, ..history })
    }

    /// The state before, as it stands in the file.
    pub fn first_line(&self) -> &str {
        &self.first_line
    }

    /// How many orders there were before.
    pub fn orders_before(&self) -> u64 {
        self.orders_before
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds operations.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn add(&mut self, operations: &[String]) -> Result<()> {
        operations.iter().try_for_each(|operation| self.write(operation))
    }

    /// Asks what became of the orders under these keys, and writes how it ended.
    ///
    /// # Errors
    /// If it cannot be written, or a part of the store does not answer.
    pub async fn end(
        mut self,
        party: &Party,
        clock: Clock,
        unknown: impl Iterator<Item = &str>,
    ) -> Result<()> {
        self.fates(party, clock, unknown).await?;
        if let Some(store) = self.store.clone() {
            self.truth(&store).await?;
        }
        self.flush()
    }

    /// The same of a store that is not whole: without the final logs and the final stock.
    ///
    /// # Errors
    /// If it cannot be written, or no frontend answers.
    pub async fn break_off(
        mut self,
        party: &Party,
        clock: Clock,
        unknown: impl Iterator<Item = &str>,
    ) -> Result<()> {
        self.fates(party, clock, unknown).await?;
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush().with_context(|| format!("cannot write to {}", self.path.display()))
    }

    async fn fates(
        &mut self,
        party: &Party,
        clock: Clock,
        unknown: impl Iterator<Item = &str>,
    ) -> Result<()> {
        let mut frontend = Connection::new(party.urls[0].clone());
        for key in unknown {
            self.fate(&mut frontend, clock, key).await?;
        }
        Ok(())
    }

    fn write(&mut self, line: &str) -> Result<()> {
        let written =
            self.file.write_all(line.as_bytes()).and_then(|()| self.file.write_all(b"\n"));
        written.with_context(|| format!("cannot write to {}", self.path.display()))
    }

    async fn head(&mut self, party: &Party, repeat: &str) -> Result<Head> {
        if self.toys.is_empty() {
            self.toys = self.list().await?;
        }
        let mut catalogue = vec![];
        for product in self.products().await? {
            let (toy, quantity) = (product.name.to_string(), i64::try_from(product.quantity)?);
            catalogue.push(Shelf { toy, quantity, version: product.version.0 });
        }
        // So that toys have the catalogue's spelling.
        self.toys = catalogue.iter().filter_map(|shelf| shelf.toy.parse().ok()).collect();
        let (mut invalidation, mut replication) = ("unknown".to_string(), "unknown".to_string());
        if let Some(store) = &self.store {
            replication = store.replication.to_string();
            if let Ok(said) = leader::ask_catalog(store).await {
                invalidation = said.invalidation;
            }
        }
        let level = i64::try_from(shop::catalog::RESTOCK_LEVEL)?;
        Ok(Head {
            history: MAGIC.to_string(),
            format: FORMAT,
            clock: "us".to_string(),
            catalogue,
            restock: Some(RestockRule { to: level, events: false }),
            invalidation,
            replication,
            keys: self.dialect == Dialect::Lab,
            takes: TAKES,
            orders: self.count_orders(party).await?,
            repeat: Some(repeat.to_string()),
        })
    }

    /// The names of all toys.
    async fn list(&mut self) -> Result<Vec<ToyName>> {
        let mut names: Vec<ToyName> = vec![];
        loop {
            let request = Request::ListProducts {
                after: names.last().cloned(),
                limit: PAGE,
                consistency: Consistency::Linearizable,
            };
            let Reply::Products { products: page, .. } = self.ask_stock(&request).await? else {
                bail!("{} does not list its toys", self.stock.url());
            };
            if page.is_empty() {
                return Ok(names);
            }
            names.extend(page.into_iter().map(|product| product.name));
        }
    }

    /// The state of every toy.
    async fn products(&mut self) -> Result<Vec<Product>> {
        let mut products = vec![];
        for name in self.toys.clone() {
            let request = Request::ReadProduct { name, consistency: Consistency::Linearizable };
            match self.ask_stock(&request).await? {
                Reply::Product { product, .. } => products.push(product),
                other => bail!("{} says {other} of a toy", self.stock.url()),
            }
        }
        Ok(products)
    }

    async fn ask_stock(&mut self, request: &Request) -> Result<Reply> {
        let ask = self.dialect.ask(request, "");
        let ask = ask.context("with this dialect, name the toys with --toys")?;
        let answer = said(&mut self.stock, &ask).await?;
        let url = self.stock.url();
        let answer = self.dialect.answer(request, &answer);
        answer.map_err(|problem| anyhow::anyhow!("{url} says: {}", problem.message()))
    }

    /// How many orders there are already, found with few questions: numbers have no gap.
    async fn count_orders(&mut self, party: &Party) -> Result<u64> {
        let mut frontend = Connection::new(party.urls[0].clone());
        let (mut low, mut high) = (0, 1);
        while self.order_is_there(&mut frontend, high - 1).await? {
            (low, high) = (high, high * 2);
        }
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            match self.order_is_there(&mut frontend, middle - 1).await? {
                true => low = middle,
                false => high = middle,
            }
        }
        Ok(low)
    }

    async fn order_is_there(&self, frontend: &mut Connection, number: u64) -> Result<bool> {
        let (number, consistency) = (OrderNumber(number), Consistency::Linearizable);
        let request = Request::ReadOrder { number, consistency };
        let ask = self.dialect.ask(&request, "").context("this dialect cannot ask for orders")?;
        match self.dialect.answer(&request, &said(frontend, &ask).await?) {
            Ok(_) => Ok(true),
            Err(Problem::UnknownOrder) => Ok(false),
            Err(problem) => bail!("{} says: {}", frontend.url(), problem.message()),
        }
    }

    /// What became of a request that nobody was told of; as often as it takes to be final.
    async fn fate(&mut self, frontend: &mut Connection, clock: Clock, key: &str) -> Result<()> {
        for _ in 0..FATE_TRIES {
            let invoked = clock.now();
            let answer = frontend.ask(&Ask::get(format!("/requests/{key}")), DEADLINE).await;
            let answer = answer.ok().filter(|said| said.status == 200);
            let line = Line {
                op: Some(OpKind::Fate),
                client: Some(ASKER),
                key: Some(key.into()),
                invoked: Some(invoked.0),
                returned: Some(clock.now().0),
                ..Line::default()
            };
            let line = fate_line(line, answer.as_ref());
            let open = [None, Some(FateKind::Pending), Some(FateKind::Unknown)];
            let open = open.contains(&line.fate);
            self.write(&line.json())?;
            if !open {
                break;
            }
            tokio::time::sleep(FATE_INTERVAL).await;
        }
        Ok(())
    }

    /// The final logs and the final stock, when the store is quiet; as they are, if it does not
    /// come to rest. If a replica does not answer there are no logs to be compared.
    async fn truth(&mut self, store: &Cluster) -> Result<()> {
        let token = store.token()?;
        wait_until_quiet(store, &token).await;
        // Another catalog may lead by now.
        self.stock = Connection::new(leader::find_catalog(store).await?.url()?);
        let mut logs = vec![];
        for replica in store.of(Role::Order) {
            match OrderLog::of(replica.url()?, Some(token.clone())).rest().await {
                Ok(orders) => logs.push((replica.name.clone(), orders)),
                Err(_) => return Ok(()),
            }
        }
        for (node, orders) in &logs {
            for page in orders.chunks(LOGGED_MAX) {
                self.write(&log_line(node, page).json())?;
            }
        }
        for product in self.products().await? {
            let line = Line {
                event: Some(EventKind::Stock),
                toy: Some(product.name.spelling().into()),
                quantity: Some(i64::try_from(product.quantity)?),
                version: Some(product.version.0).filter(|version| *version > 0),
                ..Line::default()
            };
            self.write(&line.json())?;
        }
        Ok(())
    }
}

/// A part of a replica's final log.
fn log_line<'a>(node: &'a str, orders: &'a [LoggedOrder]) -> Line<'a> {
    let logged = orders.iter().map(|order| LoggedLine {
        number: order.number,
        toy: order.name.as_str().into(),
        quantity: i64::try_from(order.quantity).unwrap_or(i64::MAX),
        key: None,
        version: None,
        index: None,
    });
    Line {
        event: Some(EventKind::Log),
        node: Some(node.into()),
        orders: Some(logged.collect()),
        ..Line::default()
    }
}

async fn said(connection: &mut Connection, ask: &Ask) -> Result<Said> {
    let answer = connection.ask(ask, DEADLINE).await;
    let url: &Url = connection.url();
    answer.map_err(|why: NoAnswer| anyhow::anyhow!("{url}: {why}"))
}

/// The line of a question about a request, with what was said.
fn fate_line<'a>(line: Line<'a>, said: Option<&Said>) -> Line<'a> {
    let body = said.map(|said| serde_json::from_slice::<Value>(&said.body).unwrap_or_default());
    let body = body.unwrap_or_default();
    let data = &body["data"];
    let header = |name: &str| said?.header(name)?.parse().ok().filter(|number| *number > 0);
    let words: BTreeMap<&str, FateKind> = BTreeMap::from([
        ("recorded", FateKind::Recorded),
        ("refused", FateKind::Refused),
        ("pending", FateKind::Pending),
        ("never", FateKind::Never),
        ("unknown", FateKind::Unknown),
    ]);
    let fate = data["state"].as_str().and_then(|state| words.get(state)).copied();
    let outcome = if fate.is_some() { OutcomeKind::Ok } else { OutcomeKind::Unknown };
    let refused = fate == Some(FateKind::Refused);
    let reason = match data["reason"].as_str() {
        Some("product not found") => Reason::NoSuchToy,
        Some(_) | None => Reason::Insufficient,
    };
    Line {
        outcome: Some(outcome),
        fate,
        reason: refused.then_some(reason),
        order: data["order_number"].as_u64(),
        version: header("toystore-toy-version"),
        index: header("toystore-log-index"),
        ..line
    }
}
