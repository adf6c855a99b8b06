//! Reads the order log of a replica, page by page.
//!
//! Called by `export` (which writes each page as it comes) and by `demo`'s verdict.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::http::connection::{Ask, Connection, Url};

/// Orders on a page: some 100 kB of JSON.
const PAGE_ORDERS: u32 = 2000;
/// How long one page may take.
const PAGE_DEADLINE: Duration = Duration::from_secs(5);

/// One order as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedOrder {
    /// 0, 1, 2 …
    pub number: u64,
    /// The toy, in the catalogue's spelling.
    pub name: String,
    /// How many.
    pub quantity: u64,
}

/// A reader's place in the log.
#[derive(Debug)]
pub struct OrderLog {
    connection: Connection,
    token: Option<String>,
    after: Option<u64>,
    ended: bool,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<LoggedOrder>,
}

impl OrderLog {
    /// From the beginning, at one replica.
    pub fn of(replica: Url, token: Option<String>) -> OrderLog {
        OrderLog { connection: Connection::new(replica), token, after: None, ended: false }
    }

    /// The next orders; none at the end.
    ///
    /// # Errors
    /// If the replica does not answer, or not as agreed.
    pub async fn next_page(&mut self) -> Result<Vec<LoggedOrder>> {
        if self.ended {
            return Ok(vec![]);
        }
        let place = self.after.map_or_else(String::new, |number| format!("after={number}&"));
        let mut ask = Ask::get(format!("/orders?{place}limit={PAGE_ORDERS}"));
        if let Some(token) = &self.token {
            ask = ask.with("authorization", format!("Bearer {token}"));
        }
        let url = self.connection.url().clone();
        let said = match self.connection.ask(&ask, PAGE_DEADLINE).await {
            Ok(said) => said,
            Err(no_answer) => bail!("{url} does not give its orders: {no_answer}"),
        };
        if said.status != 200 {
            bail!("{url} does not give its orders: {} {}", said.status, said.message());
        }
        let Ok(Page { data }) = serde_json::from_slice(&said.body) else {
            bail!("{url} gives its orders in a form that is not understood");
        };
        match data.last() {
            // A server that ignores `after` would be read for ever.
            Some(last) if self.after.is_some_and(|after| last.number <= after) => {
                bail!("{url} gives the same orders again")
            }
            Some(last) => self.after = Some(last.number),
            None => self.ended = true,
        }
        Ok(data)
    }

    /// All that follow.
    ///
    /// # Errors
    /// As [`OrderLog::next_page`].
    pub async fn rest(&mut self) -> Result<Vec<LoggedOrder>> {
        let mut all = vec![];
        loop {
            let page = self.next_page().await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }
}
