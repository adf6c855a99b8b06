//! The bug zoo on real processes: each test is named after a fault of `docs/bug-zoo.md` and would
//! fail if we had it.
//!
//! Here stand those that are a matter of processes, disks and timing; for the others, golden
//! scripts and seeded worlds show more. `docs/bug-zoo.md` names both.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::exchange::{self, Connection, Said};
use crate::load::{Acknowledged, Clients, Shoppers};
use crate::sound::{assert_sound, digest, order_log, toys, wait_until_quiet};
use crate::store::{PRIMARY_BACKUP, Store, signal, term};
use crate::waiting::{wait_for, watch_for};

/// Orders at a frontend and expects that it is recorded.
fn buy(url: &str, key: &str, toy: &str, quantity: u64) -> Acknowledged {
    let said = exchange::order(url, key, toy, quantity).unwrap();
    Acknowledged::by(&said, key, toy, quantity)
}

/// The same, again and again until it is.
fn buy_in_the_end(url: &str, key: &str, toy: &str, quantity: u64) -> Acknowledged {
    let said = wait_for(&format!("{key} is recorded"), || {
        exchange::order(url, key, toy, quantity).ok().filter(|said| said.status == 200)
    });
    Acknowledged::by(&said, key, toy, quantity)
}

/// How many of a toy there are, as the catalog has it.
fn in_stock(store: &Store, toy: &str) -> u64 {
    let toys = toys(&store.status("catalog").unwrap());
    toys.iter().find(|known| known["name"] == toy).unwrap()["in_stock"].as_u64().unwrap()
}

/// While both followers hang, nobody else has the order: it may be acknowledged only when neither
/// of them can lead any more.
#[test]
fn ack_before_replicate() {
    let mut store = Store::start(&PRIMARY_BACKUP);
    let url = store.frontend();
    let first = buy(&url, "all-have-it", "Rocket", 1);
    let leader = store.leader();
    let followers: Vec<String> =
        store.names("order").into_iter().filter(|name| *name != leader).collect();
    followers.iter().for_each(|name| store.pause(name));
    let second = buy(&url, "only-the-leader-has-it", "Rocket", 1);
    let alone = store.in_sync();
    assert_eq!(alone.len(), 1, "acknowledged while {alone:?} could lead");
    store.kill(&leader);
    followers.iter().for_each(|name| store.resume(name));
    let lost = format!("/orders/{}", second.number);
    watch_for(Duration::from_secs(1), || {
        assert_eq!(store.leader_now(), None, "a replica leads that lacks an order");
    });
    store.start_node(&leader);
    store.wait_for_view(&[1, 2, 3]);
    assert_eq!(exchange::get(&url, &lost).unwrap().status, 200);
    assert_sound(&store, &Clients::of(vec![first, second]));
}

/// What was not synced is lost with its process here, and everything dies at the moment of the
/// acknowledgement.
#[test]
fn no_fsync() {
    power_cut_at_the_acknowledgement(20);
}

/// The same with a single order: no later sync covers it by chance.
#[test]
fn memory_ack() {
    power_cut_at_the_acknowledgement(1);
}

fn power_cut_at_the_acknowledgement(orders: u64) {
    let mut store = Store::start(&["--shadow-disk"]);
    let mut all = vec![];
    let mut connection = Connection::open(&store.frontend()).unwrap();
    for number in 0..orders {
        let key = format!("order-{number}");
        let said = connection.order(&key, "Rocket", 1).unwrap();
        all.push(Acknowledged::by(&said, &key, "Rocket", 1));
    }
    store.kill_everything();
    store.up();
    let next = buy(&store.frontend(), "afterwards", "Rocket", 1);
    assert_eq!(next.number, orders);
    all.push(next);
    assert_sound(&store, &Clients::of(all));
}

