//! Golden scripts: one rule of the shopper each, as a transcript of what comes in and goes out.
//!
//! The runner plays the frontends: the answer to a call is what the script says; a call without one
//! times out when its deadline comes. Only one call is open at a time, so answers name none.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use goldenscript::Command as Line;
use test_each_file::test_each_path;

use super::*;
use crate::message::{CacheUse, Order, OrderNumber, Ordered, Problem, ReadFrom};
use crate::toy::{Cents, Product, Version};

test_each_path! { in "crates/shop/src/shopper/testscripts" as scripts => run_script }

fn run_script(path: &Path) {
    goldenscript::run(&mut World::default(), path).unwrap();
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A shopper and the frontends around it.
struct World {
    shopper: Shopper,
    now: Time,
    open: Option<(CallId, Time)>,
}

fn config() -> Config {
    let mut config = Config::new(1, vec![1], 0x5eed);
    config.toys = ["Tux", "fox"].map(|name| name.parse().unwrap()).to_vec();
    config.requests = 2;
    config.probability = Probability::from_millionths(Probability::ONE).unwrap();
    config
}

impl Default for World {
    fn default() -> World {
        World { shopper: Shopper::new(config()), now: Time::default(), open: None }
    }
}

fn problem(text: &str) -> Result<Problem> {
    Ok(match text {
        "insufficient" => Problem::InsufficientStock { version: Version(9), index: 9 },
        "unknown-product" => Problem::UnknownProduct,
        "unknown-order" => Problem::UnknownOrder,
        "key-reused" => Problem::KeyReused,
        "unavailable" => Problem::Unavailable("no leader".to_string()),
        "outcome-unknown" => Problem::OutcomeUnknown("no answer".to_string()),
        other => return Err(format!("no problem is called {other}").into()),
    })
}

fn product(name: &str, quantity: u64) -> Result<Product> {
    Ok(Product { name: name.parse()?, price: Cents(2599), quantity, version: Version(1) })
}

impl World {
    fn step(&mut self, input: Input, out: &mut String) {
        let mut effects = Vec::new();
        self.shopper.step(self.now, input, &mut effects);
        for effect in effects {
            if let Effect::Call { call, deadline, request, .. } = &effect {
                assert!(self.open.is_none(), "one call at a time");
                self.open = Some((*call, self.now + *deadline));
                if let Request::PlaceOrder(order) = request {
                    let key = self.shopper.key_of(order.request_id).unwrap();
                    assert_eq!(RequestId::from_key(key), Ok(order.request_id));
                }
            }
            writeln!(out, "{effect}").unwrap();
        }
    }

    fn answer(&mut self, answer: Answer, out: &mut String) -> Result<()> {
        let (call, _) = self.open.take().ok_or("no call is open")?;
        self.step(Input::Answer { call, answer }, out);
        Ok(())
    }

    fn say(&mut self, reply: Reply, out: &mut String) -> Result<()> {
        self.answer(Answer::Said(Ok(reply)), out)
    }

    /// Moves the clock, with retries and deadlines on the way.
    fn advance(&mut self, to: Time, out: &mut String) {
        loop {
            let timer = self.shopper.next_timer();
            let next = timer.or(self.open.map(|(_, at)| at)).filter(|at| *at <= to);
            let Some(at) = next else { break };
            self.now = at;
            let input = match self.open.take() {
                Some((call, _)) => Input::Answer { call, answer: Answer::Unknown },
                None => Input::Timer,
            };
            writeln!(out, "[{at}] {input}").unwrap();
            self.step(input, out);
        }
        self.now = to;
    }

    fn new_config(&mut self, line: &Line) -> Result<()> {
        let mut config = config();
        let mut args = line.consume_args();
        if let Some(frontends) = args.take_key("frontends") {
            config.frontends = (1..=frontends.parse()?).collect();
        }
        if let Some(requests) = args.take_key("requests") {
            config.requests = requests.parse()?;
        }
        if let Some(probability) = args.take_key("p") {
            config.probability = probability.parse()?;
        }
        if let Some(lookups) = args.take_key("lookups") {
            config.lookups = lookups.parse()?;
        }
        if let Some(millis) = args.take_key("pause") {
            config.pause = Duration::from_millis(millis.parse()?);
        }
        if let Some(millis) = args.take_key("every") {
            let every = Duration::from_millis(millis.parse()?);
            config.pace = Some(Pace { first: Duration::ZERO, every });
        }
        if args.take_key("list").is_some() {
            config.toys.clear();
        }
        args.reject_next()?;
        *self = World { shopper: Shopper::new(config), ..World::default() };
        Ok(())
    }

    fn show(&mut self, out: &mut String) -> Result<()> {
        for order in self.shopper.take_orders() {
            writeln!(out, "{}", order.fields().join(","))?;
        }
        for sample in self.shopper.take_samples() {
            let Sample { kind, late, latency, outcome, retries, frontend, .. } = sample;
            let millis = latency.as_millis();
            let late = match late.as_millis() {
                0 => String::new(),
                late => format!(", begun {late}ms late"),
            };
            writeln!(out, "{kind:?} {outcome:?} {millis}ms retries={retries} by {frontend}{late}")?;
        }
        match self.shopper.take_given_up() {
            0 => {}
            many => writeln!(out, "given up: {many}")?,
        }
        Ok(())
    }
}

impl goldenscript::Runner for World {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &goldenscript::Context) -> Result<String> {
        let mut output = String::new();
        let out = &mut output;
        let mut args = line.consume_args();
        if line.name == "new" {
            self.new_config(line)?;
            return Ok(output);
        }
        let mut next = || args.next_pos().map(str::to_string).ok_or("an argument is missing");
        match line.name.as_str() {
            "start" => self.step(Input::Start, out),
            "stop" => self.step(Input::Stop, out),
            "at" => {
                let to = Time::from_millis(next()?.parse()?);
                self.advance(to, out);
            }
            // A product: its name and quantity.
            "shows" => {
                let product = product(&next()?, next()?.parse()?)?;
                let (cache, from) = (CacheUse::Miss, ReadFrom::UNTOLD);
                self.say(Reply::Product { product, cache, from }, out)?;
            }
            // A page of products.
            "lists" => {
                let mut products = Vec::new();
                while let Ok(name) = next() {
                    products.push(product(&name, 1)?);
                }
                self.say(Reply::Products { products, from: ReadFrom::UNTOLD }, out)?;
            }
            // An order is recorded under this number.
            "records" => {
                let number = OrderNumber(next()?.parse()?);
                let ordered = Ordered { number, version: Version(2), index: number.0 + 2 };
                self.say(Reply::Ordered(ordered), out)?;
            }
            // An order is found: its number, toy and quantity.
            "finds" => {
                let (number, name) = (OrderNumber(next()?.parse()?), next()?.parse()?);
                let quantity = Quantity::new(next()?.parse()?)?;
                let order = Order { number, name, quantity, index: 2 };
                self.say(Reply::Order { order, from: ReadFrom::UNTOLD }, out)?;
            }
            "problem" => self.answer(Answer::Said(Err(problem(&next()?)?)), out)?,
            "refused" => self.answer(Answer::Refused, out)?,
            "unknown" => self.answer(Answer::Unknown, out)?,
            "show" => self.show(out)?,
            "summary" => {
                let summary = self.shopper.summary();
                let counters = [
                    ("queries", summary.queries),
                    ("hits", summary.hits),
                    ("orders", summary.orders),
                    ("refused", summary.refused),
                    ("not found", summary.not_found),
                    ("unavailable", summary.unavailable),
                    ("unknown", summary.unknown),
                    ("failed", summary.failed),
                    ("retried", summary.retried),
                    ("matched", summary.matched),
                ];
                for (name, count) in counters.iter().filter(|(_, count)| *count > 0) {
                    writeln!(out, "{name}: {count}")?;
                }
                for difference in &summary.differences {
                    writeln!(out, "{}", serde_json::to_string(difference)?)?;
                }
                let (complete, matched) = (summary.complete, summary.all_matched());
                writeln!(out, "complete: {complete}, all matched: {matched}")?;
            }
            other => return Err(format!("no command is called {other}").into()),
        }
        args.reject_next()?;
        Ok(output)
    }
}

