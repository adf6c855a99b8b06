//! Crashes at every step, and at random: recovery gives a prefix of what was appended that holds
//! everything that was committed.

use bytes::Bytes;

use super::{checkpoint, commit, open, prepare, try_open};
use crate::memory::{MemoryDisk, Random};
use crate::{Job, Recovered, Wal, WalError};

/// What a node would know: the records it has appended, and how many of them are promised.
#[derive(Clone, Default)]
struct Model {
    records: Vec<Bytes>,
    promised: usize,
}

impl Model {
    fn append(&mut self, wal: &mut Wal, record: Vec<u8>) {
        wal.append(&record).unwrap();
        self.records.push(record.into());
    }

    fn commit(&mut self, wal: &mut Wal) -> Result<(), WalError> {
        self.promised = usize::try_from(wal.commit()?).unwrap();
        assert_eq!(self.promised, self.records.len());
        Ok(())
    }

    /// A state that stands for all records: each behind its length.
    fn state(&self) -> Bytes {
        let mut state = Vec::new();
        for record in &self.records {
            state.extend_from_slice(&(record.len() as u32).to_le_bytes());
            state.extend_from_slice(record);
        }
        state.into()
    }

    /// Compares what came back, and goes on from there.
    fn recover(&mut self, recovered: &Recovered, durable: u64, context: &str) {
        let mut state = recovered.checkpoint.clone().unwrap_or_default();
        let mut found = Vec::new();
        while !state.is_empty() {
            let length = u32::from_le_bytes(state.split_to(4)[..].try_into().unwrap());
            found.push(state.split_to(length as usize));
        }
        found.extend(recovered.records.iter().cloned());
        assert_eq!(found.len() as u64, durable, "{context}");
        assert!(found.len() >= self.promised, "{context}: {} of {}", found.len(), self.promised);
        assert!(self.records.starts_with(&found), "{context}: not a prefix");
        (self.promised, self.records) = (found.len(), found);
    }
}

/// Appends, commits, moves over segments, prepares, and writes two checkpoints with commits at
/// every point between; until the power is out.
fn script(wal: &mut Wal, model: &mut Model) -> Result<(), WalError> {
    let write = |wal: &mut Wal, model: &mut Model| {
        model.append(wal, vec![1; 700]);
        model.append(wal, vec![2; 10]);
        model.commit(wal)
    };
    for _ in 0..2 {
        write(wal, model)?;
        let prepare = wal.begin_prepare()?;
        write(wal, model)?;
        if let Some(job) = prepare {
            wal.finish(job.run())?;
        }
        write(wal, model)?;
        model.append(wal, vec![3; 5]);
        let job = wal.begin_checkpoint(vec![model.state()])?.expect("none is under way");
        model.promised = model.records.len();
        write(wal, model)?;
        let done = job.run();
        write(wal, model)?;
        wal.finish(done)?;
        write(wal, model)?;
    }
    Ok(())
}

#[test]
fn power_cut_after_every_operation() {
    let clean = MemoryDisk::default();
    script(&mut open(&clean).0, &mut Model::default()).unwrap();
    let operations = clean.operations();
    assert!(operations > 50, "{operations}");
    for stop in 0..operations {
        let disk = MemoryDisk::default();
        disk.stop_after(stop);
        let mut model = Model::default();
        let result = try_open(&disk).and_then(|(mut wal, _)| script(&mut wal, &mut model));
        assert!(result.is_err(), "the script goes on after operation {stop}");
        // Of what was not synced: nothing, some, and all of it is there.
        for (kept, seeds) in [(0, 1), (1, 5), (2, 5), (3, 5), (4, 1)] {
            for seed in 0..seeds {
                let context = format!("power cut after operation {stop}, kept {kept}, seed {seed}");
                let mut random = Random(seed);
                check_recoveries(disk.power_cut(&mut random, kept), model.clone(), &context);
            }
        }
        let context = format!("process killed after operation {stop}");
        check_recoveries(disk.killed(), model, &context);
    }
}

