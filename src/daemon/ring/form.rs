//! The form of one place of a ring file.

use std::sync::Arc;

use crate::model::{Drop, Ended, Fire, Output, Record, Report};

/// Bytes of one place: a disk writes a sector of 512 bytes whole or not at all.
pub const PLACE: usize = 512;

/// Marks a place in use, and the form of what is in it.
const MAGIC: u32 = 0x6372_6b31;

/// Magic, length, checksum, number.
const HEADER: usize = 20;

/// The bytes of one place. They are kept until the store has them, and handed to more than one file.
pub type Place = Arc<[u8; PLACE]>;

/// Whether a record must be in the ring when it is decided: those that something is carried out
/// for, or that could not be decided the same way again.
pub fn belongs(record: &Record) -> bool {
    match record {
        Record::Fire(_) | Record::New(_) | Record::Start(_) | Record::Drop(_) | Record::Back(_) => {
            true
        }
        // The worker's ledger keeps these until the store has them; an end that must wait long for
        // the store is put into the ring later.
        Record::Spawned(_) | Record::Ended(_) => false,
        Record::Gap(_) | Record::Note(_) => false,
    }
}

/// The place for a record; nothing where it does not fit even without its words.
pub fn encode(number: i64, record: &Record) -> Option<Place> {
    let fits = |record: &Record| {
        let body = serde_json::to_vec(record).ok()?;
        (body.len() <= PLACE - HEADER).then_some(body)
    };
    let body = fits(record).or_else(|| {
        let mut shorter = shorter(record);
        shorter.find_map(|r| fits(&r))
    })?;
    let mut place = [0_u8; PLACE];
    place[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    place[4..8].copy_from_slice(&u32::try_from(body.len()).ok()?.to_le_bytes());
    place[12..20].copy_from_slice(&number.to_le_bytes());
    place[HEADER..HEADER + body.len()].copy_from_slice(&body);
    let sum = crc32fast::hash(&place[12..HEADER + body.len()]);
    place[8..12].copy_from_slice(&sum.to_le_bytes());
    Some(Arc::new(place))
}

/// The record with ever fewer words: what people and workers say may be of any length, and the
/// decision stands without it.
fn shorter(record: &Record) -> impl Iterator<Item = Record> {
    let mut less = Vec::new();
    match record {
        Record::Fire(fire) => less.push(Record::Fire(Fire {
            note: None,
            ..fire.clone()
        })),
        Record::Drop(drop) => less.push(Record::Drop(Drop {
            reason: drop.outcome.to_string(),
            ..drop.clone()
        })),
        Record::Ended(ended) => {
            let report = ended.report.clone().map(|report| Report {
                reason: None,
                ..report
            });
            let once = Ended {
                report: report.clone(),
                ..*ended.clone()
            };
            let twice = Ended {
                reason: None,
                ..once.clone()
            };
            // The run says whose it is.
            let bare = Ended {
                job: String::new(),
                ..twice.clone()
            };
            less.extend([once, twice, bare].map(|e| Record::Ended(Box::new(e))));
        }
        _ => {}
    }
    less.into_iter()
}

/// The end of an attempt as it stands in the ring: its output is not with it, and is lost should
/// the record be needed.
pub fn without_output(ended: &Ended) -> Record {
    let report = ended.report.clone().map(|report| Report {
        output: Output {
            dropped: report.output.total,
            ..report.output
        },
        ..report
    });
    Record::Ended(Box::new(Ended {
        report,
        ..ended.clone()
    }))
}

/// Reads one place; nothing where it was never written, is torn, or is of another form.
pub fn decode(place: &[u8]) -> Option<(i64, Record)> {
    let word = |at: usize| -> Option<[u8; 4]> { place.get(at..at + 4)?.try_into().ok() };
    if u32::from_le_bytes(word(0)?) != MAGIC {
        return None;
    }
    let length = u32::from_le_bytes(word(4)?) as usize;
    let body = place.get(HEADER..HEADER.checked_add(length)?)?;
    let sum = crc32fast::hash(place.get(12..HEADER + length)?);
    if sum != u32::from_le_bytes(word(8)?) {
        return None;
    }
    let number = i64::from_le_bytes(place.get(12..20)?.try_into().ok()?);
    Some((number, serde_json::from_slice(body).ok()?))
}