/// The plan of a shopper with this p: in which rounds it would order.
fn rounds(draw: Draw, requests: u32, p: &str, seed: u64) -> Vec<bool> {
    let mut config = Config::new(3, vec![1], seed);
    (config.draw, config.requests, config.probability) = (draw, requests, p.parse().unwrap());
    let mut plan = Plan::new(&config);
    std::iter::from_fn(|| plan.next_round(10)).map(|round| round.order.is_some()).collect()
}

#[test]
fn exact_draws_exactly_p_times_n() {
    for seed in 0..50 {
        for (p, expected) in [("0", 0), ("0.5", 10), ("0.33", 7), ("1", 20)] {
            let orders = rounds(Draw::Exact, 20, p, seed);
            assert_eq!(orders.len(), 20);
            assert_eq!(orders.iter().filter(|orders| **orders).count(), expected, "seed {seed}");
        }
    }
    assert_ne!(rounds(Draw::Exact, 20, "0.5", 1), rounds(Draw::Exact, 20, "0.5", 2));
}

#[test]
fn independent_draws_about_p_times_n() {
    let orders = rounds(Draw::Independent, 10_000, "0.3", 7);
    let count = orders.iter().filter(|orders| **orders).count();
    assert!((2_800..3_200).contains(&count), "{count}");
    assert!(!rounds(Draw::Independent, 1000, "0", 7).contains(&true));
    assert!(!rounds(Draw::Independent, 1000, "1", 7).contains(&false));
}

