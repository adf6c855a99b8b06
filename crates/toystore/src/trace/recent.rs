//! A map that forgets its oldest keys, so that it cannot grow. Used by [`super::place`].

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A map with a bound: what was put in first goes first.
#[derive(Debug)]
pub struct Recent<K, V> {
    max: usize,
    /// Each with its age.
    values: BTreeMap<K, (u64, V)>,
    /// From the oldest on.
    ages: BTreeMap<u64, K>,
    next: u64,
}

impl<K: Copy + Ord, V> Recent<K, V> {
    /// Room for so many.
    pub fn new(max: usize) -> Recent<K, V> {
        Recent { max, values: BTreeMap::new(), ages: BTreeMap::new(), next: 0 }
    }

    /// Puts a value in the place of any that is there.
    pub fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        if self.values.len() >= self.max
            && let Some((_, oldest)) = self.ages.pop_first()
        {
            self.values.remove(&oldest);
        }
        self.ages.insert(self.next, key);
        self.values.insert(key, (self.next, value));
        self.next += 1;
    }

    /// What is there.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.values.get(key).map(|(_, value)| value)
    }

    /// Takes it out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (age, value) = self.values.remove(key)?;
        self.ages.remove(&age);
        Some(value)
    }

    /// Takes everything in a range out.
    pub fn remove_range(&mut self, range: RangeInclusive<K>) -> Vec<V> {
        let keys: Vec<K> = self.values.range(range).map(|(key, _)| *key).collect();
        keys.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_and_what_comes_again_is_new() {
        let mut recent = Recent::new(2);
        recent.insert(1, 'a');
        recent.insert(2, 'b');
        recent.insert(1, 'c');
        recent.insert(3, 'd');
        assert_eq!([1, 2, 3].map(|key| recent.get(&key).copied()), [Some('c'), None, Some('d')]);
        assert_eq!(recent.remove_range(1..=2), ['c']);
        assert_eq!(recent.remove(&3), Some('d'));
        assert!(recent.is_empty() && recent.ages.is_empty());
    }
}
