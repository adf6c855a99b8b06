//! Who leads the order service now.
//!
//! Asks every replica and believes the one that says it leads under the highest term: a paused
//! ex-leader cannot answer, one that came back says a lower term. Called by [`super::control`] for
//! the name `leader`, by `export`, and by `demo`.

use anyhow::{Result, bail};
use replication::Term;
use shop::orders;
use tokio::task::JoinSet;

use super::cluster::{Cluster, Member};
use super::layout::Role;
use super::node_status;

/// The replica that leads.
///
/// # Errors
/// If none says that it does.
pub async fn find(cluster: &Cluster) -> Result<Member> {
    find_with_term(cluster).await.map(|(member, _)| member)
}

/// The replica that leads, and under which term.
///
/// # Errors
/// If none says that it does.
pub async fn find_with_term(cluster: &Cluster) -> Result<(Member, Term)> {
    let mut asked = JoinSet::new();
    for member in cluster.of(Role::Order).cloned() {
        asked.spawn(async move {
            let said = node_status::ask::<orders::Status>(&member).await.ok()?;
            reign(&said.status).map(|term| (term, member))
        });
    }
    let answers = asked.join_all().await.into_iter().flatten();
    match answers.max_by_key(|(term, _)| *term) {
        Some((term, member)) => Ok((member, term)),
        None => bail!("no order replica leads now\nhint: toystore status shows the replicas"),
    }
}

/// The term under which a replica says that it leads, if it does. One that still settles leads
/// already: it is the one whose death would be felt.
pub fn reign(status: &orders::Status) -> Option<Term> {
    let leads = status.engine.role == "leader" && status.state != "following";
    leads.then_some(status.engine.term)
}