/// Recovers, with a second power cut after every operation of the recovery itself; then goes on.
fn check_recoveries(disk: MemoryDisk, model: Model, context: &str) {
    let before = disk.operations();
    let twin = disk.killed();
    let after = try_open(&twin).map(|_| twin.operations()).unwrap_or_else(|e| {
        panic!("{context}: {e}");
    });
    for stop in 0..=after - before {
        let disk = disk.killed();
        disk.stop_after(stop);
        // What it has read it may have acted on, even if it dies in the next moment.
        let mut model = model.clone();
        if let Ok((wal, recovered)) = try_open(&disk) {
            model.recover(&recovered, wal.durable(), context);
        }
        let disk = disk.power_cut(&mut Random(stop), 2);
        let context = format!("{context}, again after operation {stop} of recovery");
        let (mut wal, recovered) = try_open(&disk).unwrap_or_else(|e| panic!("{context}: {e}"));
        model.recover(&recovered, wal.durable(), &context);
        if stop % 4 == 0 {
            model.append(&mut wal, vec![4; 1000]);
            model.commit(&mut wal).unwrap();
            script(&mut wal, &mut model).unwrap();
            let (wal, recovered) = open(&disk.power_cut(&mut Random(stop), 0));
            assert_eq!(recovered.torn_bytes, 0, "{context}");
            model.recover(&recovered, wal.durable(), &context);
        }
    }
}

/// Random operations, power cuts, kills and full disks, one life after the other.
fn random_lives(seed: u64) {
    let mut random = Random(seed);
    let mut disk = MemoryDisk::default();
    let mut model = Model::default();
    for life in 0..8 {
        let context = format!("seed {seed}, life {life}");
        let (mut wal, recovered) = try_open(&disk).unwrap_or_else(|e| panic!("{context}: {e}"));
        model.recover(&recovered, wal.durable(), &context);
        if random.below(4) > 0 {
            disk.stop_after(random.below(150));
        }
        let end = random_life(&mut random, &disk, &mut wal, &mut model);
        assert!(end.is_none_or(|e| !e.is_full()), "{context}");
        disk = match random.below(6) {
            0 => disk.killed(),
            kept => disk.power_cut(&mut random, kept - 1),
        };
    }
}

/// One life of the process. Returns what ended it, if it was the disk.
fn random_life(
    random: &mut Random,
    disk: &MemoryDisk,
    wal: &mut Wal,
    model: &mut Model,
) -> Option<WalError> {
    let mut jobs: Vec<Job> = Vec::new();
    for _ in 0..random.below(120) {
        let step = match random.below(16) {
            0..=5 => {
                let large = if random.below(12) == 0 { 6000 } else { 400 };
                let record = vec![random.draw() as u8; random.below(large) as usize];
                model.append(wal, record);
                Ok(())
            }
            6..=9 => model.commit(wal),
            10 | 11 => wal.begin_prepare().map(|job| jobs.extend(job)),
            12 => wal.begin_checkpoint(vec![model.state()]).map(|job| {
                model.promised = model.records.len();
                jobs.extend(job);
            }),
            13 | 14 if !jobs.is_empty() => {
                let job = jobs.swap_remove(random.below(jobs.len() as u64) as usize);
                wal.finish(job.run())
            }
            15 => {
                let room = disk.bytes() + random.below(4000) as usize;
                disk.set_capacity((random.below(2) == 0).then_some(room));
                let room = (random.below(4) == 0).then_some(random.below(2000) as usize);
                disk.set_room_for_writes(room);
                Ok(())
            }
            _ => Ok(()),
        };
        match step {
            Err(e) if !e.is_full() => return Some(e),
            Ok(()) | Err(_) => {}
        }
    }
    None
}

#[test]
fn random_operations_and_crashes() {
    for seed in 0..2000 {
        random_lives(seed);
    }
}

/// Names go in any order: of two old segments the first may be left, and the second gone.
#[test]
fn a_removal_that_a_power_cut_left_half_done_is_no_damage() {
    let disk = MemoryDisk::default();
    let (mut wal, _) = open(&disk);
    for n in 1..=4 {
        commit(&mut wal, &[&[n; 900]]);
    }
    assert_eq!(disk.names(".segment").len(), 2);
    prepare(&mut wal);
    let before: Vec<Vec<u8>> = disk.names(".segment").iter().map(|name| disk.read(name)).collect();
    checkpoint(&mut wal, b"one to four");
    for (n, left) in before[..2].iter().enumerate() {
        let disk = disk.killed();
        disk.put(&crate::format::segment_name(n as u64 + 1), left);
        let (mut wal, found) = open(&disk);
        assert_eq!(
            (found.checkpoint.as_deref(), found.records.len()),
            (Some(&b"one to four"[..]), 0)
        );
        commit(&mut wal, &[b"five"]);
        let (_, found) = open(&disk.power_cut(&mut Random(0), 0));
        assert_eq!(found.records, [&b"five"[..]]);
    }
}
