//! What `PUT /faults` takes and answers: the complete set of faults in force, in JSON.
//!
//! Pure. The request of whoever wants it is made here too. A wrong set is refused whole, with the
//! place of what is wrong and what was expected.
//! Called by [`super::Faults`].

use std::collections::BTreeMap;

use hyper::Method;
use replication::NodeId;
use serde::{Deserialize, Serialize};
use shop::node::Address;

use crate::http::connection::Ask;
use crate::peer::names::Names;

/// The longest delay and the widest jitter, in milliseconds each: longer than any deadline between
/// nodes (8 s), so that everything can be late, and short enough that few things wait at once.
pub const DELAY_MS_MAX: u64 = 10_000;

/// Shown with every error: a body that is right.
const EXAMPLE: &str = concat!(
    r#"{"seed":1,"edges":[{"to":"order-2","cut":true},"#,
    r#"{"to":"catalog","delay_ms":50,"jitter_ms":20,"loss":0.1,"duplicate":0.1}]}; {} heals"#,
);

/// All faults of what one node sends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultSet {
    /// Fixes every draw; 0 if it is not given.
    pub seed: u64,
    /// One for each node that is not reached as it should be, in the order of their roles and
    /// numbers; none heals everything.
    pub edges: Vec<EdgeFaults>,
}

/// The faults of everything that a node sends to one other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeFaults {
    /// The other node: `catalog`, `catalog-2`, `order-2`, `frontend-1`.
    pub to: String,
    /// Nothing arrives. The other faults do not matter then.
    #[serde(default)]
    pub cut: bool,
    /// Everything arrives so many milliseconds late, 0 to [`DELAY_MS_MAX`].
    #[serde(default)]
    pub delay_ms: u64,
    /// And up to so many more, drawn anew each time, 0 to [`DELAY_MS_MAX`].
    #[serde(default)]
    pub jitter_ms: u64,
    /// How likely a message, a request or an answer is lost, 0 to 1.
    #[serde(default)]
    pub loss: f64,
    /// How likely a message or a request arrives twice, 0 to 1.
    #[serde(default)]
    pub duplicate: f64,
}

impl FaultSet {
    /// The request that puts it in force at a node, with the cluster's token.
    pub fn request(&self, token: &str) -> Ask {
        let body = serde_json::to_vec(self).expect("numbers and names");
        let (method, path) = (Method::PUT, "/faults".to_string());
        let ask = Ask { method, path, body: body.into(), ..Ask::default() };
        ask.with("authorization", format!("Bearer {token}"))
    }
}

impl EdgeFaults {
    /// Whether it does anything.
    fn is_fault(&self) -> bool {
        self.cut
            || self.delay_ms > 0
            || self.jitter_ms > 0
            || self.loss > 0.0
            || self.duplicate > 0.0
    }

    /// What is out of its range: field and reason.
    fn out_of_range(&self) -> Option<(&'static str, String)> {
        for (field, value) in [("delay_ms", self.delay_ms), ("jitter_ms", self.jitter_ms)] {
            if value > DELAY_MS_MAX {
                return Some((field, format!("{value} is too long: at most {DELAY_MS_MAX}")));
            }
        }
        for (field, value) in [("loss", self.loss), ("duplicate", self.duplicate)] {
            if !(0.0..=1.0).contains(&value) {
                return Some((field, format!("{value} is no probability: expected 0 to 1")));
            }
        }
        None
    }
}

/// The faults that a body asks for, by destination. No body at all heals, as `{}` does.
///
/// `me` is who is asked; `known` are the other nodes that it knows.
///
/// # Errors
/// If it is no such JSON, names a node twice, itself, or one that there is not, or a value is out
/// of its range.
pub fn read(
    body: &[u8],
    me: Address,
    known: &[Address],
) -> Result<(u64, BTreeMap<Address, EdgeFaults>), String> {
    let expected = |what: String| format!("{what}; expected such as {EXAMPLE}");
    if body.is_empty() {
        return Ok((0, BTreeMap::new()));
    }
    // serde would read the fields of an array in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(expected("the faults are not an object".to_string()));
    }
    let set: FaultSet = serde_json::from_slice(body)
        .map_err(|error| expected(format!("the faults are not understood: {error}")))?;
    let names = Names::of(me, known);
    let mut edges = BTreeMap::new();
    for (place, edge) in set.edges.into_iter().enumerate() {
        let wrong = |field: &str, why: String| expected(format!("edges[{place}].{field}: {why}"));
        let to = destination(&edge.to, me, known).map_err(|why| wrong("to", why))?;
        if let Some((field, why)) = edge.out_of_range() {
            return Err(wrong(field, why));
        }
        let name = names.name(to);
        let edge = EdgeFaults { to: name.clone(), ..edge };
        if edges.insert(to, edge).is_some() {
            let why = format!("{name} is named twice: one edge has all its faults");
            return Err(wrong("to", why));
        }
    }
    edges.retain(|_, edge| edge.is_fault());
    Ok((set.seed, edges))
}

/// A node by name. A replica must be one that this node knows, if it knows any; a frontend may come
/// at any time.
fn destination(name: &str, me: Address, known: &[Address]) -> Result<Address, String> {
    let names = Names::of(me, known);
    let of_role =
        |is: fn(&Address) -> bool| -> Vec<Address> { known.iter().copied().filter(is).collect() };
    let orders = of_role(|address| matches!(address, Address::Order(_)));
    let catalogs = of_role(|address| matches!(address, Address::Catalog(_)));
    let there = |to: Address| match to {
        Address::Order(_) => orders.is_empty() || orders.contains(&to),
        Address::Catalog(_) => catalogs.contains(&to),
        Address::Frontend(_) => true,
    };
    match names.node(name) {
        Some(to) if to == me => Err(format!("{name} is this node itself: name another one")),
        Some(to) if there(to) => Ok(to),
        Some(_) | None => {
            let words = |nodes: &[Address]| nodes.iter().map(|node| names.name(*node)).collect();
            let mut all: Vec<String> = words(&catalogs);
            match orders.is_empty() {
                true => all.push(format!("order-1 to order-{}", NodeId::MAX)),
                false => all.extend::<Vec<String>>(words(&orders)),
            }
            let all = all.join(", ");
            Err(format!("there is no node {name:?}: {all}, frontend-1 to frontend-255"))
        }
    }
}
