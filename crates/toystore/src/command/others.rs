//! Where a node finds the others: the flags that name replicas of a service by their addresses.
//!
//! Called by `catalog`, `order` and `frontend`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use anyhow::{Result, bail};
use clap::Args;
use replication::NodeId;
use shop::node::Address;

use crate::http::connection::Url;

/// One replica of a service and its address: `3=http://127.0.0.1:8093`.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Its id.
    pub id: NodeId,
    /// Where it is.
    pub url: Url,
}

impl FromStr for Replica {
    type Err = String;

    fn from_str(text: &str) -> Result<Replica, String> {
        let (id, url) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?}: expected ID=URL, as 1=http://127.0.0.1:8091"))?;
        let id = match id.parse() {
            Ok(id @ 1..=NodeId::MAX) => NodeId(id),
            Ok(_) | Err(_) => {
                return Err(format!("{id:?} is no replica: expected 1 to {}", NodeId::MAX));
            }
        };
        Ok(Replica { id, url: url.parse()? })
    }
}

/// A catalog by its address, and by its id where it has replicas.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Its id, if there are several.
    id: Option<NodeId>,
    /// Where it is.
    url: Url,
}

impl FromStr for Catalog {
    type Err = String;

    fn from_str(text: &str) -> Result<Catalog, String> {
        let is_number = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        if text.split_once('=').is_some_and(|(id, _)| is_number(id)) {
            let Replica { id, url } = text.parse()?;
            return Ok(Catalog { id: Some(id), url });
        }
        Ok(Catalog { id: None, url: text.parse()? })
    }
}

/// Flags of every node that calls somebody.
#[derive(Debug, Args)]
pub struct Others {
    /// The catalog; each of its replicas, if it has any: 1=http://…,2=http://…,3=http://…
    #[arg(
        long,
        env = "TOYSTORE_CATALOG",
        value_name = "URL",
        value_delimiter = ',',
        required = true
    )]
    catalog: Vec<Catalog>,
    /// Every order replica, a replica itself too: 1=http://…,2=http://…
    #[arg(
        long,
        env = "TOYSTORE_ORDERS",
        value_name = "ID=URL,…",
        value_delimiter = ',',
        required = true
    )]
    orders: Vec<Replica>,
}

impl Others {
    /// The replicas of the order service, each once.
    ///
    /// # Errors
    /// If an id is given twice.
    pub fn replicas(&self) -> Result<BTreeSet<NodeId>> {
        let mut all = BTreeSet::new();
        for replica in &self.orders {
            if !all.insert(replica.id) {
                bail!("--orders names replica {} twice", replica.id);
            }
        }
        Ok(all)
    }

    /// Where each replica of the catalog is, by their ids, which begin with 1.
    ///
    /// # Errors
    /// If an id is missing, left out, or given twice.
    pub fn catalogs(&self) -> Result<Vec<Url>> {
        if let [Catalog { id: None | Some(NodeId(1)), url }] = self.catalog.as_slice() {
            return Ok(vec![url.clone()]);
        }
        let numbered = |Catalog { id, url }: &Catalog| match id {
            Some(id) => Ok(Replica { id: *id, url: url.clone() }),
            None => bail!(
                "--catalog names several replicas of the catalog, and {url} has no number\n\
                 hint: --catalog 1=http://…,2=http://…,3=http://…"
            ),
        };
        let all = self.catalog.iter().map(numbered).collect::<Result<Vec<Replica>>>()?;
        let all = group("--catalog", &all)?;
        Ok(all.into_values().collect())
    }

    /// The catalogs and the order replicas as addresses of links.
    ///
    /// # Errors
    /// Those of [`Others::catalogs`].
    pub fn addresses(&self) -> Result<BTreeMap<Address, Url>> {
        let orders = self.orders.iter().map(|r| (Address::Order(r.id), r.url.clone()));
        let catalogs = (1..).map(|id| Address::Catalog(NodeId(id))).zip(self.catalogs()?);
        Ok(orders.chain(catalogs).collect())
    }
}

/// All replicas of the catalog by id: 1, 2, 3 …, as `flag` names them.
///
/// # Errors
/// If an id is left out or given twice.
pub fn group(flag: &str, all: &[Replica]) -> Result<BTreeMap<NodeId, Url>> {
    let mut by_id = BTreeMap::new();
    for Replica { id, url } in all {
        if by_id.insert(*id, url.clone()).is_some() {
            bail!("{flag} names replica {id} of the catalog twice");
        }
    }
    let highest = by_id.keys().last().map_or(0, |id| id.0);
    if let Some(missing) = (1..=highest).find(|id| !by_id.contains_key(&NodeId(*id))) {
        bail!(
            "{flag} names replicas of the catalog up to {highest}, but not {missing}\n\
             hint: their ids are 1, 2, 3 and so on, without a gap, the same at every node"
        );
    }
    Ok(by_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(catalog: &str, expected: Result<&[&str], &str>) {
        let read: Result<Vec<Catalog>, String> = catalog.split(',').map(str::parse).collect();
        let found = read.and_then(|catalog| {
            let others = Others { catalog, orders: vec![] };
            others.catalogs().map_err(|error| error.to_string())
        });
        match (found, expected) {
            (Ok(urls), Ok(expected)) => {
                let urls: Vec<String> = urls.iter().map(Url::to_string).collect();
                assert_eq!(urls, expected, "{catalog}");
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{catalog}: {error}"),
            (found, expected) => panic!("{catalog}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn one_catalog_needs_no_number_and_several_need_all() {
        check("http://a:1", Ok(&["http://a:1"]));
        check("1=http://a:1", Ok(&["http://a:1"]));
        check("2=http://b:1,1=http://a:1", Ok(&["http://a:1", "http://b:1"]));
        check("2=http://b:1", Err("up to 2, but not 1"));
        check("1=http://a:1,3=http://c:1", Err("up to 3, but not 2"));
        check("1=http://a:1,1=http://b:1", Err("replica 1 of the catalog twice"));
        check("http://a:1,http://b:1", Err("http://a:1 has no number"));
        check("1=http://a:1,http://b:1", Err("http://b:1 has no number"));
        check("0=http://a:1", Err("\"0\" is no replica"));
        check("a:1", Err("it does not begin with http://"));
    }
}
