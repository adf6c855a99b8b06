//! Which order replicas a store has, once that is not what it was made with any more: the note in
//! `DATA/members.json`, and command lines that fit it.
//!
//! ```json
//! {"orders": [1, 3, 4], "joined": [4], "highest": 4}
//! ```
//!
//! The replicas agree on their members by themselves; this is for the next `up`, which must start
//! those, and for a disk that was emptied: a replica that voted must not come back without what it
//! voted. Read and written by [`super::Store`] and `super::change`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};
use replication::Protocol;
use serde::{Deserialize, Serialize};

use super::folder::Made;
use super::layout::{NodePlan, Role};
use super::ports::reached_at;
use super::written::{REPLICATION_FILE, has_log};
use crate::disk::write_whole;

/// The order replicas of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// Those that are started.
    pub orders: BTreeSet<u8>,
    /// Those of them that came to a group that was there already.
    pub joined: BTreeSet<u8>,
    /// The highest id that was ever given to a replica.
    pub highest: u8,
}

impl Members {
    /// Those that a store is made with.
    pub fn first(orders: u8) -> Members {
        Members { orders: (1..=orders).collect(), joined: BTreeSet::new(), highest: orders }
    }

    /// As a folder has it; `None` before the first start of all.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(folder: &Path) -> Result<Option<Members>> {
        let path = folder.join("members.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(format!("cannot read {}", path.display())),
        };
        let members = serde_json::from_str(&text)
            .with_context(|| format!("{} is not as this program writes it", path.display()))?;
        Ok(Some(members))
    }

    /// Those of a store: of its folder, or those that it was made with.
    ///
    /// # Errors
    /// If the note cannot be read.
    pub fn of_store(folder: &Path, made: Made) -> Result<Members> {
        Ok(Members::of(folder)?.unwrap_or_else(|| Members::first(made.orders)))
    }

    /// The same when all of them begin with one state, as if they had been together from the start.
    #[must_use]
    pub fn together(self) -> Members {
        Members { joined: BTreeSet::new(), ..self }
    }

    /// Writes it down.
    ///
    /// # Errors
    /// If that fails.
    pub fn remember(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).context("cannot write members.json")?;
        let path = folder.join("members.json");
        write_whole(&path, &text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// A replica comes.
    pub fn join(&mut self, id: u8) {
        self.orders.insert(id);
        self.joined.insert(id);
        self.highest = self.highest.max(id);
    }

    /// A replica goes.
    pub fn leave(&mut self, id: u8) {
        self.orders.remove(&id);
        self.joined.remove(&id);
    }

    /// Of nodes for every id up to the highest, those that there are, each told of these only.
    pub fn fit(&self, plans: Vec<NodePlan>) -> Vec<NodePlan> {
        let stay = |plan: &NodePlan| {
            plan.role != Role::Order || number(plan).is_some_and(|id| self.orders.contains(&id))
        };
        let mut plans: Vec<NodePlan> = plans.into_iter().filter(stay).collect();
        tell_of(&mut plans);
        for plan in &mut plans {
            if number(plan).is_some_and(|id| self.joined.contains(&id)) {
                plan.arguments.push("--join".into());
            }
        }
        plans
    }
}

/// Which replica a plan starts; `None` of other nodes.
pub fn number(plan: &NodePlan) -> Option<u8> {
    plan.name.strip_prefix("order-")?.parse().ok()
}

/// Whether it comes, or came, to a group that was there already.
pub fn joins(plan: &NodePlan) -> bool {
    plan.arguments.iter().any(|argument| argument == "--join")
}

/// Tells every node of these where all order replicas among them are.
pub fn tell_of(plans: &mut [NodePlan]) {
    let all = plans.iter().filter_map(|plan| Some((number(plan)?, plan.url.clone())));
    let orders = all.map(|(id, url)| format!("{id}={url}")).collect::<Vec<_>>().join(",");
    for plan in plans.iter_mut() {
        set(&mut plan.arguments, "--orders", &orders);
    }
}

/// A replica like another one, with an id, an address and a folder of its own.
pub fn newcomer(like: &NodePlan, id: u8, address: SocketAddr) -> NodePlan {
    let mut plan = like.clone();
    plan.name = format!("order-{id}");
    plan.url = format!("http://{}", reached_at(address));
    plan.data = like.data.with_file_name(&plan.name);
    set(&mut plan.arguments, "--listen", address.to_string());
    set(&mut plan.arguments, "--id", id.to_string());
    set(&mut plan.arguments, "--data", &plan.data);
    plan.arguments.retain(|argument| argument != "--join");
    plan.arguments.push("--join".into());
    plan
}

/// What a node listens on.
pub fn listens_on(plan: &NodePlan) -> Option<SocketAddr> {
    let position = plan.arguments.iter().position(|argument| argument == "--listen")?;
    plan.arguments.get(position + 1)?.to_str()?.parse().ok()
}

