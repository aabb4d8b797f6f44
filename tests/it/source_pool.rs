//! The pool, with connections that are no more than a number and clocks that are set.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use crake::model::PoolLimits;
use crake::source::{
    Answer, Canceller, Connection, ErrorKind, Pool, PoolEvent, Query, Result, SourceError,
};

use crate::support::wait::until;

/// What the tests see of all connections of a pool.
#[derive(Default)]
struct World {
    now: AtomicI64,
    opened: AtomicU32,
    closed: Mutex<Vec<u32>>,
    broken: AtomicBool,
    refuses: AtomicBool,
    stopped: AtomicU32,
    gate: Mutex<bool>,
    open_gate: Condvar,
}

struct Fake {
    id: u32,
    world: Arc<World>,
    gone: bool,
}

struct Stop(Arc<World>);

impl Canceller for Stop {
    fn cancel(&self) {
        self.0.stopped.fetch_add(1, Ordering::SeqCst);
    }
}

impl Connection for Fake {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn query(&mut self, query: &Query) -> Result<Answer> {
        if query.sql == "wait" {
            let mut open = self.world.gate.lock().expect("a gate");
            while !*open {
                open = self.world.open_gate.wait(open).expect("a gate");
            }
        }
        if query.sql == "break" || self.world.broken.swap(false, Ordering::SeqCst) {
            self.gone = true;
            return Err(SourceError::new(ErrorKind::Gone, "it broke"));
        }
        Ok(Answer {
            connection: self.id(),
            ..Answer::default()
        })
    }

    fn ping(&mut self) -> Result<()> {
        match self.world.broken.swap(false, Ordering::SeqCst) {
            true => Err(SourceError::new(ErrorKind::Gone, "it broke")),
            false => Ok(()),
        }
    }

    fn canceller(&self) -> Arc<dyn Canceller> {
        Arc::new(Stop(self.world.clone()))
    }

    fn is_gone(&self) -> bool {
        self.gone
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.world.closed.lock().expect("a list").push(self.id);
    }
}

fn pool(max: u32) -> (Arc<World>, Pool<Fake>) {
    pool_of(max, 5_000)
}

fn pool_of(max: u32, acquire_ms: i64) -> (Arc<World>, Pool<Fake>) {
    let world = Arc::new(World::default());
    let limits = PoolLimits {
        max,
        acquire_ms,
        ..PoolLimits::default()
    };
    let (clock, maker) = (world.clone(), world.clone());
    let ticks = Arc::new(move || clock.now.load(Ordering::SeqCst));
    let open = Box::new(move |_: &str| {
        if maker.refuses.load(Ordering::SeqCst) {
            return Err(SourceError::new(ErrorKind::Connect, "refused"));
        }
        Ok(Fake {
            id: maker.opened.fetch_add(1, Ordering::SeqCst) + 1,
            world: maker.clone(),
            gone: false,
        })
    });
    (world, Pool::new(limits, ticks, open))
}

impl World {
    fn set(&self, now: i64) {
        self.now.store(now, Ordering::SeqCst);
    }

    fn closed(&self) -> Vec<u32> {
        self.closed.lock().expect("a list").clone()
    }
}

fn query(sql: &str) -> Query {
    Query::new(sql, "watch")
}

#[test]
fn source_pool_uses_a_connection_again_and_the_last_one_first() {
    let (_, pool) = pool(4);
    assert_eq!(pool.run(&query("x")).expect("an answer").connection, "1");
    let first = pool.checkout("a", "x", 1_000).expect("one");
    let second = pool.checkout("b", "x", 1_000).expect("another");
    let gauges = pool.gauges();
    assert_eq!(
        (gauges.size, gauges.in_use, gauges.idle, gauges.opened),
        (2, 2, 0, 2)
    );
    drop(first);
    drop(second);
    assert_eq!(pool.run(&query("x")).expect("an answer").connection, "2");
    let gauges = pool.gauges();
    assert_eq!(
        (gauges.size, gauges.in_use, gauges.idle, gauges.closed),
        (2, 0, 2, 0)
    );
}

#[test]
fn source_pool_closes_what_is_idle_or_old() {
    let (world, pool) = pool(4);
    pool.run(&query("x")).expect("an answer");
    world.set(59_999);
    assert_eq!(pool.check(59_999), []);
    assert!(world.closed().is_empty());
    pool.check(60_000);
    assert_eq!(world.closed(), [1]);
    // Used every 20 s it is never idle for long, and ends of age: 30 minutes, a tenth more or less.
    let mut now = 60_000;
    while world.opened.load(Ordering::SeqCst) < 3 {
        now += 20_000;
        world.set(now);
        pool.run(&query("x")).expect("an answer");
        pool.check(now);
    }
    let lived = now - 80_000;
    assert!((1_620_000..=2_000_000).contains(&lived), "{lived}");
}

#[test]
fn source_pool_tries_what_was_idle_for_long() {
    let (world, pool) = pool(4);
    pool.run(&query("x")).expect("an answer");
    world.set(30_000);
    world.broken.store(true, Ordering::SeqCst);
    assert_eq!(pool.run(&query("x")).expect("an answer").connection, "2");
    let gauges = pool.gauges();
    assert_eq!(
        (gauges.ping_failures, gauges.closed, gauges.size),
        (1, 1, 1)
    );
}

