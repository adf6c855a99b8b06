//! The load of `bench/run`: the same loops, the same client library and the same counting for both
//! systems, so that only the bytes of a write differ. Prints one JSON object.
//!
//! ```text
//! load closed SYSTEM ADDRESS CLIENTS SECONDS READS     CLIENTS writers, each waits for its answer
//! load count  SYSTEM ADDRESS CLIENTS WRITES            the same, until so many have succeeded
//! load open   SYSTEM ADDRESS,… SECONDS                 a write each 4 ms, whatever the answers do
//! load constant ADDRESS                                answers everybody what is on stdin
//! ```
//!
//! SYSTEM is `toystore` (POST /orders over HTTP/1.1) or `etcd` (Put over gRPC). READS are products
//! read beside the orders, each second: what is read gets into the cache, what is bought must leave
//! it.

mod constant;
mod wire;

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use wire::{Connection, Target};

/// What is not counted at the start of a closed loop.
const WARM_UP: Duration = Duration::from_millis(500);

/// How long writes that are counted may take.
const COUNT_DEADLINE: Duration = Duration::from_secs(600);

/// Between two writes of an open loop to the same address.
const EVERY: Duration = Duration::from_millis(4);

/// When a write of an open loop is given up.
const DEADLINE: Duration = Duration::from_secs(1);

/// Writes of an open loop under way at once, to the same address.
const OUTSTANDING_MAX: usize = 400;

/// Streams on one HTTP/2 connection of a closed loop.
const CLIENTS_PER_CONNECTION: usize = 4;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments[..] {
        ["closed", system, address, clients, seconds, reads] => {
            let target = Target::new(system, address)?;
            let extent = Extent {
                seconds: Duration::from_secs_f64(seconds.parse()?),
                writes: u64::MAX,
                reads: reads.parse()?,
            };
            runtime.block_on(closed(target, clients.parse()?, extent))
        }
        ["count", system, address, clients, writes] => {
            let target = Target::new(system, address)?;
            let extent = Extent { seconds: COUNT_DEADLINE, writes: writes.parse()?, reads: 0 };
            runtime.block_on(closed(target, clients.parse()?, extent))
        }
        ["constant", address] => {
            let mut answer = Vec::new();
            std::io::stdin().read_to_end(&mut answer)?;
            constant::serve(address, &answer)
        }
        ["open", system, addresses, seconds] => {
            let targets = addresses.split(',').map(|address| Target::new(system, address));
            let seconds = Duration::from_secs_f64(seconds.parse()?);
            runtime.block_on(open(targets.collect::<Result<_, _>>()?, seconds))
        }
        _ => Err("usage: load closed SYSTEM ADDRESS CLIENTS SECONDS READS\n\
                  \x20      load count SYSTEM ADDRESS CLIENTS WRITES\n\
                  \x20      load open SYSTEM ADDRESS,… SECONDS\n\
                  \x20      load constant ADDRESS"
            .into()),
    }
}

/// What a closed loop has counted.
struct Counts {
    /// Every write that succeeded, warm-up too: what the servers' CPU time is divided by.
    all: AtomicU64,
    /// Those that began and ended in the measured time, by their latency in microseconds.
    measured: Mutex<Histogram<u64>>,
    failed: AtomicU64,
    first_failure: Mutex<Option<String>>,
}

impl Counts {
    fn fail(&self, why: &Failure) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.first_failure.lock().unwrap().get_or_insert_with(|| why.to_string());
    }
}

/// How long a closed loop lasts, and what goes on beside it.
#[derive(Clone, Copy)]
struct Extent {
    /// After the warm-up.
    seconds: Duration,
    /// When so many have succeeded, it ends sooner.
    writes: u64,
    /// Products read each second.
    reads: u32,
}

