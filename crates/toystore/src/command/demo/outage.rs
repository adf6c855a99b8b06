//! How long orders stood still: from the moments at which shoppers were told what became of one.
//!
//! Called by [`super::Demo`].

use std::time::Duration;

use replication::Time;

/// The longest gaps between two answers to orders; absent where there were no two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    /// Before the kill.
    pub before: Option<Duration>,
    /// Gaps that end after the kill and begin before the return.
    pub after_kill: Option<Duration>,
    /// Gaps that begin after the return.
    pub after_return: Option<Duration>,
}

impl Outage {
    /// From when orders were answered, in any order, and when the leader was killed and its
    /// process came back.
    pub fn measure(mut answered: Vec<Time>, killed: Time, returned: Time) -> Outage {
        answered.sort();
        let mut outage = Outage::default();
        for pair in answered.windows(2) {
            let (earlier, later) = (pair[0], pair[1]);
            // A gap that begins before the return belongs to the kill, however long it lasts.
            let longest = if later < killed {
                &mut outage.before
            } else if earlier < returned {
                &mut outage.after_kill
            } else {
                &mut outage.after_return
            };
            *longest = (*longest).max(Some(later.since(earlier)));
        }
        outage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_belongs_to_what_caused_it() {
        let times = [10, 0, 30, 900, 910, 2000, 2050].map(Time::from_millis).to_vec();
        let outage = Outage::measure(times, Time::from_millis(35), Time::from_millis(1000));
        let millis = |count| Some(Duration::from_millis(count));
        assert_eq!(outage.before, millis(20));
        assert_eq!(outage.after_kill, millis(1090));
        assert_eq!(outage.after_return, millis(50));
    }

    #[test]
    fn without_orders_there_is_nothing_to_measure() {
        let outage = Outage::measure(vec![Time(1)], Time(2), Time(3));
        assert_eq!(outage, Outage::default());
    }
}