/// Whether the folder of a node that kept what nobody else can give it back is empty: its disk was
/// lost. What to do about that.
pub fn is_wiped(made: Made, plan: &NodePlan, folder: &Path) -> Option<String> {
    let (name, replication) = (&plan.name, made.replication);
    let instead = match (plan.role, replication) {
        (Role::Catalog, _) if made.catalogs == 1 => {
            // What cannot be read is said by the node itself.
            return (!has_log(&plan.data).unwrap_or(true)).then(|| {
                format!(
                    "the disk of {name} is empty, and it alone kept the stock\nhint: put a copy of \
                     {} back, or begin a new store in another folder",
                    plan.data.display()
                )
            });
        }
        (Role::Order, Protocol::Naive | Protocol::PrimaryBackup) | (Role::Frontend, _) => {
            return None;
        }
        (Role::Order, Protocol::Raft) => format!("toystore node replace {name}"),
        (Role::Order, Protocol::Paxos) | (Role::Catalog, _) => format!(
            "stop the store, and `toystore migrate --data {} --replication {replication}` gives \
             every replica what was decided",
            folder.display()
        ),
    };
    (!plan.data.join(REPLICATION_FILE).exists()).then(|| {
        format!(
            "the disk of {name} is empty, and it voted: without what it promised it must not come \
             back as the one that it was\nhint: {instead}"
        )
    })
}

/// Whether enough of each group are there to go on without those that are missing.
///
/// # Errors
/// If not: says who is missing, and what helps.
pub fn check_enough(made: Made, all: &[NodePlan], missing: &BTreeSet<String>) -> Result<()> {
    for role in [Role::Catalog, Role::Order] {
        let by_majority = role == Role::Catalog || made.replication.is_quorum();
        let too_few = |group: &[&NodePlan]| {
            let lost = group.iter().filter(|plan| missing.contains(&plan.name)).count();
            lost == group.len() || by_majority && lost * 2 >= group.len()
        };
        let group: Vec<&NodePlan> = all.iter().filter(|plan| plan.role == role).collect();
        // Whether a newcomer votes already, only the others know.
        let older: Vec<&NodePlan> = group.iter().copied().filter(|plan| !joins(plan)).collect();
        if too_few(&group) && too_few(&older) {
            let names = group.iter().map(|plan| plan.name.as_str());
            let names: Vec<&str> = names.filter(|name| missing.contains(*name)).collect();
            bail!(
                "without {} the store cannot go on: nobody else knows everything that was \
                 acknowledged\nhint: put copies of their folders back, as they were; or begin a \
                 new store in another folder",
                names.join(" and ")
            );
        }
    }
    Ok(())
}

fn set(arguments: &mut [OsString], flag: &str, value: impl Into<OsString>) {
    let position = arguments.iter().position(|argument| argument == flag);
    if let Some(place) = position.and_then(|position| arguments.get_mut(position + 1)) {
        *place = value.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(name: &str, role: Role, url: &str) -> NodePlan {
        let arguments = ["order", "--listen", "127.0.0.1:1", "--id", "1", "--orders", "all"];
        NodePlan {
            name: name.to_string(),
            role,
            url: url.to_string(),
            seed_url: None,
            data: format!("/data/{name}").into(),
            arguments: arguments.map(OsString::from).to_vec(),
        }
    }

    #[test]
    fn a_later_start_has_the_members_of_then_and_they_know_each_other() {
        let mut members = Members::first(3);
        members.join(4);
        members.leave(2);
        let all = (1..=4).map(|id| plan(&format!("order-{id}"), Role::Order, &format!("u{id}")));
        let plans = all.chain([plan("frontend-1", Role::Frontend, "f")]).collect();
        let plans = members.fit(plans);
        let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
        assert_eq!(names, ["order-1", "order-3", "order-4", "frontend-1"]);
        for plan in &plans {
            assert_eq!(plan.arguments[6], "1=u1,3=u3,4=u4");
            assert_eq!(joins(plan), plan.name == "order-4");
        }
    }

    #[test]
    fn too_many_missing_disks_end_it_and_fewer_do_not() {
        let check = |protocol, count: u8, joined: &[u8], missing: &[u8]| {
            let name = |id: &u8| format!("order-{id}");
            let all = (1..=count).map(|id| plan(&name(&id), Role::Order, "u"));
            let mut all: Vec<NodePlan> = all.chain([plan("catalog", Role::Catalog, "c")]).collect();
            for plan in all.iter_mut().filter(|plan| joined.contains(&number(plan).unwrap_or(0))) {
                plan.arguments.push("--join".into());
            }
            let missing = missing.iter().map(name).collect();
            check_enough(Made::new(protocol, count, 1), &all, &missing)
                .map_err(|why| why.to_string())
        };
        assert_eq!(check(Protocol::Raft, 3, &[], &[2]), Ok(()));
        let why = check(Protocol::Raft, 3, &[], &[2, 3]).unwrap_err();
        assert!(why.contains("without order-2 and order-3 the store cannot go on"), "{why}");
        assert!(check(Protocol::Paxos, 4, &[], &[2, 3]).is_err());
        // The fourth may not vote yet.
        assert_eq!(check(Protocol::Raft, 4, &[4], &[2, 4]), Ok(()));
        assert!(check(Protocol::Raft, 4, &[4], &[1, 2]).is_err());
        assert_eq!(check(Protocol::PrimaryBackup, 3, &[], &[2, 3]), Ok(()));
        assert!(check(Protocol::PrimaryBackup, 3, &[], &[1, 2, 3]).is_err());
    }

    #[test]
    fn a_newcomer_has_its_own_id_address_and_folder() {
        let address = "127.0.0.1:9".parse().unwrap();
        let new = newcomer(&plan("order-1", Role::Order, "u1"), 4, address);
        assert_eq!((new.name.as_str(), new.url.as_str()), ("order-4", "http://127.0.0.1:9"));
        assert_eq!(new.data, Path::new("/data/order-4"));
        assert_eq!(listens_on(&new), Some(address));
        assert_eq!(new.arguments[4], "4");
    }
}
