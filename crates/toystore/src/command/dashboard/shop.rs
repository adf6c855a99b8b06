//! Looking and buying from the page: a client of the frontends like any other.
//!
//! What a frontend said goes back whole, with the time that it took and the headers that say where
//! it is from. Called by `web`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::http::connection::{Ask, Connection, NoAnswer};
use crate::supervisor::cluster::Cluster;
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
    pub async fn ask(&self, cluster: &Cluster, frontend: Option<&str>, ask: &Ask) -> Result<Value> {
        let mut frontends = cluster.of(Role::Frontend);
        let found = frontends.find(|member| frontend.is_none_or(|name| name == member.name));
        let Some(member) = found else {
            let names: Vec<&str> = cluster.of(Role::Frontend).map(|m| m.name.as_str()).collect();
            bail!("there is no frontend {frontend:?}; this store has {}", names.join(", "))
        };
        let url = member.url()?;
        let idle = self.lock().get_mut(&member.url).and_then(Vec::pop);
        let mut connection = idle.unwrap_or_else(|| Connection::new(url));
        let began = Instant::now();
        let answered = connection.ask(ask, DEADLINE).await;
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.lock().entry(member.url.clone()).or_default().push(connection);
        Ok(match answered {
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
        })
    }
}