/// Every position is drawn about equally often.
#[test]
fn exact_draws_favour_no_position() {
    let mut counts = [0; 10];
    for seed in 0..2000 {
        for (place, orders) in rounds(Draw::Exact, 10, "0.5", seed).into_iter().enumerate() {
            counts[place] += usize::from(orders);
        }
    }
    assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
}

#[test]
fn the_same_seed_makes_the_same_choices() {
    let choices = |session| {
        let mut plan = Plan::new(&Config { session, ..config() });
        plan.next_round(1000)
    };
    assert_eq!(choices(1), choices(1));
    assert_ne!(choices(1), choices(2));
}

#[test]
fn probabilities_are_read_exactly() {
    for (text, millionths) in
        [("0", 0), ("1", 1_000_000), ("0.5", 500_000), (".25", 250_000), ("1.0", 1_000_000)]
    {
        assert_eq!(text.parse::<Probability>().unwrap().millionths(), millionths, "{text}");
    }
    assert_eq!("0.125".parse::<Probability>().unwrap().to_string(), "0.125");
    for text in ["", ".", "1.1", "2", "-1", "0.5x", "0,5", "1e-3", "0.1234567", "99999999999"] {
        assert!(text.parse::<Probability>().is_err(), "{text}");
    }
}

#[test]
fn keys_are_what_http_clients_may_send() {
    let (key, request_id) = plan::key(u64::MAX, u32::MAX, u32::MAX);
    assert_eq!(key, "toystore-ffffffffffffffff-4294967295-4294967295");
    assert_eq!(RequestId::from_key(&key), Ok(request_id));
}

#[test]
fn a_call_outlives_the_frontends_own_deadline() {
    assert!(CALL_DEADLINE_DEFAULT > crate::frontend::REQUEST_DEADLINE_DEFAULT);
    assert!(RETRY_INTERVAL_DEFAULT >= Duration::from_secs(1));
}