/// A replica that has just caught up, is promoted, and counts on from there.
#[test]
fn number_reuse() {
    let mut store = Store::start(&PRIMARY_BACKUP);
    let url = store.frontend();
    let mut all: Vec<Acknowledged> = vec![];
    for round in 0..3 {
        let leader = store.leader();
        let away = store.names("order").into_iter().find(|name| *name != leader).unwrap();
        store.kill(&away);
        all.extend((0..10).map(|n| buy_in_the_end(&url, &format!("{round}-{n}"), "Rocket", 1)));
        store.start_node(&away);
        store.wait_for_view(&[1, 2, 3]);
        // Of two that could lead only this one is left.
        let others: Vec<String> =
            store.names("order").into_iter().filter(|name| *name != away).collect();
        others.iter().for_each(|name| store.kill(name));
        let next = buy_in_the_end(&url, &format!("{round}-promoted"), "Rocket", 1);
        assert_eq!(next.number, all.len() as u64, "number of the first order of {away}");
        all.push(next);
        others.iter().for_each(|name| store.start_node(name));
        store.wait_for_view(&[1, 2, 3]);
    }
    assert_sound(&store, &Clients::of(all));
}

/// The replica that returns and the leader that it asks are both new processes.
#[test]
fn catch_up_by_index() {
    let mut store = Store::start(&PRIMARY_BACKUP);
    let load = Shoppers::of(&store).load();
    load.wait_for_more(30);
    let leader = store.leader();
    let away = store.names("order").into_iter().find(|name| *name != leader).unwrap();
    store.kill(&away);
    load.wait_for_more(50);
    store.kill(&leader);
    load.wait_for_more(50);
    store.start_node(&leader);
    store.start_node(&away);
    store.wait_for_view(&[1, 2, 3]);
    let clients = load.stop();
    wait_until_quiet(&store);
    assert_eq!(digest(&store, &away), digest(&store, &leader));
    assert_sound(&store, &clients);
}

/// The highest id comes back alone and lacks orders: it may not lead, and says of none of them that
/// there is no such order.
#[test]
fn hole_leads() {
    let mut store = Store::start(&[]);
    let url = store.frontend();
    store.kill("order-3");
    let all: Vec<Acknowledged> =
        (0..10).map(|n| buy_in_the_end(&url, &format!("it-lacks-{n}"), "Rocket", 1)).collect();
    store.kill("order-1");
    store.kill("order-2");
    store.start_node("order-3");
    let asked = Instant::now();
    let said = exchange::get(&url, "/orders/9").unwrap();
    assert_eq!(said.status, 503, "after {:?}: {said:?}", asked.elapsed());
    assert_eq!(store.leader_now(), None);
    store.start_node("order-1");
    store.start_node("order-2");
    store.wait_for_view(&[1, 2, 3]);
    assert_sound(&store, &Clients::of(all));
}

/// The leader dies again and again with purchases at every stage.
#[test]
fn half_purchase() {
    let mut store = Store::start(&[]);
    let load = Shoppers::of(&store).with("--clients", "16").with("--pause", "0ms").load();
    for _ in 0..4 {
        load.wait_for_more(150);
        let leader = store.leader();
        store.kill(&leader);
        store.next_leader(&leader);
        store.start_node(&leader);
        store.wait_for_view(&[1, 2, 3]);
    }
    let clients = load.stop();
    assert!(clients.sum("retried") + clients.sum("orders") > 600, "too quiet to show anything");
    assert_sound(&store, &clients);
}