#[test]
fn source_pool_replaces_a_broken_connection_once_and_only_to_read() {
    let (world, pool) = pool(4);
    pool.run(&query("x")).expect("an answer");
    world.broken.store(true, Ordering::SeqCst);
    assert_eq!(pool.run(&query("x")).expect("an answer").connection, "2");
    world.broken.store(true, Ordering::SeqCst);
    let mut write = query("x");
    write.write = true;
    assert_eq!(
        pool.run(&write).expect_err("it may have been done").kind,
        ErrorKind::Gone
    );
    assert_eq!(
        pool.run(&query("break")).expect_err("a new one").kind,
        ErrorKind::Gone
    );
    assert_eq!(pool.gauges().size, 0);
}

#[test]
fn source_pool_serves_those_who_wait_in_turn() {
    let (world, pool) = pool(1);
    let held = pool.checkout("holder", "x", 60_000).expect("one");
    let order = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for n in 0..3_u32 {
            let (pool, order) = (&pool, &order);
            scope.spawn(move || {
                let checkout = pool.checkout("waiter", "x", 1_000).expect("in turn");
                order.lock().expect("a list").push(n);
                drop(checkout);
            });
            until("it stands in line", || {
                (pool_waiters(pool) == n + 1).then_some(())
            });
        }
        world.set(700);
        assert_eq!(pool.gauges().longest_wait_ms, 700);
        drop(held);
    });
    assert_eq!(*order.lock().expect("a list"), [0, 1, 2]);
    let gauges = pool.gauges();
    assert_eq!(
        (gauges.opened, gauges.waiters, gauges.longest_wait_ms),
        (1, 0, 700)
    );
}

fn pool_waiters(pool: &Pool<Fake>) -> u32 {
    pool.gauges().waiters
}

#[test]
fn source_pool_that_is_exhausted_says_so() {
    let (world, pool) = pool_of(1, 50);
    let held = pool.checkout("holder", "x", 60_000).expect("one");
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| pool.run(&query("x")));
        until("it stands in line", || {
            (pool.gauges().waiters == 1).then_some(())
        });
        world.set(50);
        let error = asked.join().expect("an answer").expect_err("none was free");
        assert_eq!(error.kind, ErrorKind::Pool);
        assert_eq!(
            error.message,
            "no connection became free within 50 ms: 1 of 1 are in use, by holder for 50 ms"
        );
    });
    let gauges = pool.gauges();
    assert_eq!((gauges.acquire_timeouts, gauges.longest_wait_ms), (1, 50));
    drop(held);
    pool.run(&query("x")).expect("free again");
}

#[test]
fn source_pool_names_a_leak_and_frees_its_place() {
    let (world, pool) = pool(1);
    let held = pool.checkout("orders", "SELECT 1", 10_000).expect("one");
    assert_eq!(pool.check(15_000), []);
    let leak = PoolEvent::Leak {
        owner: "orders".to_owned(),
        sql: "SELECT 1".to_owned(),
        held_ms: 15_001,
        connection: "1".to_owned(),
    };
    world.set(15_001);
    assert_eq!(pool.check(15_001), [leak]);
    assert_eq!(pool.check(15_002), [], "told once");
    until("it is ended from outside", || {
        (world.stopped.load(Ordering::SeqCst) == 1).then_some(())
    });
    assert_eq!(
        pool.run(&query("x")).expect("its place is free").connection,
        "2"
    );
    drop(held);
    assert_eq!(world.closed(), [1], "closed, not used again");
    let gauges = pool.gauges();
    assert_eq!(
        (gauges.leaks, gauges.closed, gauges.size, gauges.opened),
        (1, 1, 1, 2)
    );
}

#[test]
fn source_pool_leaves_a_query_behind_that_cannot_be_stopped() {
    let (world, pool) = pool(1);
    let mut stuck = query("wait");
    stuck.timeout_ms = 1;
    assert_eq!(
        pool.run(&stuck).expect_err("its limit passed").kind,
        ErrorKind::Timeout
    );
    let events = pool.check(0);
    assert!(
        matches!(&events[..], [PoolEvent::Leak { owner, sql, .. }] if owner == "watch" && sql == "wait")
    );
    assert_eq!(
        pool.run(&query("x")).expect("its place is free").connection,
        "2"
    );
    *world.gate.lock().expect("a gate") = true;
    world.open_gate.notify_all();
    until("it is closed when it ends after all", || {
        (world.closed() == [1]).then_some(())
    });
    assert_eq!(pool.gauges().leaks, 1);
}

#[test]
fn source_pool_keeps_no_place_for_what_cannot_be_opened() {
    let (world, pool) = pool(1);
    world.refuses.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(
            pool.run(&query("x")).expect_err("refused").kind,
            ErrorKind::Connect
        );
    }
    world.refuses.store(false, Ordering::SeqCst);
    pool.run(&query("x")).expect("an answer");
    let gauges = pool.gauges();
    assert_eq!((gauges.size, gauges.opened, gauges.closed), (1, 1, 0));
}
