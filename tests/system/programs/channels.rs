//! Threads, channels, locks, hash maps and a caught panic: what Rust's standard library asks of a kernel.
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{channel, sync_channel, RecvTimeoutError};
use std::sync::{Arc, Barrier, Condvar, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

const WORKERS: usize = 4;
const JOBS: usize = 400;

fn pipeline() -> u64 {
    let (jobs, work) = sync_channel::<u64>(8);
    let work = Arc::new(Mutex::new(work));
    let (results, sums) = channel();
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let work = Arc::clone(&work);
            let results = results.clone();
            thread::spawn(move || loop {
                let job = match work.lock().unwrap().recv() {
                    Ok(job) => job,
                    Err(_) => return,
                };
                results.send(job * job).unwrap();
            })
        })
        .collect();
    drop(results);
    for job in 0..JOBS as u64 {
        jobs.send(job).unwrap();
    }
    drop(jobs);
    let sum = sums.iter().sum();
    for worker in workers {
        worker.join().unwrap();
    }
    sum
}

fn ping_pong() -> u32 {
    let shared = Arc::new((Mutex::new(0u32), Condvar::new()));
    let other = Arc::clone(&shared);
    let player = thread::spawn(move || {
        let (count, changed) = &*other;
        for _ in 0..100 {
            let mut guard = changed.wait_while(count.lock().unwrap(), |n| *n % 2 == 0).unwrap();
            *guard += 1;
            changed.notify_one();
        }
    });
    let (count, changed) = &*shared;
    for _ in 0..100 {
        let mut guard = changed.wait_while(count.lock().unwrap(), |n| *n % 2 == 1).unwrap();
        *guard += 1;
        changed.notify_one();
    }
    player.join().unwrap();
    let total = *count.lock().unwrap();
    total
}

fn scoped() -> usize {
    let total = AtomicUsize::new(0);
    let barrier = Barrier::new(3);
    let table = RwLock::new(HashMap::new());
    thread::scope(|scope| {
        for index in 0..3usize {
            let (total, barrier, table) = (&total, &barrier, &table);
            scope.spawn(move || {
                table.write().unwrap().insert(format!("key {index}"), index);
                if barrier.wait().is_leader() {
                    total.fetch_add(1000, Ordering::SeqCst);
                }
                total.fetch_add(table.read().unwrap().len(), Ordering::SeqCst);
            });
        }
    });
    total.into_inner()
}

fn main() {
    println!("arguments {:?}", std::env::args().skip(1).collect::<Vec<_>>());
    println!("pipeline {}", pipeline());
    println!("ping-pong {}", ping_pong());
    println!("scoped {}", scoped());

    let (sender, receiver) = channel::<()>();
    let start = Instant::now();
    let outcome = receiver.recv_timeout(Duration::from_millis(20));
    println!("timeout {} {}", outcome == Err(RecvTimeoutError::Timeout), start.elapsed() >= Duration::from_millis(20));
    drop(sender);
    println!("disconnected {:?}", receiver.recv());

    std::panic::set_hook(Box::new(|_| {}));
    let panicked = thread::spawn(|| -> u32 { panic!("expected") }).join();
    println!("panic caught {}", panicked.is_err());

    let names: Vec<_> = (0..3)
        .map(|index| {
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .stack_size(64 * 1024)
                .spawn(|| thread::current().name().unwrap().to_owned())
                .unwrap()
        })
        .map(|handle| handle.join().unwrap())
        .collect();
    println!("names {names:?}");

    let mut input = String::new();
    println!("input {:?} {:?}", io::stdin().read_to_string(&mut input), input);
    io::stdout().flush().unwrap();
    std::process::exit(7);
}
