//! Which address each node listens on, and who sits on one that is taken.
//!
//! A node that comes back must come back where it was, so addresses are chosen by the parent and
//! told to the children. Called by [`super::layout`] and at the start of `up`.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};

use super::folder::Made;
use super::layout::catalog_name;

/// Free ports are looked for from here on, below the range from which the kernel takes the source
/// ports of outgoing connections: a port of that range could be gone when its node comes back, or,
/// worse, a node's connection attempt to its dead neighbour could connect to itself.
const FREE_PORTS_FROM: u16 = 10_000;

/// Where the kernel's range begins if it does not say.
const EPHEMERAL_FROM_DEFAULT: u16 = 32_768;

/// How many addresses are tried before there are said to be no free ones.
const TRIES_MAX: u32 = 10_000;

/// Every address of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Frontend 1, 2, …
    pub frontends: Vec<SocketAddr>,
    /// The original project's dialect, at frontend 1.
    pub seed: Option<SocketAddr>,
    /// Catalog 1, 2, …
    pub catalogs: Vec<SocketAddr>,
    /// Order replica 1, 2, …
    pub orders: Vec<SocketAddr>,
}

/// What the operator asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Frontend 1; the others take the next free numbers.
    pub listen: SocketAddr,
    /// The original project's dialect.
    pub seed_listen: Option<SocketAddr>,
    /// Catalog 1; the others take the next numbers.
    pub catalog_listen: SocketAddr,
    /// Order replica 1; the others take the next numbers.
    pub orders_listen: SocketAddr,
}

impl Wanted {
    /// This machine only, wherever there is room: with [`Ports::free`] only the host counts.
    pub fn loopback() -> Wanted {
        let any = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
        Wanted { listen: any, seed_listen: None, catalog_listen: any, orders_listen: any }
    }

    /// Whether this machine alone reaches every node.
    pub fn is_loopback(&self) -> bool {
        let others = [self.listen, self.catalog_listen, self.orders_listen];
        others.iter().chain(&self.seed_listen).all(|address| address.ip().is_loopback())
    }
}

/// How many nodes there are of the roles that a store does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Order replicas.
    pub orders: u8,
    /// Catalogs.
    pub catalogs: u8,
}

impl From<Made> for Counts {
    fn from(made: Made) -> Counts {
        Counts { orders: made.orders, catalogs: made.catalogs }
    }
}

/// One address, whose it is to be, and the flag that changes it.
pub struct Claim {
    /// The node.
    pub name: String,
    /// Its address.
    pub address: SocketAddr,
    /// The flag of `up`.
    pub flag: &'static str,
}

impl Ports {
    /// The addresses that the flags name.
    ///
    /// # Errors
    /// If a number runs over 65535, or two flags give one address to two nodes.
    pub fn fixed(wanted: Wanted, frontends: u8, count: Counts) -> Result<Ports> {
        let orders = numbered(wanted.orders_listen, count.orders)
            .context("--orders-listen leaves no numbers for all replicas")?;
        let catalogs = numbered(wanted.catalog_listen, count.catalogs)
            .context("--catalog-listen leaves no numbers for all replicas")?;
        let mut taken = BTreeSet::from([wanted.listen.port()]);
        taken.extend(wanted.seed_listen.map(|seed| seed.port()));
        taken.extend(orders.iter().chain(&catalogs).map(SocketAddr::port));
        let mut fronts = vec![wanted.listen];
        let mut port = wanted.listen.port();
        while fronts.len() < usize::from(frontends) {
            port = port.checked_add(1).context("--listen leaves no numbers for all frontends")?;
            if !taken.contains(&port) {
                fronts.push(SocketAddr::new(wanted.listen.ip(), port));
            }
        }
        let ports = Ports { frontends: fronts, seed: wanted.seed_listen, catalogs, orders };
        ports.check_distinct()?;
        Ok(ports)
    }

    /// Two nodes on one address would take each other for someone else.
    fn check_distinct(&self) -> Result<()> {
        let claims = self.claims();
        for (place, Claim { name, address, flag }) in claims.iter().enumerate() {
            if address.port() == 0 {
                bail!(
                    "{name} cannot be reached on port 0\n\
                     hint: --ports auto takes free ones for all nodes"
                );
            }
            let meets = |other: &&Claim| {
                let (ip, other_ip) = (address.ip(), other.address.ip());
                let everywhere = ip.is_unspecified() || other_ip.is_unspecified();
                other.address.port() == address.port() && (ip == other_ip || everywhere)
            };
            if let Some(other) = claims[..place].iter().find(meets) {
                let (port, first, other_flag) = (address.port(), &other.name, other.flag);
                bail!(
                    "port {port} is given to {first} and to {name}\n\
                     hint: {other_flag} or {flag} changes that"
                );
            }
        }
        Ok(())
    }

