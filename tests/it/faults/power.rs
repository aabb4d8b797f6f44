//! Power cuts at any moment, on a disk with a volatile cache.

use std::path::PathBuf;
use std::process::Command;

use super::disk::Disk;
use super::disks;
use super::image::Images;
use super::namespace::{Mounted, another_boot, apart, finished};
use super::recording::{Acked, record};
use super::recovered::{Found, Recovery};
use crate::sim::dice::Dice;
use crate::support::instance::Instance;

/// Bytes of the disk.
const SIZE: u64 = 64 << 20;

/// A disk under the home of an instance, and what was done on it.
struct Scene {
    instance: Instance,
    base: Vec<u8>,
    disk: Disk,
    acked: Acked,
}

/// Lets a daemon work for a while on a disk that logs.
fn play(ms: i64) -> Scene {
    let mut instance = Instance::new();
    let plain = plain_disk(&instance);
    let base = std::fs::read(&plain).unwrap();
    let disk = Disk::mount(&plain, base.clone());
    let home = instance.sandbox.path("home");
    std::fs::create_dir(&home).unwrap();
    let mounted = Mounted::new(&plain, &home).unwrap();
    instance.start();
    let acked = record(&instance, &disk, ms);
    instance.kill_all();
    drop(mounted);
    Scene {
        instance,
        base,
        disk,
        acked,
    }
}

/// A file with an empty file system in it.
fn plain_disk(instance: &Instance) -> PathBuf {
    let file = instance.sandbox.file("disk", b"");
    std::fs::File::options()
        .write(true)
        .open(&file)
        .and_then(|f| f.set_len(SIZE))
        .unwrap();
    let mut mkfs = Command::new("/usr/sbin/mkfs.ext4");
    mkfs.args(["-q", "-F", "-b", "4096", "-J", "size=8"]);
    mkfs.args(["-E", "lazy_itable_init=0,lazy_journal_init=0"]);
    finished(mkfs.arg(&file)).unwrap();
    file
}

/// Cuts the power at so many moments; gives what was found after each.
fn cut(scene: &mut Scene, cuts: usize, ignored: usize, seed: u64) -> Vec<Found> {
    let log = scene.disk.log();
    let mut dice = Dice::new(seed);
    // Before the first acknowledgement there is nothing to lose.
    let first = scene.acked.first();
    let span = i64::try_from(log.len() - first).unwrap();
    // Every second one falls right after an acknowledged start, when least had time to be flushed.
    let starts: Vec<usize> = scene.acked.starts.iter().map(|a| a.0).collect();
    let after_start = |dice: &mut Dice| dice.pick(&starts).map(|at| (*at).max(first));
    let mut at: Vec<usize> = (0..cuts)
        .map(|n| match after_start(&mut dice).filter(|_| n % 2 == 0) {
            Some(at) => at,
            None => first + usize::try_from(dice.below(span)).unwrap(),
        })
        .collect();
    at.sort_unstable();
    let mut images = Images::new(scene.base.clone(), &log, ignored);
    let mut recovery = Recovery::of(&scene.instance, &scene.acked);
    at.into_iter()
        .map(|cut| recovery.after(cut, &images.after(cut, &mut dice)))
        .collect()
}

fn honest(ms: i64, cuts: usize) {
    apart(|| {
        let mut scene = play(ms);
        another_boot(&scene.instance.sandbox.path("boot"));
        let found = cut(&mut scene, cuts, 0, 1);
        let sum = |of: fn(&Found) -> usize| found.iter().map(of).sum::<usize>();
        println!(
            "{} cuts in {} entries: {} acknowledged starts, {} ends, {} definitions; {} interrupted; {} ms each",
            found.len(),
            scene.disk.position(),
            sum(|f| f.starts),
            sum(|f| f.ends),
            sum(|f| f.definitions),
            sum(|f| f.interrupted),
            sum(|f| f.took_ms) / cuts,
        );
        let faults: Vec<&String> = found.iter().flat_map(|f| &f.faults).collect();
        assert!(faults.is_empty(), "{faults:#?}");
        assert!(
            sum(|f| f.ends) > 0 && sum(|f| f.definitions) > 0,
            "nothing was at stake"
        );
    });
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    if disks() {
        honest(6_000, 10);
    }
}

#[test]
#[ignore = "200 cuts take minutes"]
fn two_hundred_power_cuts_lose_nothing_that_was_acknowledged() {
    if disks() {
        honest(30_000, 200);
    }
}

#[test]
fn a_disk_that_lies_about_its_flushes_is_seen_to_lose() {
    if !disks() {
        return;
    }
    apart(|| {
        let mut scene = play(4_000);
        another_boot(&scene.instance.sandbox.path("boot"));
        let found = cut(&mut scene, 8, 60, 2);
        let losing = found.iter().filter(|f| !f.faults.is_empty()).count();
        let broken = found.iter().filter(|f| f.broken).count();
        let silent: Vec<&Found> = found.iter().filter(|f| f.broken && !f.told).collect();
        println!("a lying disk: {losing} of 8 images lose, {broken} stores are broken");
        assert!(
            losing > 0,
            "the harness sees no loss where there must be some"
        );
        assert!(silent.is_empty(), "damage that nobody tells: {silent:#?}");
    });
}
