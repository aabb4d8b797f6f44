//! Slots that are set aside for a full disk, and slots in memory while the disk does not answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crake::clock::SystemClock;
use crake::model::{Fence, Holding};
use crake::process::{Pool, identity, refuge_of};

use crate::process_house::House;
use crate::support::wait::until;

#[test]
fn slots_are_set_aside_with_room_for_what_is_written_in_place() {
    let mut house = House::new();
    let pool = house.pool.take().unwrap();
    house.pool = Some(pool.with_reserve(9));
    let slots = house.slots();
    let size = |slot: u32, file: &str| {
        let found = std::fs::metadata(slots.join(slot.to_string()).join(file));
        found.map_or(0, |m| m.len())
    };
    until("nine slots", || {
        house.turn(Duration::ZERO);
        (1..=9)
            .all(|slot| size(slot, "ledger") == 4096 && size(slot, "out") == 8192)
            .then_some(())
    });
    assert_eq!(size(10, "ledger"), 0);
}

#[test]
fn runs_start_in_memory_while_the_disk_is_not_to_be_touched_and_on_it_afterwards() {
    let mut house = House::new();
    let refuge = house.dir.path().join("refuge");
    std::fs::create_dir(&refuge).unwrap();
    house.run_line(1, "exit 1");
    assert_eq!(house.ended_in(1), None);
    let pool = house.pool();
    pool.take_refuge(1, refuge.join("slots")).unwrap();
    house.run_line(2, "exit 2");
    assert_eq!(
        house.ended_in(2),
        Some(1),
        "an idle worker on the disk is passed over"
    );
    house.run_line(3, "exit 3");
    let pool = house.pool();
    pool.leave_refuge();
    house.run_line(4, "exit 4");
    assert_eq!(house.ended_in(4), None);
    house.ended_in(3);
    (1..=4).for_each(|fence| house.pool().collected(Fence(fence)));
    until("nothing is left in memory", || {
        house.turn(Duration::from_millis(5));
        (!refuge.exists()).then_some(())
    });
}

#[test]
fn the_next_core_finds_runs_in_memory() {
    let mut house = House::new();
    let refuge = house.dir.path().join("refuge");
    std::fs::create_dir(&refuge).unwrap();
    let slots = refuge.join("slots");
    house.pool().take_refuge(1, slots.clone()).unwrap();
    house.run_line(1, "exit 7");
    assert_eq!(house.ended_in(1), Some(1));
    house.crash();
    let found = house.reopen_with_refuge(slots);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].fence(), Fence(1));
}

impl House {
    fn reopen_with_refuge(&mut self, slots: PathBuf) -> Vec<Holding> {
        let boot = identity::boot_id().unwrap();
        let pool = Pool::open(&self.slots(), Arc::new(SystemClock), boot).unwrap();
        let mut pool = pool.with_program(env!("CARGO_BIN_EXE_crake"));
        pool.with_refuges([(1, slots)].into_iter());
        let found = pool.survey();
        self.pool = Some(pool);
        found
    }

    fn run_line(&mut self, fence: i64, line: &str) {
        let order = self.line(fence, line);
        self.start(&order);
    }

    /// Waits for the end of an attempt and says which refuge its slot is in.
    fn ended_in(&mut self, fence: i64) -> Option<u32> {
        self.ended(fence);
        refuge_of(self.pool().slot_of(Fence(fence)).unwrap())
    }
}