    /// Addresses that are free now. Someone else may take one before its node does: the caller
    /// looks again then.
    ///
    /// # Errors
    /// If none is free.
    pub fn free(wanted: Wanted, frontends: u8, count: Counts, draw: u32) -> Result<Ports> {
        // All are held until all are found, so that none is given twice.
        let mut held = vec![];
        let mut next = draw;
        let mut take = |ip: IpAddr| -> Result<SocketAddr> {
            let (address, listener) = free_port(ip, &mut next)?;
            held.push(listener);
            Ok(address)
        };
        let mut all = |number: u8, ip: IpAddr| -> Result<Vec<SocketAddr>> {
            (0..number).map(|_| take(ip)).collect()
        };
        let frontends = all(frontends, wanted.listen.ip())?;
        let catalogs = all(count.catalogs, wanted.catalog_listen.ip())?;
        let orders = all(count.orders, wanted.orders_listen.ip())?;
        let seed = wanted.seed_listen.map(|seed| take(seed.ip())).transpose()?;
        Ok(Ports { frontends, seed, catalogs, orders })
    }

    /// Every address with the flag that changes it.
    pub fn claims(&self) -> Vec<Claim> {
        let claim = |name: String, address: SocketAddr, flag| Claim { name, address, flag };
        let mut claims = vec![];
        for (number, address) in (1..).zip(&self.frontends) {
            claims.push(claim(format!("frontend-{number}"), *address, "--listen"));
        }
        if let Some(seed) = self.seed {
            claims.push(claim("frontend-1 (seed dialect)".into(), seed, "--seed-listen"));
        }
        for (number, address) in (1..).zip(&self.catalogs) {
            let name = catalog_name(number, self.catalogs.len());
            claims.push(claim(name, *address, "--catalog-listen"));
        }
        for (number, address) in (1..).zip(&self.orders) {
            claims.push(claim(format!("order-{number}"), *address, "--orders-listen"));
        }
        claims
    }

    /// Whether a stranger listens on one of these ports: someone was quicker.
    pub fn taken_by_another(&self, ours: &[u32]) -> bool {
        let holders = self.claims().into_iter().filter_map(|claim| holder(claim.address.port()));
        holders.into_iter().any(|holder| !ours.contains(&holder.pid))
    }

    /// # Errors
    /// Says which address is taken, by whom if that can be seen, and what to do.
    pub fn check_free(&self) -> Result<()> {
        for Claim { name, address, flag } in self.claims() {
            let Err(error) = TcpListener::bind(address) else { continue };
            if error.kind() != ErrorKind::AddrInUse {
                bail!("{name} cannot listen on {address}: {error}\nhint: {flag} changes it");
            }
            let by = match holder(address.port()) {
                Some(holder) => format!("by {} (pid {})", holder.name, holder.pid),
                None => "by a process that cannot be seen from here".to_string(),
            };
            bail!(
                "port {} for {name} is in use {by}\n\
                 hint: {flag} HOST:PORT changes it; --ports auto takes free ones for all nodes",
                address.port()
            );
        }
        Ok(())
    }
}

/// So many addresses, with the numbers from that of the first one on; none, if they run out.
fn numbered(first: SocketAddr, count: u8) -> Option<Vec<SocketAddr>> {
    let address = |number: u8| {
        let port = first.port().checked_add(u16::from(number))?;
        Some(SocketAddr::new(first.ip(), port))
    };
    (0..count).map(address).collect()
}

/// An address that is free now, and what holds it; `next` counts the places that were looked at.
///
/// # Errors
/// If none is free.
pub fn free_port(ip: IpAddr, next: &mut u32) -> Result<(SocketAddr, TcpListener)> {
    for _ in 0..TRIES_MAX {
        let address = SocketAddr::new(ip, candidate(*next));
        *next = next.wrapping_add(1);
        if let Ok(listener) = TcpListener::bind(address) {
            return Ok((address, listener));
        }
    }
    bail!("found no free port on {ip} from {FREE_PORTS_FROM} on");
}

/// The `number`th port of the range that is drawn from.
fn candidate(number: u32) -> u16 {
    let end = ephemeral_from().max(FREE_PORTS_FROM + 1);
    let span = u32::from(end - FREE_PORTS_FROM);
    FREE_PORTS_FROM + u16::try_from(number % span).expect("the span is at most 55535")
}

fn ephemeral_from() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or(EPHEMERAL_FROM_DEFAULT)
}

/// How a node on this machine is reached: a listener on every address is reached on loopback.
pub fn reached_at(listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        ip if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, listen.port())),
        _ => listen,
    }
}

/// A process that listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// Its command's name.
    pub name: String,
}

/// Who listens on a TCP port of this machine; absent where /proc does not tell (other users'
/// processes, other systems).
pub fn holder(port: u16) -> Option<Holder> {
    let inodes = listening_inodes(port);
    let links: BTreeSet<String> = inodes.iter().map(|i| format!("socket:[{i}]")).collect();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(open_files) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds = open_files.flatten().any(|file| {
            fs::read_link(file.path()).is_ok_and(|to| links.contains(&*to.to_string_lossy()))
        });
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            return Some(Holder { pid, name: name.trim().to_string() });
        }
    }
    None
}

