//! Who leads now: the order service, and the catalog.
//!
//! Asks every replica and believes the one that says it leads under the highest term: a paused
//! ex-leader cannot answer, one that came back says a lower term. Called by [`super::control`] for
//! the names `leader` and `catalog-leader`, and by whoever asks a store for its orders or its
//! stock.

use anyhow::{Result, bail};
use replication::Term;
use serde::de::DeserializeOwned;
use shop::{catalog, orders};
use tokio::task::JoinSet;

use super::cluster::{Cluster, Member};
use super::layout::Role;
use super::node_status;

/// The order replica that leads.
///
/// # Errors
/// If none says that it does.
pub async fn find(cluster: &Cluster) -> Result<Member> {
    find_with_term(cluster).await.map(|(member, _)| member)
}

/// The order replica that leads, and under which term.
///
/// # Errors
/// If none says that it does.
pub async fn find_with_term(cluster: &Cluster) -> Result<(Member, Term)> {
    match highest(cluster, Role::Order, reign).await {
        Some(found) => Ok(found),
        None => bail!("no order replica leads now\nhint: toystore status shows the replicas"),
    }
}

/// The catalog that leads: the only one, whatever it says, where it has no replicas.
///
/// # Errors
/// If there are several, and none says that it does.
pub async fn find_catalog(cluster: &Cluster) -> Result<Member> {
    let mut all = cluster.of(Role::Catalog);
    if let (Some(one), None) = (all.next(), all.next()) {
        return Ok(one.clone());
    }
    match highest(cluster, Role::Catalog, catalog_reign).await {
        Some((member, _)) => Ok(member),
        None => bail!("no catalog leads now\nhint: toystore status shows the replicas"),
    }
}

/// What the catalog that leads says of itself.
///
/// # Errors
/// If none leads, or it does not answer; in words.
pub async fn ask_catalog(cluster: &Cluster) -> Result<catalog::status::Status, String> {
    let member = find_catalog(cluster).await.map_err(|error| error.to_string())?;
    let said = node_status::ask(&member).await;
    said.map(|said| said.status).map_err(|why| format!("{}: {why}", member.name))
}

async fn highest<S: DeserializeOwned + Send + 'static>(
    cluster: &Cluster,
    role: Role,
    reign: fn(&S) -> Option<Term>,
) -> Option<(Member, Term)> {
    let mut asked = JoinSet::new();
    for member in cluster.of(role).cloned() {
        asked.spawn(async move {
            let said = node_status::ask::<S>(&member).await.ok()?;
            reign(&said.status).map(|term| (member, term))
        });
    }
    let answers = asked.join_all().await.into_iter().flatten();
    answers.max_by_key(|(_, term)| *term)
}

/// The term under which an order replica says that it leads, if it does. One that still settles
/// leads already: it is the one whose death would be felt.
pub fn reign(status: &orders::Status) -> Option<Term> {
    let leads = status.engine.role == "leader" && status.state != "following";
    leads.then_some(status.engine.term)
}

/// The same of a catalog: one that still waits for older leases leads already.
pub fn catalog_reign(status: &catalog::status::Status) -> Option<Term> {
    let leads = status.engine.role == "leader" && status.phase != "following";
    leads.then_some(status.engine.term)
}