/// The same request at the same time, at another frontend, after its leader hung, after everything
/// was restarted: one order.
#[test]
fn double_buy() {
    let mut store = Store::start(&["--frontends", "2"]);
    let urls = store.frontends();
    let before = in_stock(&store, "Rocket");
    let at_once: Vec<Acknowledged> = thread::scope(|scope| {
        let buyers = (0..16).map(|n| {
            let url = &urls[n % 2];
            scope.spawn(move || buy(url, "the-same", "Rocket", 2))
        });
        let buyers: Vec<_> = buyers.collect();
        buyers.into_iter().map(|buyer| buyer.join().unwrap()).collect()
    });
    let distinct: BTreeSet<&Acknowledged> = at_once.iter().collect();
    assert_eq!(distinct.len(), 1, "{distinct:?}");
    let first = at_once[0].clone();
    let said = exchange::order(&urls[0], "the-same", "Rocket", 3).unwrap();
    assert_eq!(said.status, 422, "another order under a used key: {said:?}");

    // It hangs while it holds the order: the shopper tries again elsewhere, and it goes on then.
    let leader = store.leader();
    store.pause(&leader);
    let mut impatient = Connection::open(&urls[0]).unwrap();
    let body = json!({"name": "Rocket", "quantity": 2}).to_string();
    impatient.ask("POST", "/orders", &[("Idempotency-Key", "tried-twice")], &body).unwrap();
    let second = buy_in_the_end(&urls[1], "tried-twice", "Rocket", 2);
    store.resume(&leader);
    let answered = impatient.answer().unwrap();
    assert_eq!(Acknowledged::by(&answered, "tried-twice", "Rocket", 2), second);
    store.wait_for_view(&[1, 2, 3]);

    store.kill_everything();
    store.up();
    assert_eq!(buy(&store.frontend(), "the-same", "Rocket", 2), first);
    assert_eq!(buy(&store.frontend(), "tried-twice", "Rocket", 2), second);
    assert_eq!(in_stock(&store, "Rocket"), before - 4);
    assert_sound(&store, &Clients::of(vec![first, second]));
}

