//! What the nodes of a store are called: `order-2`, `frontend-1`, and `catalog` where there is one,
//! `catalog-1` and so on where it has replicas.
//!
//! Pure. Every node knows all replicas of the catalog from its start, so each can say which of the
//! two it is. Called by [`super::Peers`], [`super::faults`] and whoever writes a name.

use replication::NodeId;
use shop::node::Address;

/// How many catalogs there are to be told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names {
    several_catalogs: bool,
}

impl Names {
    /// Those of a store in which `me` knows these others.
    pub fn of<'a>(me: Address, known: impl IntoIterator<Item = &'a Address>) -> Names {
        let all = known.into_iter().copied().filter(|node| *node != me).chain([me]);
        let catalogs = all.filter(|node| matches!(node, Address::Catalog(_))).count();
        Names { several_catalogs: catalogs > 1 }
    }

    /// A node's name, as people write it.
    pub fn name(self, node: Address) -> String {
        match node {
            // There is one; its number is of no interest to anybody.
            Address::Catalog(NodeId(1)) if !self.several_catalogs => "catalog".to_string(),
            node => node.to_string(),
        }
    }

    /// The node of a name; where there is one catalog, `catalog-1` is `catalog` too.
    pub fn node(self, name: &str) -> Option<Address> {
        if name == "catalog" {
            return (!self.several_catalogs).then_some(Address::Catalog(NodeId(1)));
        }
        let (role, number) = name.split_once('-')?;
        // `+1` and `01` would be read by parse().
        if number.starts_with(['0', '+']) {
            return None;
        }
        match (role, number.parse::<u8>().ok()?) {
            ("frontend", number) => Some(Address::Frontend(number)),
            ("order", number @ 1..=NodeId::MAX) => Some(Address::Order(NodeId(number))),
            ("catalog", number @ 1..=NodeId::MAX) => Some(Address::Catalog(NodeId(number))),
            _ => None,
        }
    }
}

/// Another replica of the same service as `me`; a frontend has none.
pub fn replica(me: Address, id: NodeId) -> Option<Address> {
    match me {
        Address::Order(_) => Some(Address::Order(id)),
        Address::Catalog(_) => Some(Address::Catalog(id)),
        Address::Frontend(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: Address = Address::Order(NodeId(3));
    const ONE: Address = Address::Catalog(NodeId(1));
    const TWO: Address = Address::Catalog(NodeId(2));

    #[test]
    fn a_catalog_has_a_number_where_there_are_several() {
        let check = |me, known: &[Address], expected: &str| {
            let names = Names::of(me, known);
            assert_eq!(names.name(ONE), expected, "{me} {known:?}");
            assert_eq!(names.node(expected), Some(ONE));
            assert_eq!(names.node("catalog").is_some(), expected == "catalog");
            assert_eq!(names.node("catalog-1"), Some(ONE));
        };
        check(ORDER, &[ONE], "catalog");
        check(ONE, &[], "catalog");
        check(ONE, &[ONE, Address::Frontend(1)], "catalog");
        check(ONE, &[TWO], "catalog-1");
        check(ORDER, &[ONE, TWO], "catalog-1");
        check(Address::Frontend(1), &[ORDER, ONE, TWO], "catalog-1");
    }
}
