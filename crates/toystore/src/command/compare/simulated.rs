//! The cases in the simulator: exact counts, the same in every run; spread over threads.
//!
//! Called by `compare::mod`, and by `evaluate`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use simulator::comparison::{Case, Measured};

use crate::command::sim::quietly;

/// Runs all cases on so many threads; in their order. Whoever waits is told of each that is done.
pub fn measure(cases: &[Case], jobs: usize, mut done: impl FnMut()) -> Vec<(Case, Measured)> {
    let next = AtomicUsize::new(0);
    let mut measured: Vec<(usize, Measured)> = Vec::with_capacity(cases.len());
    quietly(|| {
        std::thread::scope(|scope| {
            // Bounded by the number of cases, and emptied at once.
            let (sender, receiver) = mpsc::channel();
            for _ in 0..jobs {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(case) = cases.get(place) else { return };
                        // Whoever would hear it is gone only after a panic.
                        if sender.send((place, case.run())).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for one in receiver {
                measured.push(one);
                done();
            }
        });
    });
    measured.sort_by_key(|(place, _)| *place);
    let all = cases.iter().zip(measured);
    all.map(|(case, (_, measured))| (*case, measured)).collect()
}
