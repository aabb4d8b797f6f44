//! One time field: a comma list of items, read the way each cron's `get_list` reads it.

use crate::crontab::cursor::{Cursor, is_blank};
use crate::crontab::dialect::Rules;
use crate::crontab::field::Field;

/// How one item was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Star,
    Single,
    Range,
    Random,
}

/// One item of a list as the dialect understood it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item<'a> {
    pub shape: Shape,
    /// First and last value after the dialect's rewriting.
    pub low: i32,
    pub high: i32,
    pub step: Option<i32>,
    /// What the item matches; for a random one all it may come out as.
    pub bits: u64,
    /// The item as written, without what the dialect drops.
    pub text: &'a [u8],
}

/// A whole field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct List<'a> {
    pub star: bool,
    pub items: Vec<Item<'a>>,
}

impl List<'_> {
    pub fn bits(&self) -> u64 {
        self.items.iter().fold(0, |bits, item| bits | item.bits)
    }
}

/// What is wrong with a field, and where in the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub at: usize,
    pub kind: FaultKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FaultKind {
    Missing,
    NotANumber(Vec<u8>),
    StepOnSingleValue,
    ZeroStep,
    OutOfRange(i32),
    ReversedRandom,
    Junk(u8),
    ByteFf,
}

/// Reads one field and the blanks behind it.
pub(crate) fn read_list<'a>(
    cursor: &mut Cursor<'a>,
    field: Field,
    rules: &Rules,
) -> Result<List<'a>, Fault> {
    let star = cursor.peek() == b'*';
    let mut items = Vec::new();
    loop {
        items.push(read_item(cursor, field, rules)?);
        if cursor.peek() != b',' {
            break;
        }
        cursor.bump();
    }
    cursor.skip_nonblanks();
    cursor.skip_blanks();
    refuse_ff(cursor, rules)?;
    Ok(List { star, items })
}

/// Debian's readers return characters as `char`, so 0xFF in such a place ends the field in error.
fn refuse_ff(cursor: &Cursor<'_>, rules: &Rules) -> Result<(), Fault> {
    if rules.byte_ff_is_end && cursor.peek() == 0xff {
        return Err(Fault {
            at: cursor.position(),
            kind: FaultKind::ByteFf,
        });
    }
    Ok(())
}

fn read_item<'a>(cursor: &mut Cursor<'a>, field: Field, rules: &Rules) -> Result<Item<'a>, Fault> {
    let start = cursor.position();
    let mut item = read_span(cursor, field, rules)?;
    if matches!(item.shape, Shape::Star | Shape::Range) && cursor.peek() == b'/' {
        cursor.bump();
        item.step = Some(read_step(cursor, rules)?);
    } else if rules.zero_end_is_seven && item.low > item.high && item.high == 0 {
        item.high = 7;
    }
    item.text = cursor.since(start);
    refuse_ff(cursor, rules)?;
    let next = cursor.peek();
    if !rules.drops_junk && next != b',' && next != b'\n' && !is_blank(next) {
        return Err(Fault {
            at: cursor.position(),
            kind: FaultKind::Junk(next),
        });
    }
    item.bits = match item.shape {
        Shape::Random => random_bits(&item, field),
        _ => set_bits(&item, field, rules),
    }
    .map_err(|value| Fault {
        at: start,
        kind: FaultKind::OutOfRange(value),
    })?;
    Ok(item)
}

