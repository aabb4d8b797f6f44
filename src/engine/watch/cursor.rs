//! Mode `cursor`: rows after the last one, none lost that commits late.

use std::cmp::Ordering;

use crate::engine::watch::digest::{Against, Digest, Fresh, Unusable, keyed, nothing};
use crate::engine::watch::order::compare_keys;
use crate::model::{Cell, Floor, Initial, Mark, Memory, Page, PollId, Rows, Watch};

/// Places of a cursor kept while transactions are under way.
const MARKS: usize = 64;

pub(in crate::engine::watch) fn after_cursor(
    watch: &Watch,
    rows: &Rows,
    against: &Against<'_>,
) -> Result<Digest, Unusable> {
    let mut all = keyed(watch, rows)?;
    let in_order = |pair: &[Fresh]| compare_keys(&pair[0].key_cells, &pair[1].key_cells).is_le();
    if rows.truncated && !all.windows(2).all(in_order) {
        return Err(Unusable(format!(
            "there are more rows than the {} that are taken at once, and they do not come in the \
             order of the key: add ORDER BY {}",
            rows.rows.len(),
            watch.key.join(", ")
        )));
    }
    all.sort_by(|a, b| compare_keys(&a.key_cells, &b.key_cells));
    check_keys(watch, &all)?;
    let mut memory = against.memory.clone();
    let last = all.last().map(|f| f.key_cells.clone());
    let farther = |key: &Vec<Cell>| {
        let cursor = memory.cursor.as_ref();
        cursor.is_none_or(|c| compare_keys(c, key) == Ordering::Less)
    };
    if let Some(key) = last.clone().filter(farther) {
        memory.cursor = Some(key);
    }
    if !memory.begun || only_begins(watch, against) {
        begin(watch, &mut memory, against);
    }
    if against.only_begins {
        memory.page = None;
        return Ok(Digest {
            memory,
            ..nothing(against)
        });
    }
    let full = rows.truncated || all.len() >= watch.max_rows as usize;
    if full {
        check_progress(watch, &memory, last.as_ref())?;
    }
    let began = memory.page.take().map_or_else(
        || against.transactions.map(|(oldest, _)| oldest),
        |page| page.oldest,
    );
    let mut final_through = None;
    if let (true, Some(after)) = (full, last) {
        let oldest = began;
        memory.page = Some(Page { after, oldest });
    } else {
        final_through = settle_floor(&mut memory, began, against);
    }
    let after_began = |f: &Fresh| {
        let began = memory.began.as_ref();
        began.is_none_or(|began| compare_keys(&f.key_cells, began).is_gt())
    };
    all.retain(|f| after_began(f) && !against.seen.contains(&f.key));
    Ok(Digest {
        seen: all.iter().map(|f| f.key.clone()).collect(),
        fresh: all,
        more: full,
        final_through,
        memory,
        note: None,
    })
}

/// Whether what is read only tells where the cursor begins. Where the query has a `:cursor` of its
/// own, and where a command is asked, that is all there is, in pages where it is much.
fn only_begins(watch: &Watch, against: &Against<'_>) -> bool {
    let memory = against.memory;
    let page = memory.page.as_ref();
    let reads_on = page.is_some_and(|page| memory.began.as_ref() == Some(&page.after));
    watch.initial == Initial::Now && (!memory.begun || reads_on)
}

/// Notes where the cursor begins.
fn begin(watch: &Watch, memory: &mut Memory, against: &Against<'_>) {
    memory.began = match &watch.initial {
        Initial::Value(cells) => Some(cells.clone()),
        Initial::Now => memory.cursor.clone(),
        Initial::Min => None,
    };
    if against.transactions.is_some() {
        memory.floor = Some(first_floor(watch, memory));
    }
}

/// A result that is read in pages must come nearer to its end with each.
fn check_progress(
    watch: &Watch,
    memory: &Memory,
    last: Option<&Vec<Cell>>,
) -> Result<(), Unusable> {
    let (Some(page), Some(last)) = (&memory.page, last) else {
        return Ok(());
    };
    if compare_keys(last, &page.after).is_gt() {
        return Ok(());
    }
    let columns = watch.key.join(", ");
    Err(Unusable(format!(
        "there are more rows than are taken at once, and the same came again: of those whose \
         {columns} is greater than :cursor give the first, in the order of {columns}, or take more \
         at once with --max-rows"
    )))
}

/// Where the floor is at the first poll. What commits late below the place where a cursor begins
/// counts as there before it began.
fn first_floor(watch: &Watch, memory: &Memory) -> Floor {
    match (&watch.initial, &memory.cursor) {
        (Initial::Value(cells), _) => Floor::At(cells.clone()),
        (Initial::Now, Some(cursor)) => Floor::At(cursor.clone()),
        (Initial::Now | Initial::Min, _) => Floor::Start,
    }
}

fn check_keys(watch: &Watch, sorted: &[Fresh]) -> Result<(), Unusable> {
    let columns = watch.key.join(", ");
    if sorted.iter().any(|f| f.key_cells.contains(&Cell::Null)) {
        return Err(Unusable(format!(
            "a row has NULL in the key ({columns}): it can be put in no order"
        )));
    }
    let same = |pair: &&[Fresh]| pair[0].key == pair[1].key;
    match sorted.windows(2).find(same) {
        Some(pair) => Err(Unusable(format!(
            "two rows have the same key ({columns} = {}): name more columns with --key",
            pair[0].key
        ))),
        None => Ok(()),
    }
}

/// Moves the floor to the farthest place at which the cursor was when every transaction that was
/// under way then is over now: what those wrote has just been read. Gives the poll that the floor
/// comes from. Sources without transaction numbers have no floor; there only the look-back holds.
fn settle_floor(memory: &mut Memory, oldest: Option<i64>, against: &Against<'_>) -> Option<PollId> {
    let (Some(oldest), Some((_, next))) = (oldest, against.transactions) else {
        return Some(against.poll);
    };
    let over = memory.marks.iter().rposition(|m| m.before <= oldest);
    let mut through = None;
    if let Some(at) = over {
        let mark = memory.marks.drain(..=at).next_back();
        if let Some(mark) = mark {
            memory.floor = Some(Floor::At(mark.cursor));
            through = Some(mark.poll);
        }
    }
    let Some(cursor) = memory.cursor.clone() else {
        return through;
    };
    let floor = match &memory.floor {
        Some(Floor::At(key)) => Some(key),
        Some(Floor::Start) | None => None,
    };
    let known = memory.marks.last().map(|m| &m.cursor).or(floor);
    if known != Some(&cursor) {
        memory.marks.push(Mark {
            before: next,
            cursor,
            poll: against.poll,
        });
    }
    // With very many places the finest distinctions go, never the oldest place.
    if memory.marks.len() > MARKS {
        memory.marks.remove(MARKS / 2);
    }
    through
}