/// The socket inodes in state LISTEN on a port, from the kernel's tables.
fn listening_inodes(port: u16) -> BTreeSet<String> {
    /// The state's number in those tables.
    const LISTEN: &str = "0A";
    let mut inodes = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else { continue };
            let listens = local
                .rsplit_once(':')
                .and_then(|(_, hex)| u16::from_str_radix(hex, 16).ok())
                .is_some_and(|number| number == port);
            if listens && state == LISTEN {
                inodes.insert(inode.to_string());
            }
        }
    }
    inodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            listen: "127.0.0.1:8080".parse().unwrap(),
            seed_listen: Some("127.0.0.1:8003".parse().unwrap()),
            catalog_listen: "127.0.0.1:8081".parse().unwrap(),
            orders_listen: "127.0.0.1:8091".parse().unwrap(),
        }
    }

    fn counts(orders: u8, catalogs: u8) -> Counts {
        Counts { orders, catalogs }
    }

    #[test]
    fn further_frontends_take_the_next_numbers_that_nobody_else_has() {
        let ports = Ports::fixed(wanted(), 3, counts(3, 1)).unwrap();
        let numbers: Vec<u16> = ports.claims().iter().map(|c| c.address.port()).collect();
        assert_eq!(numbers, [8080, 8082, 8083, 8003, 8081, 8091, 8092, 8093]);

        let ports = Ports::fixed(wanted(), 3, counts(3, 3)).unwrap();
        let claims = ports.claims().into_iter();
        let claims: Vec<String> = claims.map(|c| format!("{} {}", c.name, c.address)).collect();
        let catalogs = ["catalog-1 127.0.0.1:8081", "catalog-2 127.0.0.1:8082"];
        assert_eq!(claims[1], "frontend-2 127.0.0.1:8084");
        assert_eq!(claims[4..6], catalogs);
        let all = Ports::fixed(wanted(), 9, counts(9, 9)).unwrap();
        assert_eq!(all.claims().len(), 28, "of everything the most is possible");
    }

    #[test]
    fn a_store_is_on_loopback_if_all_its_nodes_are() {
        let check = |change: fn(&mut Wanted), expected| {
            let mut wanted = wanted();
            change(&mut wanted);
            assert_eq!(wanted.is_loopback(), expected, "{wanted:?}");
        };
        check(|_| {}, true);
        check(|w| w.listen = "[::1]:8080".parse().unwrap(), true);
        check(|w| w.seed_listen = None, true);
        check(|w| w.listen = "0.0.0.0:8080".parse().unwrap(), false);
        check(|w| w.seed_listen = Some("192.0.2.1:8003".parse().unwrap()), false);
        check(|w| w.catalog_listen = "[::]:8081".parse().unwrap(), false);
        check(|w| w.orders_listen = "192.0.2.1:8091".parse().unwrap(), false);
    }

    #[test]
    fn a_number_past_the_last_port_is_refused() {
        let mut wanted = wanted();
        wanted.orders_listen.set_port(65_534);
        let error = Ports::fixed(wanted, 1, counts(3, 1)).unwrap_err().to_string();
        assert!(error.contains("--orders-listen"), "{error}");
    }

    #[test]
    fn one_address_for_two_nodes_is_refused_with_both_flags() {
        let check = |change: fn(&mut Wanted), parts: &[&str]| {
            let mut wanted = wanted();
            change(&mut wanted);
            let error = Ports::fixed(wanted, 1, counts(3, 1)).unwrap_err().to_string();
            for part in parts {
                assert!(error.contains(part), "{part:?} is not in {error}");
            }
        };
        check(|w| w.seed_listen = Some(w.listen), &["8080", "--listen or --seed-listen"]);
        check(|w| w.catalog_listen.set_port(8092), &["catalog and to order-2", "--orders-listen"]);
        check(|w| w.orders_listen = "0.0.0.0:8079".parse().unwrap(), &["8080", "order-2"]);
        check(|w| w.catalog_listen.set_port(0), &["catalog", "port 0", "--ports auto"]);
    }

    #[test]
    fn free_ports_are_different_and_outside_the_range_of_outgoing_connections() {
        let ports = Ports::free(wanted(), 3, counts(9, 3), 7).unwrap();
        let numbers: BTreeSet<u16> = ports.claims().iter().map(|c| c.address.port()).collect();
        assert_eq!(numbers.len(), 16);
        assert!(numbers.iter().all(|port| *port < ephemeral_from()), "{numbers:?}");
        ports.check_free().unwrap();
    }

    #[test]
    fn a_port_in_use_is_reported_with_its_holder_and_the_flag_that_changes_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut wanted = wanted();
        wanted.listen = listener.local_addr().unwrap();
        let ports = Ports {
            frontends: vec![wanted.listen],
            ..Ports::free(wanted, 0, counts(1, 1), 3).unwrap()
        };
        let message = ports.check_free().unwrap_err().to_string();
        let pid = std::process::id();
        assert!(message.contains(&format!("(pid {pid})")), "{message}");
        assert!(message.contains("--listen"), "{message}");
    }
}
