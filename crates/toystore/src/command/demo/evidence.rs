//! Gathers what the verdict is made of: from frontends, order replicas and the catalog, over HTTP.
//!
//! Called by [`super::Demo`] when shoppers are done.

use std::time::{Duration, Instant};

use serde::Deserialize;
use shop::orders;
use shop::shopper::Summary;
use tokio::task::JoinSet;

use super::outage::Outage;
use super::verdict::{Evidence, Replica};
use crate::http::connection::{Ask, ask_once};
use crate::supervisor::cluster::{Cluster, Member};
use crate::supervisor::layout::Role;
use crate::supervisor::{leader, node_status};

/// How long a store may take to come to rest: a replica that returned reads what it missed, and
/// takes are settled.
const QUIET_DEADLINE: Duration = Duration::from_secs(10);
/// Takes that are open for so long, with no shopper left, wait for their leader's next one.
const UNCHANGED_LONG_ENOUGH: Duration = Duration::from_millis(500);
/// How often it is looked whether it has.
const QUIET_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until every replica has the same log and the catalog knows the fate of every take, or
/// learns nothing more: the last takes of a leader are settled by its next one. Returns whether it
/// came to that in time; what is wrong then shows in the evidence.
pub async fn wait_until_quiet(cluster: &Cluster, token: &str) -> bool {
    let deadline = Instant::now() + QUIET_DEADLINE;
    let mut unsettled_before = None;
    let mut unchanged_since = Instant::now();
    loop {
        let replicas = replicas(cluster, token).await;
        let first = replicas.first().map(|replica| &replica.digest);
        let equal = first.is_some_and(Result::is_ok)
            && replicas.iter().all(|replica| Some(&replica.digest) == first);
        let unsettled =
            leader::ask_catalog(cluster).await.ok().map(|status| status.takes_outstanding);
        if unsettled != unsettled_before {
            (unsettled_before, unchanged_since) = (unsettled, Instant::now());
        }
        let settled = unsettled == Some(0)
            || unsettled.is_some() && unchanged_since.elapsed() > UNCHANGED_LONG_ENOUGH;
        if equal && settled {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(QUIET_INTERVAL).await;
    }
}

/// What the nodes say of themselves, beside what a history shows.
pub async fn gather(
    cluster: &Cluster,
    token: &str,
    acknowledged: u64,
    summaries: Vec<Summary>,
    outage: Outage,
) -> Evidence {
    let replicas = replicas(cluster, token).await;
    Evidence { replicas, acknowledged, summaries, outage }
}

async fn replicas(cluster: &Cluster, token: &str) -> Vec<Replica> {
    let mut asked = JoinSet::new();
    for member in cluster.of(Role::Order).cloned() {
        let token = token.to_string();
        asked.spawn(async move {
            let digest = digest(&member, &token).await;
            let status = node_status::ask::<orders::Status>(&member).await;
            let discarded = status.map(|said| said.status.discarded).unwrap_or_default();
            Replica { name: member.name, digest, discarded }
        });
    }
    let mut replicas = asked.join_all().await;
    replicas.sort_by(|one, other| one.name.cmp(&other.name));
    replicas
}

async fn digest(member: &Member, token: &str) -> Result<(u64, String), String> {
    #[derive(Deserialize)]
    struct Answer {
        data: Digest,
    }
    #[derive(Deserialize)]
    struct Digest {
        upto: u64,
        digest: String,
    }
    let url = member.url().map_err(|error| error.to_string())?;
    let ask = Ask::get("/digest").with("authorization", format!("Bearer {token}"));
    let said = ask_once(&url, &ask, node_status::STATUS_DEADLINE)
        .await
        .map_err(|error| error.to_string())?;
    if said.status != 200 {
        return Err(format!("it says {}: {}", said.status, said.message()));
    }
    let answer: Answer = serde_json::from_slice(&said.body)
        .map_err(|error| format!("its digest is not understood: {error}"))?;
    Ok((answer.data.upto, answer.data.digest))
}
