//! Looking and buying from the page: a client of the frontends like any other.
//!
//! What a frontend said goes back whole, with the time that it took and the headers that say where
//! it is from; and into the history of the round that is open. Called by `web`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use axum::http::Method;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use shop::message::{Consistency, NewOrder, OrderNumber, Request, RequestId};
use shop::toy::Quantity;

use crate::http::connection::{Ask, Connection, NoAnswer, Said};
use crate::supervisor::cluster::{Cluster, no_node};
use crate::supervisor::layout::Role;

/// How long a frontend may take: as long as it tries itself.
const DEADLINE: Duration = Duration::from_secs(10);

/// The headers that say where an answer is from.
const TOLD: [&str; 6] = [
    "x-cache",
    "toystore-served-by",
    "toystore-read-from",
    "toystore-toy-version",
    "toystore-log-index",
    "toystore-applied-index",
];

/// The page's connections to frontends that nobody uses now.
#[derive(Debug, Default)]
pub struct Shop {
    idle: Mutex<BTreeMap<String, Vec<Connection>>>,
}

/// What came of a question.
pub struct Asked {
    /// What the page is told.
    pub told: Value,
    /// What the frontend said.
    pub answered: Result<Said, NoAnswer>,
}

impl Shop {
    /// Without connections.
    pub fn new() -> Shop {
        Shop::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Connection>>> {
        self.idle.lock().expect("nobody panics while holding it: it guards plain values")
    }

    /// Asks a frontend: the one of this name, or the first.
    ///
    /// # Errors
    /// If there is none of this name.
    pub async fn ask(&self, cluster: &Cluster, frontend: Option<&str>, ask: &Ask) -> Result<Asked> {
        let mut frontends = cluster.of(Role::Frontend);
        let found = frontends.find(|member| frontend.is_none_or(|name| name == member.name));
        let Some(member) = found else {
            let names = cluster.of(Role::Frontend).map(|member| member.name.as_str());
            bail!(no_node(frontend.unwrap_or("frontend"), names))
        };
        let url = member.url()?;
        let idle = self.lock().get_mut(&member.url).and_then(Vec::pop);
        let mut connection = idle.unwrap_or_else(|| Connection::new(url));
        let began = Instant::now();
        let answered = connection.ask(ask, DEADLINE).await;
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.lock().entry(member.url.clone()).or_default().push(connection);
        let told = match &answered {
            Ok(said) => {
                let told = TOLD.iter().filter_map(|name| Some((*name, said.header(name)?)));
                let told: BTreeMap<&str, &str> = told.collect();
                let body: Value = serde_json::from_slice(&said.body).unwrap_or(Value::Null);
                json!({
                    "frontend": member.name, "micros": micros, "status": said.status,
                    "headers": told, "body": body,
                })
            }
            Err(why) => {
                let sent = matches!(why, NoAnswer::Unknown(_));
                json!({
                    "frontend": member.name, "micros": micros, "no_answer": why.to_string(),
                    "may_be_done": sent,
                })
            }
        };
        Ok(Asked { told, answered })
    }
}

/// What a history calls this, and under which key it is bought; nothing that is not asked of a
/// shop.
pub fn request_of(ask: &Ask, key: Option<&str>) -> Option<(Request, String)> {
    let path = percent_decode_str(ask.path.split('?').next()?).decode_utf8().ok()?;
    let consistency = Consistency::Linearizable;
    if ask.method == Method::POST {
        let Bought { name, quantity } = serde_json::from_slice(&ask.body).ok()?;
        let request_id = RequestId::from_key(key?).ok()?;
        let order = NewOrder { request_id, name: name.parse().ok()?, quantity };
        return Some((Request::PlaceOrder(order), key?.to_string()));
    }
    if ask.path.contains("consistency=") {
        return None;
    }
    let request = match (path.strip_prefix("/products/"), path.strip_prefix("/orders/")) {
        (Some(name), _) => Request::ReadProduct { name: name.parse().ok()?, consistency },
        (_, Some(number)) => {
            Request::ReadOrder { number: OrderNumber(number.parse().ok()?), consistency }
        }
        (None, None) => return None,
    };
    Some((request, String::new()))
}

#[derive(Deserialize)]
struct Bought {
    name: String,
    quantity: Quantity,
}
