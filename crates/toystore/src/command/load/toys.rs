//! Where a store is, and its toys, as it lists them itself.
//!
//! Called by `load::run` and by `evaluate` before anything is sent.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use shop::message::{Consistency, Reply, Request};
use shop::toy::ToyName;

use crate::client::dialect::Dialect;
use crate::http::connection::{Connection, Url};

/// Toys on a page of the list.
const PAGE: u32 = 1000;

/// The most toys that are asked for; further ones are left alone.
const TOYS_MAX: usize = 1_000_000;

/// How long a page may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// All names, in the store's order; from the first of these that lists any.
///
/// # Errors
/// If none does.
pub async fn toys(urls: &[Url]) -> Result<Vec<String>> {
    let mut reasons = Vec::new();
    for url in urls {
        match list(url).await {
            Ok(names) if names.is_empty() => reasons.push(format!("{url} sells nothing")),
            Ok(names) => return Ok(names),
            Err(why) => reasons.push(format!("{url}: {why}")),
        }
    }
    bail!(
        "there are no toys to ask for: {}\n\
         hint: start a store with `toystore up`, or say where one is with --url",
        reasons.join("; ")
    );
}

/// Where a URL leads; the first of several addresses.
///
/// # Errors
/// If nobody has that name.
pub fn address(url: &Url) -> Result<SocketAddr> {
    let found = (url.host(), url.port()).to_socket_addrs();
    let mut found = found.with_context(|| format!("{url}: nobody has that name"))?;
    found.next().ok_or_else(|| anyhow!("{url}: nobody has that name"))
}

async fn list(url: &Url) -> Result<Vec<String>, String> {
    let mut connection = Connection::new(url.clone());
    let mut names: Vec<String> = Vec::new();
    let mut page_began: Option<String> = None;
    while names.len() < TOYS_MAX {
        let after: Option<ToyName> = names.last().map(|name| name.parse()).transpose()?;
        let consistency = Consistency::Linearizable;
        let request = Request::ListProducts { after, limit: PAGE, consistency };
        let Some(ask) = Dialect::Lab.ask(&request, "") else { break };
        let said = connection.ask(&ask, DEADLINE).await.map_err(|error| error.to_string())?;
        let page = match Dialect::Lab.answer(&request, &said) {
            Ok(Reply::Products { products, .. }) => products,
            Ok(_) => Vec::new(),
            Err(problem) => return Err(problem.message()),
        };
        let first = page.first().map(|toy| toy.name.spelling());
        // A store that knows no pages gives the same again.
        if first.is_none() || first == page_began.as_deref() {
            break;
        }
        page_began = first.map(str::to_string);
        names.extend(page.iter().map(|toy| toy.name.spelling().to_string()));
        if page.len() < PAGE as usize {
            break;
        }
    }
    // So that a seed chooses the same of stores that sell the same.
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
