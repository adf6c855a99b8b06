//! The live page: what every node says of itself, drawn while it happens, and broken by click.
//!
//! ```text
//! nodes ── /status ──► feed ── server-sent events ──► page        a frame every quarter second
//! nodes ◄── faults, signals, orders ── acts ◄── POST, PUT ── page
//! nodes ◄── shoppers ── rounds ── a verdict, with every frame ──► page
//! nodes ◄── acts ◄── chaos ── a plan of the seed ◄── PUT, DELETE ── page
//! ```
//!
//! Served by `toystore up` and `demo`, by `toystore dashboard` for a store that others run, and by
//! `toystore view` of a bundle. The page is nothing but files (`assets`), which are part of this
//! program and ask nobody else for anything. It invents nothing: a frame holds what `toystore
//! status --json` prints and a sample of the messages that nodes saw, and what a click does is what
//! `toystore kill`, `PUT /faults` or a shopper's `POST /orders` do.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `feed` | the frames of the last minutes, and who waits for the next |
//! | `web` | paths, the stream |
//! | `files` | what is served as it is: the page, a bundle |
//! | `source` | where the store is, and who kills and starts its nodes |
//! | `elsewhere` | the command `dashboard` |
//! | `ear` | the messages that nodes saw pass, a sample |
//! | `log` | what stands in a cell of a log |
//! | `acts` | what a click does to nodes and links |
//! | `chaos` | strike after strike, as a seed plans them |
//! | `shop` | looking and buying, as a client of the frontends |
//! | `rounds` | shoppers, everything that was told, and the verdict on it |
//! | [`viewing`] | the same page of a bundle, with nothing running |
//! | `assets/model` | from frames to what is drawn: pure, tested without a browser |
//! | `assets/view` | drawing |
//!
//! Whoever may break things holds the cluster's token, which is in the address that is printed,
//! behind a `#`, where no server sees it.

mod acts;
mod chaos;
pub mod ear;
pub mod elsewhere;
mod feed;
mod files;
mod log;
mod rounds;
mod shop;
pub mod source;
pub mod viewing;
mod web;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::paint;
use super::status::{Eyes, Said, leader, to_json};
use crate::supervisor::cluster::Cluster;
use ear::Ear;
use feed::Feed;
use source::Source;
pub use web::ROUNDS_PATH;

/// Between two looks while somebody watches, and while nobody does.
const INTERVAL: Duration = Duration::from_millis(250);
const INTERVAL_UNWATCHED: Duration = Duration::from_secs(1);

/// Where the page is, where nobody says.
pub const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8070);

/// The page of one store.
pub struct Dashboard {
    source: Arc<Source>,
    /// What whoever breaks things must know; absent where nothing can be broken.
    token: Option<String>,
    feed: Feed,
    acts: acts::Acts,
    chaos: chaos::Chaos,
    shop: shop::Shop,
    rounds: rounds::Rounds,
}

/// A socket on which the page will be served.
pub struct Door {
    listener: TcpListener,
    /// Where that is, without the token.
    pub url: String,
    is_loopback: bool,
}

impl Door {
    /// Opens it. Where nobody said where, and that is taken or `auto`, at any free port.
    ///
    /// # Errors
    /// If it was said where, and that cannot be had; `hint` says what else there is.
    pub async fn open(wanted: Option<SocketAddr>, auto: bool, hint: &str) -> Result<Door> {
        let any = SocketAddr::new(LISTEN_DEFAULT.ip(), 0);
        let wanted = wanted.or(auto.then_some(any));
        let listener = match wanted {
            Some(address) => TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot serve the page on {address}\nhint: {hint}"))?,
            None => match TcpListener::bind(LISTEN_DEFAULT).await {
                Ok(listener) => listener,
                Err(_) => TcpListener::bind(any).await.context("cannot serve the page")?,
            },
        };
        let at = listener.local_addr().context("cannot serve the page")?;
        let url = format!("http://{}", crate::supervisor::ports::reached_at(at));
        Ok(Door { listener, url, is_loopback: at.ip().is_loopback() })
    }
}

