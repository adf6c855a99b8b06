//! What is asked for: which toy, what with it, and how many of it. Drawn from a seed.
//!
//! Pure. Asked by [`super::worker`] before each request. Popularity and quantities are fitted from
//! public data; only the fitted numbers are here:
//! - Zipf 0.8 and [`Quantities::Baskets`] from *The Complete Journey* (84.51°; retail baskets that
//!   are simulated for teaching, as its own notice says; 1,397 lines of toys),
//! - [`Quantities::Cds`] from CDNOW's log of 69,659 purchases, 1997 and 1998.

use std::fmt;
use std::str::FromStr;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use shop::shopper::Probability;
use shop::toy::Quantity;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `GET /products/{name}`
    Read,
    /// `POST /orders`
    Order,
    /// `GET /orders/{number}`, of an order that this thread was told is recorded
    OrderQuery,
}

impl Kind {
    /// All, in the order in which they are shown.
    pub const ALL: [Kind; 3] = [Kind::Read, Kind::Order, Kind::OrderQuery];

    /// As goals, files and tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Read => "read",
            Kind::Order => "order",
            Kind::OrderQuery => "order-query",
        }
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Kind, ()> {
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or(())
    }
}

/// How often which toy is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Popularity {
    /// All equally often.
    Uniform,
    /// The toy of rank r as often as r to the power of minus this.
    Zipf(f64),
}

/// The steepest that makes sense: the first toy gets nearly everything.
const EXPONENT_MAX: f64 = 10.0;

impl FromStr for Popularity {
    type Err = String;

    fn from_str(text: &str) -> Result<Popularity, String> {
        let wrong = "expected uniform, or zipf=EXPONENT with 0 to 10, such as zipf=0.8";
        match text.split_once('=') {
            None if text == "uniform" => Ok(Popularity::Uniform),
            Some(("zipf", exponent)) => {
                let exponent = exponent.parse().map_err(|_| wrong)?;
                match (0.0..=EXPONENT_MAX).contains(&exponent) {
                    true => Ok(Popularity::Zipf(exponent)),
                    false => Err(wrong.to_string()),
                }
            }
            None | Some(_) => Err(wrong.to_string()),
        }
    }
}

impl fmt::Display for Popularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Popularity::Uniform => f.write_str("uniform"),
            Popularity::Zipf(exponent) => write!(f, "zipf={exponent}"),
        }
    }
}

/// How many of a toy an order asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantities {
    /// One in 83 % of all orders, two in 13 %, three in the rest.
    Baskets,
    /// One in 45 %, two in 23 %, three in 14 %, four in the rest.
    Cds,
    /// Always so many.
    Fixed(Quantity),
}

impl FromStr for Quantities {
    type Err = String;

    fn from_str(text: &str) -> Result<Quantities, String> {
        match text {
            "baskets" => Ok(Quantities::Baskets),
            "cds" => Ok(Quantities::Cds),
            number => {
                let number: Option<i64> = number.parse().ok();
                let fixed = number.and_then(|number| Quantity::new(number).ok());
                fixed.map(Quantities::Fixed).ok_or_else(|| {
                    "expected baskets, cds, or a whole number from 1 to 1000000".to_string()
                })
            }
        }
    }
}

impl fmt::Display for Quantities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Quantities::Baskets => f.write_str("baskets"),
            Quantities::Cds => f.write_str("cds"),
            Quantities::Fixed(quantity) => write!(f, "{}", quantity.get()),
        }
    }
}

impl Quantities {
    /// The one for this percentile, 0 to 99.
    fn at(self, percentile: u32) -> u32 {
        let below = |bounds: &[u32]| 1 + bounds.iter().filter(|b| percentile >= **b).count() as u32;
        match self {
            Quantities::Baskets => below(&[83, 96]),
            Quantities::Cds => below(&[45, 68, 82]),
            Quantities::Fixed(quantity) => quantity.get(),
        }
    }
}

/// Where orders come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orders {
    /// This share of all requests.
    Share(Probability),
    /// The course's shopper: one that saw a toy in stock orders it, with this probability.
    AfterRead(Probability),
}

/// The shares of everything.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix {
    /// Of orders.
    pub orders: Orders,
    /// Of reads of earlier orders. Before there are any, a toy is read.
    pub order_queries: Probability,
    /// Of toys.
    pub popularity: Popularity,
    /// Of quantities.
    pub quantities: Quantities,
}

/// One thread's draws.
pub struct Chooser {
    mix: Mix,
    random: Pcg64Mcg,
    /// How likely a toy up to this rank is; empty if all are equally likely.
    up_to: Vec<f64>,
    toys: usize,
}

impl Chooser {
    /// Draws among so many toys, at least one; a rank is a place in the list.
    pub fn new(mix: Mix, toys: usize, seed: u64) -> Chooser {
        let mut up_to = Vec::new();
        if let Popularity::Zipf(exponent) = mix.popularity {
            let mut sum = 0.0;
            up_to.extend((1..=toys).map(|rank| {
                sum += (rank as f64).powf(-exponent);
                sum
            }));
            up_to.iter_mut().for_each(|part| *part /= sum);
        }
        Chooser { mix, random: Pcg64Mcg::seed_from_u64(seed), up_to, toys }
    }