async fn closed(target: Target, clients: usize, extent: Extent) -> Result<(), Failure> {
    let Extent { seconds, writes, reads } = extent;
    let target = Arc::new(target);
    let counts = Arc::new(Counts {
        all: AtomicU64::new(0),
        measured: Mutex::new(Histogram::new(3)?),
        failed: AtomicU64::new(0),
        first_failure: Mutex::new(None),
    });
    let mut connections = Vec::new();
    for client in 0..clients {
        let shared = if client % CLIENTS_PER_CONNECTION == 0 { None } else { connections.last() };
        match shared.and_then(Connection::share) {
            Some(shared) => connections.push(shared),
            None => connections.push(target.connect().await?),
        }
    }
    let measured = Instant::now() + WARM_UP;
    let end = measured + seconds;
    if reads > 0 {
        tokio::spawn(read(target.clone(), reads));
    }
    let mut tasks = Vec::new();
    for mut connection in connections {
        let (target, counts) = (target.clone(), counts.clone());
        tasks.push(tokio::spawn(async move {
            while Instant::now() < end && counts.all.load(Ordering::Relaxed) < writes {
                let began = Instant::now();
                let written = connection.exchange(target.write()).await;
                let ended = Instant::now();
                if let Err(why) = written {
                    counts.fail(&why);
                    match target.connect().await {
                        Ok(anew) => connection = anew,
                        Err(_) => tokio::time::sleep(EVERY).await,
                    }
                    continue;
                }
                counts.all.fetch_add(1, Ordering::Relaxed);
                if began >= measured && ended <= end {
                    let micros = (ended - began).as_micros() as u64;
                    counts.measured.lock().unwrap().record(micros.max(1)).unwrap();
                }
            }
        }));
    }
    for task in tasks {
        task.await?;
    }
    let measured = counts.measured.lock().unwrap();
    println!(
        "{{\"per_second\":{:.1},\"p50_us\":{},\"p99_us\":{},\"all\":{},\"failed\":{},\
         \"first_failure\":{:?}}}",
        measured.len() as f64 / seconds.as_secs_f64(),
        measured.value_at_quantile(0.5),
        measured.value_at_quantile(0.99),
        counts.all.load(Ordering::Relaxed),
        counts.failed.load(Ordering::Relaxed),
        counts.first_failure.lock().unwrap().clone().unwrap_or_default(),
    );
    Ok(())
}

/// Reads toys beside the writes, for as long as the process lives.
async fn read(target: Arc<Target>, per_second: u32) {
    let Ok(mut connection) = target.connect().await else { return };
    loop {
        tokio::time::sleep(Duration::from_secs(1) / per_second).await;
        if connection.exchange(target.read()).await.is_err() {
            return;
        }
    }
}

/// What an open loop has counted.
#[derive(Default)]
struct Answers {
    /// When each write succeeded, in milliseconds since the start.
    succeeded: Mutex<Vec<String>>,
    failed: AtomicU64,
    skipped: AtomicU64,
}

async fn open(targets: Vec<Target>, seconds: Duration) -> Result<(), Failure> {
    let answers = Arc::new(Answers::default());
    let began = Instant::now();
    println!("started");
    let loops = targets
        .into_iter()
        .map(|target| tokio::spawn(open_one(Arc::new(target), answers.clone(), began, seconds)));
    for each in loops.collect::<Vec<_>>() {
        each.await?;
    }
    println!(
        "{{\"succeeded_ms\":[{}],\"failed\":{},\"skipped\":{}}}",
        answers.succeeded.lock().unwrap().join(","),
        answers.failed.load(Ordering::Relaxed),
        answers.skipped.load(Ordering::Relaxed),
    );
    Ok(())
}

async fn open_one(target: Arc<Target>, answers: Arc<Answers>, began: Instant, seconds: Duration) {
    let idle: Arc<Mutex<Vec<Connection>>> = Arc::default();
    let free = Arc::new(tokio::sync::Semaphore::new(OUTSTANDING_MAX));
    let mut next = tokio::time::interval(EVERY);
    while began.elapsed() < seconds {
        next.tick().await;
        let Ok(permit) = free.clone().try_acquire_owned() else {
            answers.skipped.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let (target, answers, idle) = (target.clone(), answers.clone(), idle.clone());
        tokio::spawn(async move {
            let write = async {
                let kept = idle.lock().unwrap().pop();
                let mut connection = match kept {
                    Some(kept) => kept,
                    None => target.connect().await?,
                };
                // A stream each: others need not wait until this one is answered.
                idle.lock().unwrap().extend(connection.share());
                connection.exchange(target.write()).await?;
                if connection.share().is_none() {
                    idle.lock().unwrap().push(connection);
                }
                Ok::<(), Failure>(())
            };
            if matches!(tokio::time::timeout(DEADLINE, write).await, Ok(Ok(()))) {
                let millis = format!("{:.2}", began.elapsed().as_secs_f64() * 1e3);
                answers.succeeded.lock().unwrap().push(millis);
            } else {
                answers.failed.fetch_add(1, Ordering::Relaxed);
            }
            drop(permit);
        });
    }
}
