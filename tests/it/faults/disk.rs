//! A disk with a volatile cache: a file served over FUSE that logs every write and every flush.
//!
//! Under a loop device the file is a disk: what the file system sends there arrives as WRITE and
//! what it does to make it durable as FSYNC. From the log any moment of a power cut can be made
//! ([`super::image`]). The kernel's protocol is spoken directly; one file needs eight requests.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};

use super::namespace::finished;

/// What the disk was told.
pub enum Op {
    /// Bytes for an address. They may be lost in a power cut until the next flush.
    Write(u64, Vec<u8>),
    /// Everything before it is safe.
    Flush,
}

/// The disk.
pub struct Disk {
    log: Arc<Mutex<Vec<Op>>>,
}

impl Disk {
    /// Serves `content` as the file `at`, which must exist, in this thread's mount namespace.
    pub fn mount(at: &Path, content: Vec<u8>) -> Disk {
        let fuse = File::options().read(true).write(true).open("/dev/fuse");
        let fuse = fuse.expect("/dev/fuse");
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut server = Server {
            fuse: fuse.try_clone().expect("a descriptor"),
            content,
            log: Arc::clone(&log),
        };
        // The mounting process has the device as its standard input.
        let options = "fd=0,rootmode=100600,user_id=0,group_id=0,allow_other";
        let mut mount = Command::new("/usr/bin/mount");
        mount.args(["-i", "-t", "fuse", "-o", options, "cuttable"]);
        mount.arg(at).stdin(Stdio::from(fuse));
        finished(&mut mount).expect("a mount");
        // Not before: a device that is mounted nowhere refuses to be read.
        std::thread::spawn(move || server.serve());
        Disk { log }
    }

    /// How much the disk was told so far.
    pub fn position(&self) -> usize {
        self.log().len()
    }

    /// What the disk was told.
    pub fn log(&self) -> MutexGuard<'_, Vec<Op>> {
        self.log.lock().expect("the log")
    }
}

const GETATTR: u32 = 3;
const SETATTR: u32 = 4;
const OPEN: u32 = 14;
const READ: u32 = 15;
const WRITE: u32 = 16;
const STATFS: u32 = 17;
const RELEASE: u32 = 18;
const FSYNC: u32 = 20;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const DESTROY: u32 = 38;
/// Requests that get no answer: FORGET, INTERRUPT, BATCH_FORGET.
const MUTE: [u32; 3] = [2, 36, 42];

const LARGEST: usize = 128 << 10;
const NOT_KNOWN: i32 = -38;

struct Server {
    fuse: File,
    content: Vec<u8>,
    log: Arc<Mutex<Vec<Op>>>,
}

impl Server {
    // Until the mount is gone.
    fn serve(&mut self) {
        let mut request = vec![0; LARGEST + 4096];
        while let Ok(count) = self.fuse.read(&mut request) {
            let (op, unique) = (u32_at(&request, 4), u64_at(&request, 8));
            if MUTE.contains(&op) {
                continue;
            }
            let answer = self.answer(op, &request[40..count]);
            let (error, body) = match answer {
                Ok(body) => (0, body),
                Err(error) => (error, Vec::new()),
            };
            let length = u32::try_from(16 + body.len()).expect("a short answer");
            let mut reply = Vec::with_capacity(16 + body.len());
            reply.extend(length.to_ne_bytes());
            reply.extend(i32::to_ne_bytes(error));
            reply.extend(unique.to_ne_bytes());
            reply.extend(body);
            // A request that was given up in the meantime is no longer known.
            let _ = self.fuse.write(&reply);
        }
    }

    fn answer(&mut self, op: u32, body: &[u8]) -> Result<Vec<u8>, i32> {
        match op {
            INIT => Ok(greeting()),
            GETATTR | SETATTR => Ok(self.attributes()),
            // Direct I/O: nothing of the file is cached between the loop device and us.
            OPEN => Ok(words(&[0, 0, 1, 0])),
            READ => {
                let (from, count) = (u64_at(body, 8) as usize, u32_at(body, 16) as usize);
                let end = (from + count).min(self.content.len());
                Ok(self.content[from.min(end)..end].to_vec())
            }
            WRITE => {
                let (from, count) = (u64_at(body, 8) as usize, u32_at(body, 16));
                let bytes = &body[40..40 + count as usize];
                self.content[from..from + bytes.len()].copy_from_slice(bytes);
                self.log(Op::Write(from as u64, bytes.to_vec()));
                Ok(words(&[count, 0]))
            }
            FSYNC => {
                self.log(Op::Flush);
                Ok(Vec::new())
            }
            STATFS => Ok(vec![0; 80]),
            FLUSH | RELEASE | DESTROY => Ok(Vec::new()),
            _ => Err(NOT_KNOWN),
        }
    }

    fn log(&self, op: Op) {
        self.log.lock().expect("the log").push(op);
    }

    // struct fuse_attr_out: how long it holds, then the attributes of a regular file.
    fn attributes(&self) -> Vec<u8> {
        let size = self.content.len() as u64;
        let mut out = [3600, 0, 1, size, size / 512, 0, 0, 0]
            .iter()
            .flat_map(|word: &u64| word.to_ne_bytes())
            .collect::<Vec<u8>>();
        out.extend(words(&[0, 0, 0, 0o100_600, 1, 0, 0, 0, 4096, 0]));
        out
    }
}

// struct fuse_init_out of version 7.31: big writes, nothing else.
fn greeting() -> Vec<u8> {
    let largest = u32::try_from(LARGEST).expect("a size");
    let mut out = words(&[7, 31, 0, 1 << 5, 16 | 12 << 16, largest, 1]);
    out.resize(64, 0);
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
