//! What `PUT /faults` takes and answers: the complete set of faults in force, in JSON.
//!
//! Pure. A wrong set is refused whole, with the place of what is wrong and what was expected.
//! Called by [`super::Faults`].

use std::collections::BTreeMap;

use replication::NodeId;
use serde::{Deserialize, Serialize};
use shop::node::Address;

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
    /// The other node: `catalog`, `order-2`, `frontend-1`.
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
    let mut edges = BTreeMap::new();
    for (place, edge) in set.edges.into_iter().enumerate() {
        let wrong = |field: &str, why: String| expected(format!("edges[{place}].{field}: {why}"));
        let to = destination(&edge.to, me, known).map_err(|why| wrong("to", why))?;
        if let Some((field, why)) = edge.out_of_range() {
            return Err(wrong(field, why));
        }
        let edge = EdgeFaults { to: node_name(to), ..edge };
        if edges.insert(to, edge).is_some() {
            let why = format!("{} is named twice: one edge has all its faults", node_name(to));
            return Err(wrong("to", why));
        }
    }
    edges.retain(|_, edge| edge.is_fault());
    Ok((set.seed, edges))
}

/// A node by name. The replicas of the order service are fixed from the start, at the nodes that
/// know them; a frontend may come at any time.
fn destination(name: &str, me: Address, known: &[Address]) -> Result<Address, String> {
    let is_order = |address: &&Address| matches!(address, Address::Order(_));
    let orders: Vec<&Address> = known.iter().filter(is_order).collect();
    let there = |to: &Address| !is_order(&to) || orders.is_empty() || known.contains(to);
    match node_named(name) {
        Some(to) if to == me => Err(format!("{name} is this node itself: name another one")),
        Some(to) if there(&to) => Ok(to),
        Some(_) | None => {
            let orders = match orders.is_empty() {
                true => format!("order-1 to order-{}", NodeId::MAX),
                false => orders.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            };
            Err(format!("there is no node {name:?}: catalog, {orders}, frontend-1 to frontend-255"))
        }
    }
}

/// A node's name, as people write it.
pub fn node_name(node: Address) -> String {
    match node {
        // There is one; its number is of no interest to anybody.
        Address::Catalog(NodeId(1)) => "catalog".to_string(),
        node => node.to_string(),
    }
}

/// The node of a name, `catalog-1` and `catalog` being the same one.
pub fn node_named(name: &str) -> Option<Address> {
    if matches!(name, "catalog" | "catalog-1") {
        return Some(Address::Catalog(NodeId(1)));
    }
    let (role, number) = name.split_once('-')?;
    // `+1` and `01` would be read by parse().
    if number.starts_with(['0', '+']) {
        return None;
    }
    match (role, number.parse::<u8>().ok()?) {
        ("frontend", number) => Some(Address::Frontend(number)),
        ("order", number @ 1..=NodeId::MAX) => Some(Address::Order(NodeId(number))),
        _ => None,
    }
}