/// Reads what stands before a step: `*`, a value, a range or a random choice.
fn read_span<'a>(cursor: &mut Cursor<'a>, field: Field, rules: &Rules) -> Result<Item<'a>, Fault> {
    let start = cursor.position();
    let span = |shape, low, high| Item {
        shape,
        low,
        high,
        step: None,
        bits: 0,
        text: &[],
    };
    if cursor.peek() == b'*' {
        cursor.bump();
        return Ok(span(Shape::Star, field.low(), field.high()));
    }
    let low = if rules.random && cursor.peek() == b'~' {
        field.low()
    } else {
        read_number(cursor, field, rules)?
    };
    match cursor.peek() {
        b'-' => {
            cursor.bump();
            Ok(span(Shape::Range, low, read_number(cursor, field, rules)?))
        }
        b'~' if rules.random => {
            cursor.bump();
            let next = cursor.peek();
            let high = if next == b',' || next == b'\n' || is_blank(next) {
                field.high()
            } else {
                read_number(cursor, field, rules)?
            };
            if low > high {
                return Err(Fault {
                    at: start,
                    kind: FaultKind::ReversedRandom,
                });
            }
            Ok(span(Shape::Random, low, high))
        }
        b'/' => Err(Fault {
            at: cursor.position(),
            kind: FaultKind::StepOnSingleValue,
        }),
        _ => Ok(span(Shape::Single, low, low)),
    }
}

fn read_step(cursor: &mut Cursor<'_>, rules: &Rules) -> Result<i32, Fault> {
    let at = cursor.position();
    let step = parse_number(take_word(cursor, rules)?, &[], 0).map_err(|word| Fault {
        at,
        kind: FaultKind::NotANumber(word),
    })?;
    if step == 0 || (step < 0 && rules.refuses_negative_step) {
        return Err(Fault {
            at,
            kind: FaultKind::ZeroStep,
        });
    }
    Ok(step)
}

fn read_number(cursor: &mut Cursor<'_>, field: Field, rules: &Rules) -> Result<i32, Fault> {
    let at = cursor.position();
    parse_number(take_word(cursor, rules)?, field.names(), field.low()).map_err(|word| Fault {
        at,
        kind: FaultKind::NotANumber(word),
    })
}

/// Takes the letters and digits at the cursor.
fn take_word<'a>(cursor: &mut Cursor<'a>, rules: &Rules) -> Result<&'a [u8], Fault> {
    let start = cursor.position();
    while cursor.peek().is_ascii_alphanumeric() {
        cursor.bump();
    }
    let word = cursor.since(start);
    if word.is_empty() {
        return Err(Fault {
            at: start,
            kind: FaultKind::Missing,
        });
    }
    if word.len() > rules.word_limit {
        return Err(Fault {
            at: start,
            kind: FaultKind::NotANumber(word.to_vec()),
        });
    }
    Ok(word)
}

/// A name or a decimal number, with the C library's overflow: beyond 63 bits it sticks at the
/// largest `long`, and of a `long` only the lower 32 bits count (so 4294967301 is 5, measured).
fn parse_number(word: &[u8], names: &[&str], low: i32) -> Result<i32, Vec<u8>> {
    let named = names
        .iter()
        .zip(low..)
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
    if let Some((_, value)) = named {
        return Ok(value);
    }
    if !word.iter().all(u8::is_ascii_digit) {
        return Err(word.to_vec());
    }
    let long = word.iter().fold(0i64, |sum, digit| {
        sum.checked_mul(10)
            .and_then(|sum| sum.checked_add(i64::from(digit - b'0')))
            .unwrap_or(i64::MAX)
    });
    Ok(long as i32)
}

/// The values of a span, or the value that lies outside the field.
///
/// A reversed span is empty and no error; the sum wraps as the measured programs' does.
fn set_bits(item: &Item<'_>, field: Field, rules: &Rules) -> Result<u64, i32> {
    let inside = |value: i32| (field.low()..=field.high()).contains(&value);
    if rules.checks_both_ends {
        for end in [item.low, item.high] {
            if !inside(end) {
                return Err(end);
            }
        }
    }
    let mut bits = 0;
    let mut value = item.low;
    while value <= item.high {
        if !inside(value) {
            return Err(value);
        }
        bits |= 1 << value;
        value = value.wrapping_add(item.step.unwrap_or(1));
    }
    Ok(bits)
}

/// All values a random item may take; what lies outside makes only that one load fail.
fn random_bits(item: &Item<'_>, field: Field) -> Result<u64, i32> {
    let low = item.low.max(field.low());
    let high = item.high.min(field.high());
    if low > high {
        return Err(item.low);
    }
    Ok((low..=high).fold(0, |bits, value| bits | (1 << value)))
}
