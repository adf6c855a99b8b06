//! What goes wrong, and the examiner, who asks what shoppers do not: fates, early and late.

use std::time::Duration;

use rand::RngExt;
use shop::Input;
use shop::message::{NewOrder, OrderNumber, Request, RequestId};
use shop::node::CallId;
use shop::toy::Quantity;

use crate::host::Name;
use crate::world::{Event, World};

/// Orders that the examiner may ask about at a time.
const EXAMINED: usize = 6;

/// The built-in catalogue's, and one that nobody sells.
const TOYS: [&str; 4] = ["Tux", "whale", "Fox", "Unicorn"];

impl World {
    pub fn nemesis(&mut self) {
        let servers: Vec<Name> =
            self.hosts.keys().copied().filter(|n| !matches!(n, Name::Shopper(_))).collect();
        let victim = servers[self.random.random_range(0..servers.len())];
        let span = self.micros(20_000, 4_000_000);
        let faults = self.setting.faults;
        match self.random.random_range(0..20) {
            0..5 if faults.crash => {
                self.crash(victim);
                self.schedule(span, Event::Restart { host: victim });
            }
            5 if faults.crash => self.power_cut(&servers),
            6..10 if faults.pause => self.pause(victim, span),
            10 if faults.pause => {
                let shopper = Name::Shopper(1 + self.random.random_range(0..5));
                self.pause(shopper, span);
            }
            11..16 if faults.cut => self.cut_off(&servers, victim, span),
            16 | 17 if faults.full && !matches!(victim, Name::Frontend(_)) => {
                self.say(|| format!("{victim:?}'s disk is full"));
                let host = self.host(victim);
                if host.process.is_some() {
                    host.full = true;
                    let life = host.life;
                    self.step(victim, Input::DiskFull(true));
                    self.schedule(span, Event::Room { host: victim, life });
                }
            }
            18 | 19 if faults.stop => {
                self.step(victim, Input::Stop);
                // One that does not come to its end is ended.
                self.crash_later(victim, span);
            }
            _ => {}
        }
        let next = self.micros(50_000, 1_500_000);
        self.schedule(next, Event::Nemesis);
    }

    /// All machines lose their power at once, and come back one after the other.
    fn power_cut(&mut self, servers: &[Name]) {
        self.say(|| "power cut".to_string());
        for name in servers {
            self.crash(*name);
            let span = self.micros(1000, 1_500_000);
            self.schedule(span, Event::Restart { host: *name });
        }
    }

    fn pause(&mut self, victim: Name, span: Duration) {
        self.say(|| format!("{victim:?} is paused"));
        self.host(victim).paused = true;
        self.schedule(span, Event::Resume { host: victim });
    }

    fn cut_off(&mut self, servers: &[Name], victim: Name, span: Duration) {
        let one_way = self.random.random_range(0..3) == 0;
        for other in servers.iter().filter(|name| **name != victim) {
            if self.random.random_range(0..3) > 0 {
                self.cut.insert((victim, *other));
                if !one_way {
                    self.cut.insert((*other, victim));
                }
            }
        }
        let cut = self.cut.clone();
        self.say(|| format!("cut {cut:?}"));
        self.schedule(span, Event::Mend);
    }

    fn crash_later(&mut self, victim: Name, span: Duration) {
        let life = self.hosts[&victim].life;
        self.schedule(span, Event::Kill { host: victim, life });
        self.schedule(span + Duration::from_millis(1), Event::Restart { host: victim });
    }

    pub fn heal(&mut self) {
        self.healed = true;
        self.cut.clear();
        for name in self.hosts.keys().copied().collect::<Vec<_>>() {
            self.resume(name);
            self.room(name);
            self.restart(name);
        }
    }

    /// One question, or order, by somebody who does not wait for an answer before the next.
    pub fn examine(&mut self) {
        self.examiner_calls += 1;
        let number = self.examiner_calls;
        if self.examined.len() < EXAMINED || self.random.random_range(0..10) == 0 {
            let name = TOYS[self.random.random_range(0..TOYS.len())];
            self.examined.push_back(NewOrder {
                request_id: RequestId(u128::from(number) << 96),
                name: name.parse().expect("a name"),
                quantity: Quantity::new(self.random.random_range(1..4)).expect("in range"),
            });
            if self.examined.len() > EXAMINED {
                self.examined.pop_front();
            }
        }
        let order = self.examined[self.random.random_range(0..self.examined.len())].clone();
        let request_id = order.request_id;
        let request = match self.random.random_range(0..10) {
            0..3 => Request::PlaceOrder(order),
            3..6 => Request::ReadFate { request_id },
            6 => Request::ResolveFate { request_id },
            7 => Request::ReadProduct { name: order.name },
            8 => Request::ListProducts { after: None, limit: 100 },
            _ => {
                let highest = self.history.acknowledged.keys().last().map_or(0, |n| n.0 + 2);
                Request::ReadOrder { number: OrderNumber(self.random.random_range(0..=highest)) }
            }
        };
        let frontend = Name::Frontend(1 + self.random.random_range(0..2));
        self.call(Name::Examiner, CallId(number), frontend, request, Duration::from_secs(10));
        let next = self.micros(20_000, 150_000);
        self.schedule(next, Event::Examine);
    }
}