/// A page that is served.
pub struct Page {
    /// Where, with the token if there is one.
    pub address: String,
    dashboard: Arc<Dashboard>,
}

impl Page {
    /// Mends what chaos broke of a store that goes on without the page, as far as that is soon
    /// done.
    pub async fn end(&self) {
        let chaos = &self.dashboard.chaos;
        if chaos.is_on()
            && let Err(why) = chaos.off().await
        {
            paint::say(format_args!("{why:#}"));
        }
    }
}

impl Dashboard {
    /// Serves the page of a store, as long as the process lives. `chaos`: whether whoever knows the
    /// token may break it.
    ///
    /// # Errors
    /// If the store is not there, or its token cannot be read.
    pub fn serve(door: Door, source: Arc<Source>, chaos: bool) -> Result<Page> {
        let token = source.token()?;
        let secret = match &token {
            Some(token) if chaos => format!("/#token={token}"),
            Some(_) | None => String::new(),
        };
        let address = format!("{}{secret}", door.url);
        let dashboard = Arc::new(Dashboard {
            acts: acts::Acts::new(token.clone(), source.clone()),
            token: token.clone().filter(|_| chaos),
            feed: Feed::default(),
            chaos: chaos::Chaos::new(),
            shop: shop::Shop::new(),
            rounds: rounds::Rounds::new(source.cluster()?.data.join("rounds")),
            source,
        });
        tokio::spawn(watch(dashboard.clone(), Ear::new(token)));
        tokio::spawn(rounds::run(dashboard.clone()));
        tokio::spawn(chaos::run(dashboard.clone()));
        let page = Page { address, dashboard: dashboard.clone() };
        tokio::spawn(async move {
            if let Err(error) = web::serve(door, dashboard).await {
                paint::say(format_args!("the page is served no more: {error}"));
            }
        });
        Ok(page)
    }

    fn cluster(&self) -> Result<Cluster> {
        self.source.cluster()
    }
}

/// Says where the page is, and opens it if that is wanted.
pub fn announce(url: &str, open: bool) {
    paint::say(format_args!("page: {url}"));
    if !open {
        return;
    }
    let opened = std::process::Command::new("xdg-open")
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = opened {
        paint::say(format_args!("cannot open a browser (xdg-open): {error}"));
    }
}

/// Looks at all nodes again and again.
async fn watch(dashboard: Arc<Dashboard>, mut ear: Ear) {
    let mut eyes = Eyes::default();
    loop {
        if let Ok(cluster) = dashboard.cluster() {
            let messages = async {
                match dashboard.feed.is_watched() {
                    true => ear.listen(&cluster).await,
                    false => BTreeMap::new(),
                }
            };
            let at = dashboard.rounds.now();
            let (seen, messages) = tokio::join!(eyes.look(&cluster), messages);
            let orders = seen.iter().filter_map(|node| match &node.said {
                Ok(Said::Order(said)) => Some(said.status.orders),
                Ok(Said::Catalog(_) | Said::Frontend(_)) | Err(_) => None,
            });
            // Without a leader nobody knows all of them.
            let at = at.filter(|_| leader(&seen).is_some());
            dashboard.rounds.note_orders(at, orders.max().unwrap_or_default());
            let mut frame = to_json(&cluster, &seen);
            // Where it stands on this machine is nobody's business who is shown a bundle.
            frame.as_object_mut().map(|frame| frame.remove("data"));
            Ear::tell(&mut frame, messages);
            frame["rounds"] = dashboard.rounds.shown();
            frame["chaos"] = dashboard.chaos.shown();
            dashboard.feed.add(frame);
        }
        let interval = if dashboard.feed.is_watched() { INTERVAL } else { INTERVAL_UNWATCHED };
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = dashboard.feed.first_watcher(), if !dashboard.feed.is_watched() => {}
        }
    }
}

/// An error as every server here says it.
fn error(
    status: axum::http::StatusCode,
    message: &str,
) -> (axum::http::StatusCode, axum::Json<Value>) {
    let body = json!({"error": {"code": status.as_u16(), "message": message}});
    (status, axum::Json(body))
}