/// Readers and a buyer at two frontends. Whatever a reader is shown after an order was acknowledged
/// is not older than that order.
fn nobody_reads_the_past(options: &[&str], toys: &[&str], rounds: u64) {
    let store = Store::start(&[&["--frontends", "2"], options].concat());
    let urls = store.frontends();
    let done = AtomicBool::new(false);
    let newest = AtomicU64::new(0);
    let reads = AtomicU64::new(0);
    let mut all = vec![];
    thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|n| {
                let (url, done, newest, reads) = (&urls[n % 2], &done, &newest, &reads);
                scope.spawn(move || {
                    let mut connection = Connection::open(url).unwrap();
                    let mut seen = 0;
                    while !done.load(Ordering::Relaxed) {
                        for toy in toys {
                            let least = newest.load(Ordering::SeqCst);
                            let said = connection.get(&format!("/products/{toy}")).unwrap();
                            if *toy != toys[0] || said.status != 200 {
                                continue;
                            }
                            let version = said.version();
                            let what = format!("{url} shows version {version}: {said:?}");
                            assert!(version >= least, "{what}; {least} was acknowledged before");
                            assert!(version >= seen, "{what}; {seen} was shown before");
                            seen = version;
                            reads.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        let mut buyer = Connection::open(&urls[1]).unwrap();
        for round in 0..rounds {
            let key = format!("round-{round}");
            let said = buyer.order(&key, toys[0], 1).unwrap();
            let bought = Acknowledged::by(&said, &key, toys[0], 1);
            newest.store(bought.version, Ordering::SeqCst);
            all.push(bought);
            // A reader that failed has said why; no need to go on.
            if readers.iter().any(thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(reads.into_inner() > rounds, "too few reads to show anything");
    let last = all.last().unwrap().version;
    for url in &urls {
        let said = exchange::get(url, &format!("/products/{}", toys[0])).unwrap();
        assert_eq!(said.version(), last, "{said:?}");
    }
    assert_sound(&store, &Clients::of(all));
}

/// Readers always find it in the cache, unless it was just changed. And while a frontend that may
/// answer from its cache does not say that it has dropped it, the order is not acknowledged.
#[test]
fn late_invalidate() {
    nobody_reads_the_past(&[], &["Rocket"], 300);
    assert!(acknowledged_after_while_a_cache_hangs("lease") > Duration::from_secs(1));
    // Where caches are not waited for, the same look convicts: it is able to.
    assert!(acknowledged_after_while_a_cache_hangs("push") < Duration::from_secs(1));
}

fn acknowledged_after_while_a_cache_hangs(mode: &str) -> Duration {
    let mut store = Store::start(&["--frontends", "2", "--invalidation", mode]);
    let urls = store.frontends();
    wait_for("it is in the cache", || {
        let said = exchange::get(&urls[0], "/products/Rocket").unwrap();
        (said.headers["x-cache"] == "hit").then_some(())
    });
    store.pause("frontend-1");
    // Its lease lasts for 1.5 to 2 s from now.
    let began = Instant::now();
    let bought = buy(&urls[1], "while-a-cache-hangs", "Rocket", 1);
    let time = began.elapsed();
    assert!(time < Duration::from_secs(4), "a cache stops the store for one lease only: {time:?}");
    store.resume("frontend-1");
    assert_sound(&store, &Clients::of(vec![bought]));
    time
}

/// Each look is a fill under way: there is room in the cache for one other toy only. And then a
/// fill is answered before a change and arrives together with the invalidation.
#[test]
fn stale_fill() {
    nobody_reads_the_past(&["--cache-capacity", "1"], &["Rocket", "Robot"], 300);

    let store = Store::start(&["--frontends", "2"]);
    let urls = store.frontends();
    let (catalog, frontend) = (store.pid("catalog"), store.pid("frontend-1"));
    let mut all = vec![];
    for round in 0..20 {
        let mut reader = Connection::open(&urls[0]).unwrap();
        reader.get("/health/live").unwrap();
        let key = format!("round-{round}");
        let toy = ["Rocket", "Robot", "Kite"][round % 3];
        // In the catalog's socket lie a fill and, behind it, a take of the same toy.
        drop_from_cache(&store, toy);
        signal(catalog, Signal::STOP);
        reader.ask("GET", &format!("/products/{toy}"), &[], "").unwrap();
        watch_for(Duration::from_millis(20), || {});
        let mut buyer = Connection::open(&urls[1]).unwrap();
        let body = json!({"name": toy, "quantity": 1}).to_string();
        buyer.ask("POST", "/orders", &[("Idempotency-Key", &key)], &body).unwrap();
        watch_for(Duration::from_millis(20), || {});
        // The catalog answers the fill and invalidates, and the frontend finds both at once.
        signal(frontend, Signal::STOP);
        signal(catalog, Signal::CONT);
        watch_for(Duration::from_millis(30), || {});
        signal(frontend, Signal::CONT);
        let bought = Acknowledged::by(&buyer.answer().unwrap(), &key, toy, 1);
        reader.answer().unwrap();
        let said = reader.get(&format!("/products/{toy}")).unwrap();
        assert!(said.version() >= bought.version, "{said:?} after {bought:?}");
        all.push(bought);
    }
    assert_sound(&store, &Clients::of(all));
}

/// So that the next look at frontend 1 is a fill: what the catalog says when a toy changes.
fn drop_from_cache(store: &Store, toy: &str) {
    let token = format!("Bearer {}", store.token());
    let mut connection = Connection::open(&store.frontend()).unwrap();
    connection.ask("DELETE", &format!("/cache/{toy}"), &[("Authorization", &token)], "").unwrap();
    let said = connection.answer().unwrap();
    assert!(said.status < 300, "{said:?}");
}

/// Many want the last hundred at once: exactly a hundred get one.
#[test]
fn oversell() {
    let store = Store::start(&["--frontends", "2", "--restock-interval", "10m"]);
    let urls = store.frontends();
    let answers: Vec<(String, Said)> = thread::scope(|scope| {
        let buyers = (0..16).map(|buyer| {
            let url = &urls[buyer % 2];
            scope.spawn(move || {
                let mut connection = Connection::open(url).unwrap();
                let order = |n| {
                    let key = format!("{buyer}-{n}");
                    let said = connection.order(&key, "Tux", 1).unwrap();
                    (key, said)
                };
                (0..12).map(order).collect::<Vec<_>>()
            })
        });
        let buyers: Vec<_> = buyers.collect();
        buyers.into_iter().flat_map(|buyer| buyer.join().unwrap()).collect()
    });
    let (sold, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(_, said)| said.status == 200);
    assert_eq!(sold.len(), 100);
    for (key, said) in &refused {
        let reason = (said.status, said.json()["error"]["message"].clone());
        assert_eq!(reason, (400, json!("insufficient stock")), "{key}");
    }
    assert_eq!(in_stock(&store, "Tux"), 0);
    let sold = sold.iter().map(|(key, said)| Acknowledged::by(said, key, "Tux", 1)).collect();
    assert_sound(&store, &Clients::of(sold));
}

#[test]
fn negative_quantity() {
    let store = Store::start(&[]);
    let url = store.frontend();
    let before = in_stock(&store, "Rocket");
    let mut connection = Connection::open(&url).unwrap();
    for quantity in
        ["0", "-1", "-0", "1.5", "1e3", "1000001", "18446744073709551617", "\"1\"", "null", "[1]"]
    {
        let body = format!(r#"{{"name":"Rocket","quantity":{quantity}}}"#);
        connection.ask("POST", "/orders", &[("Idempotency-Key", "negative")], &body).unwrap();
        let said = connection.answer().unwrap();
        assert_eq!(said.status, 400, "{quantity}: {said:?}");
    }
    assert_eq!(in_stock(&store, "Rocket"), before);
    assert_eq!(order_log(&store), []);
    // The key was not used up.
    assert_sound(&store, &Clients::of(vec![buy(&url, "negative", "Rocket", 1)]));
}

/// Far more orders at once than any pool has workers, each of which drops an entry of the cache
/// that is just being read.
#[test]
fn pool_deadlock() {
    let store = Store::start(&[]);
    let url = store.frontend();
    let began = Instant::now();
    let all: Vec<Acknowledged> = thread::scope(|scope| {
        let shoppers = (0..64_usize).map(|shopper| {
            let url = &url;
            scope.spawn(move || {
                let mut connection = Connection::open(url).unwrap();
                let round = |n| {
                    let toy = ["Rocket", "Robot", "Kite"][(shopper + n) % 3];
                    let looked = connection.get(&format!("/products/{toy}")).unwrap();
                    assert_eq!(looked.status, 200, "{looked:?}");
                    let key = format!("{shopper}-{n}");
                    let said = connection.order(&key, toy, 1).unwrap();
                    Acknowledged::by(&said, &key, toy, 1)
                };
                (0..8).map(round).collect::<Vec<_>>()
            })
        });
        let shoppers: Vec<_> = shoppers.collect();
        shoppers.into_iter().flat_map(|shopper| shopper.join().unwrap()).collect()
    });
    let time = began.elapsed();
    assert!(time < Duration::from_secs(8), "{} orders took {time:?}", all.len());
    assert_sound(&store, &Clients::of(all));
}

/// A frontend that starts while a replica hangs finds the others; and with a hung catalog every
/// request is answered in time, if only by 503. (For a hung leader and a hung follower see
/// `faults`.)
#[test]
fn hung_not_dead() {
    let mut store = Store::start(&[]);
    let url = store.frontend();
    let mut all = vec![buy(&url, "before", "Rocket", 1)];
    let leader = store.leader();
    store.kill("frontend-1");
    store.pause(&leader);
    store.start_node("frontend-1");
    let began = Instant::now();
    all.push(buy_in_the_end(&url, "while-a-replica-hangs", "Rocket", 1));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    store.resume(&leader);
    store.wait_for_view(&[1, 2, 3]);

    store.pause("catalog");
    let began = Instant::now();
    let said = exchange::get(&url, "/orders/0").unwrap();
    assert_eq!(said.status, 200, "an order does not need the catalog: {said:?}");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let said = exchange::get(&url, "/products/Fox").unwrap();
    assert_eq!(said.status, 503, "{said:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(exchange::get(&url, "/health/live").unwrap().status, 200);
    store.resume("catalog");
    all.push(buy_in_the_end(&url, "after", "Rocket", 1));
    assert_sound(&store, &Clients::of(all));
}

/// The first and the last of five are dead: all who live know the same leader.
#[test]
fn notify_stops() {
    let mut store = Store::start(&["--orders", "5"]);
    let url = store.frontend();
    let mut all = vec![buy(&url, "before", "Rocket", 1)];
    store.kill("order-1");
    store.kill("order-5");
    all.push(buy_in_the_end(&url, "after", "Rocket", 1));
    let leader = wait_for("2, 3 and 4 know who of them leads", || {
        let known = ["order-2", "order-3", "order-4"].map(|name| {
            let status = store.status(name).unwrap();
            (status["engine"]["leader"].as_u64(), status["engine"]["term"].clone())
        });
        let leader = known[0].0.filter(|leader| (2..=4).contains(leader))?;
        known.iter().all(|k| *k == known[0]).then_some(format!("order-{leader}"))
    });
    // Whoever was not told would still take orders.
    for name in ["order-2", "order-3", "order-4"].into_iter().filter(|name| *name != leader) {
        let said = exchange::order(&store.url(name), "directly", "Rocket", 1).unwrap();
        assert_eq!(said.status, 421, "{name}: {said:?}");
    }
    store.start_node("order-5");
    store.start_node("order-1");
    store.wait_for_view(&[1, 2, 3, 4, 5]);
    assert_sound(&store, &Clients::of(all));
}

/// No replica at all: the same frontend process says so, and goes on when they are back.
#[test]
fn exit_on_no_leader() {
    let mut store = Store::start(&[]);
    let url = store.frontend();
    let pid = store.pid("frontend-1");
    let first = buy(&url, "before", "Rocket", 1);
    for name in ["order-1", "order-2", "order-3"] {
        store.kill(name);
    }
    let mut waiting = Connection::open(&url).unwrap();
    let body = json!({"name": "Rocket", "quantity": 1}).to_string();
    waiting.ask("POST", "/orders", &[("Idempotency-Key", "nobody")], &body).unwrap();
    watch_for(Duration::from_secs(2), || {
        assert_eq!(exchange::get(&url, "/products/Rocket").unwrap().status, 200);
    });
    assert_eq!(exchange::get(&url, "/health/ready").unwrap().status, 503);
    for name in ["order-1", "order-2", "order-3"] {
        store.start_node(name);
    }
    let said = waiting.answer().unwrap();
    let second = Acknowledged::by(&said, "nobody", "Rocket", 1);
    assert_eq!(store.pid("frontend-1"), pid);
    assert_sound(&store, &Clients::of(vec![first, second]));
}

fn looks(options: &[&str], toys: &[&str]) -> Vec<String> {
    let store = Store::start(options);
    let mut connection = Connection::open(&store.frontend()).unwrap();
    wait_for("it has a lease", || {
        connection.get("/products/Lego").unwrap();
        let said = connection.get("/products/Lego").unwrap();
        (said.headers["x-cache"] == "hit").then_some(())
    });
    let mut look = |toy: &&str| {
        let said = connection.get(&format!("/products/{toy}")).unwrap();
        said.headers.get("x-cache").cloned().unwrap_or_else(|| said.status.to_string())
    };
    toys.iter().map(&mut look).collect()
}

#[test]
fn fifo_as_lru() {
    let seen = looks(&["--cache-capacity", "2"], &["Tux", "Fox", "Tux", "Kite", "Tux", "Fox"]);
    assert_eq!(seen, ["miss", "miss", "hit", "miss", "hit", "miss"]);
}

#[test]
fn error_cached() {
    let seen = looks(&["--cache-capacity", "2"], &["Tux", "Fox", "no-1", "no-2", "Tux", "Fox"]);
    assert_eq!(seen, ["miss", "miss", "404", "404", "hit", "hit"]);
}

/// A leader that was deposed while it hung goes on, and now it is the only one who can be reached:
/// a majority of those that it reaches, and still not the leader.
#[test]
fn reachable_majority() {
    let mut store = Store::start(&[]);
    let url = store.frontend();
    let mut all = vec![buy(&url, "before", "Rocket", 1)];
    let old = store.leader();
    store.pause(&old);
    all.push(buy_in_the_end(&url, "under-the-new-one", "Rocket", 1));
    let others: Vec<String> =
        store.names("order").into_iter().filter(|name| *name != old).collect();
    store.next_leader(&old);
    others.iter().for_each(|name| store.pause(name));
    // What it finds first when it goes on.
    let mut direct = Connection::open(&store.url(&old)).unwrap();
    let body = json!({"name": "Rocket", "quantity": 1}).to_string();
    direct.ask("POST", "/orders", &[("Idempotency-Key", "at-the-old-one")], &body).unwrap();
    store.resume(&old);
    let said = direct.answer().unwrap();
    assert_ne!(said.status, 200, "acknowledged by who was deposed: {said:?}");
    watch_for(Duration::from_secs(1), || {
        let log = order_count(&store, &old);
        assert_eq!(log, 1, "{old} recorded something by itself");
    });
    others.iter().for_each(|name| store.resume(name));
    store.wait_for_view(&[1, 2, 3]);
    all.push(buy_in_the_end(&url, "at-the-old-one", "Rocket", 1));
    assert_sound(&store, &Clients::of(all));
}

fn order_count(store: &Store, name: &str) -> u64 {
    store.status(name).unwrap()["orders"].as_u64().unwrap()
}

/// After a power cut of everything no term comes again, at the catalog or at any replica.
#[test]
fn forgotten_vote() {
    let mut store = Store::start(&["--shadow-disk"]);
    let promised = |store: &Store| {
        let replicas = store.names("order").into_iter().map(|name| store.status(&name).unwrap());
        replicas.map(|status| term(&status["engine"]["term"])).collect::<Vec<_>>()
    };
    let mut all = vec![buy(&store.frontend(), "0", "Rocket", 1)];
    for round in 1..3 {
        let leader = store.leader();
        store.kill(&leader);
        let key = round.to_string();
        all.push(buy_in_the_end(&store.frontend(), &key, "Rocket", 1));
        let view = term(&store.status("catalog").unwrap()["view"]["term"]);
        store.kill_everything();
        store.up();
        let now = promised(&store);
        assert!(now.iter().all(|term| *term > view), "{now:?} after a view of {view:?}");
        store.wait_for_view(&[1, 2, 3]);
    }
    assert_sound(&store, &Clients::of(all));
}

/// The frontend gives up before its shopper does, and says what it knows; the retry buys once.
#[test]
fn timeout_mismatch() {
    let mut store = Store::start(&[]);
    let url = store.frontend();
    let before = in_stock(&store, "Rocket");
    store.pause("catalog");
    let began = Instant::now();
    let said = exchange::order(&url, "too-slow", "Rocket", 1).unwrap();
    // A shopper waits for 10 s.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert_eq!(said.status, 503, "{said:?}");
    let message = said.json()["error"]["message"].as_str().unwrap().to_string();
    assert!(
        message.contains("outcome unknown") && message.contains("Idempotency-Key"),
        "{message}"
    );
    store.resume("catalog");
    let order = buy_in_the_end(&url, "too-slow", "Rocket", 1);
    assert_eq!(in_stock(&store, "Rocket"), before - 1);
    assert_sound(&store, &Clients::of(vec![order]));
}