    /// What the next request asks for.
    pub fn kind(&mut self) -> Kind {
        let orders = match self.mix.orders {
            Orders::Share(share) => share.millionths(),
            Orders::AfterRead(_) => 0,
        };
        let drawn = self.random.random_range(0..Probability::ONE);
        if drawn < orders {
            Kind::Order
        } else if drawn - orders < self.mix.order_queries.millionths() {
            Kind::OrderQuery
        } else {
            Kind::Read
        }
    }

    /// A toy's place in the list.
    pub fn toy(&mut self) -> usize {
        if self.up_to.is_empty() {
            return self.random.random_range(0..self.toys);
        }
        let drawn: f64 = self.random.random();
        // The last sum may be a little less than 1.
        self.up_to.partition_point(|part| *part <= drawn).min(self.toys - 1)
    }

    /// How many an order asks for.
    pub fn quantity(&mut self) -> u32 {
        let percentile = self.random.random_range(0..100);
        self.mix.quantities.at(percentile)
    }

    /// Whether a client that saw a toy in stock orders it now.
    pub fn orders_after_read(&mut self) -> bool {
        match self.mix.orders {
            Orders::Share(_) => false,
            Orders::AfterRead(probability) => {
                self.random.random_range(0..Probability::ONE) < probability.millionths()
            }
        }
    }

    /// One of so many.
    pub fn one_of(&mut self, count: usize) -> usize {
        self.random.random_range(0..count)
    }
}

/// A seed for each of many draws: neighbours would begin alike.
pub fn spread(seed: u64, part: usize) -> u64 {
    seed ^ (part as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Which toys are popular is drawn from the seed too: a list is in the order of names.
pub fn shuffle<T>(list: &mut [T], seed: u64) {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    for end in (1..list.len()).rev() {
        list.swap(end, random.random_range(0..=end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chooser(popularity: &str, orders: &str, queries: &str) -> Chooser {
        let mix = Mix {
            orders: Orders::Share(orders.parse().unwrap()),
            order_queries: queries.parse().unwrap(),
            popularity: popularity.parse().unwrap(),
            quantities: Quantities::Baskets,
        };
        Chooser::new(mix, 100, 1)
    }

    fn shares(mut draw: impl FnMut() -> usize) -> Vec<f64> {
        let mut counts = vec![0.0; 100];
        for _ in 0..100_000 {
            counts[draw()] += 1e-5;
        }
        counts
    }

    #[test]
    fn zipf_gives_each_rank_its_share() {
        let mut zipf = chooser("zipf=0.8", "0", "0");
        let found = shares(|| zipf.toy());
        let whole: f64 = (1..=100).map(|rank| f64::from(rank).powf(-0.8)).sum();
        for rank in [1_usize, 2, 10, 100] {
            let expected = (rank as f64).powf(-0.8) / whole;
            assert!((found[rank - 1] - expected).abs() < 0.01, "{rank}: {}", found[rank - 1]);
        }
        let mut uniform = chooser("uniform", "0", "0");
        assert!(shares(|| uniform.toy()).iter().all(|share| (share - 0.01).abs() < 0.003));
    }

    #[test]
    fn kinds_and_quantities_have_their_shares() {
        let mut mixed = chooser("uniform", "0.2", "0.1");
        let kinds = shares(|| mixed.kind() as usize);
        for (kind, expected) in [(Kind::Read, 0.7), (Kind::Order, 0.2), (Kind::OrderQuery, 0.1)] {
            assert!((kinds[kind as usize] - expected).abs() < 0.01, "{kinds:?}");
        }
        let quantities = shares(|| mixed.quantity() as usize);
        assert!((quantities[1] - 0.83).abs() < 0.01 && (quantities[3] - 0.04).abs() < 0.01);
        assert_eq!((Quantities::Cds.at(44), Quantities::Cds.at(99)), (1, 4));
    }

    #[test]
    fn what_is_written_is_read_back_and_nonsense_is_not() {
        for text in ["uniform", "zipf=0.8", "zipf=0"] {
            assert_eq!(text.parse::<Popularity>().unwrap().to_string(), text);
        }
        for wrong in ["", "zipf", "zipf=", "zipf=-1", "zipf=11", "zipf=nan", "uniform=1"] {
            assert!(wrong.parse::<Popularity>().unwrap_err().contains("zipf=0.8"), "{wrong}");
        }
        for text in ["baskets", "cds", "3"] {
            assert_eq!(text.parse::<Quantities>().unwrap().to_string(), text);
        }
        for wrong in ["", "0", "-1", "1000001", "1.5", "lots"] {
            assert!(wrong.parse::<Quantities>().unwrap_err().contains("baskets"), "{wrong}");
        }
    }

    #[test]
    fn a_shuffle_keeps_all_and_its_seed_repeats_it() {
        let shuffled = |seed| {
            let mut list: Vec<u32> = (0..50).collect();
            shuffle(&mut list, seed);
            list
        };
        assert_eq!(shuffled(1), shuffled(1));
        assert_ne!(shuffled(1), shuffled(2));
        let mut sorted = shuffled(1);
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..50));
    }
}
