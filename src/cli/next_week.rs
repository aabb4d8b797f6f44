//! `crake next --week`: the fires of seven days as a grid.

use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::next_sources::Source;
use crate::schedule::{UnixMs, Zone};
use crate::view::text::clean_all;
use crate::view::time::weekday;
use crate::view::week::{Grid, changes, dates};

/// Shows the week that begins with the day of `from`; with `all`, frequent schedules too.
///
/// # Errors
/// Those of writing.
pub fn week(
    ctx: &Context,
    sources: &[Source],
    zone: &Zone,
    from: UnixMs,
    all: bool,
) -> Result<(), CliError> {
    let now = ctx.now();
    let mut grids = Vec::new();
    let mut paused = Vec::new();
    for source in sources {
        // A fire at the very instant belongs to the week that begins with it.
        let fires = source.table.fires(from - 1, now);
        let fires = fires.filter(|at| source.paused_at(*at).is_none());
        let fires = fires.take_while(|at| at - from < 8 * 86_400_000);
        grids.push((source, Grid::of(fires, from, zone)));
        let name = source.label();
        if source
            .pauses
            .iter()
            .any(|p| p.until.is_none_or(|u| u > from))
            && !paused.contains(&name)
        {
            paused.push(name);
        }
    }
    let mut sum = Grid::default();
    let mut folded = Vec::new();
    for (source, grid) in &grids {
        match grid.is_frequent() && !all {
            true => folded.push(format!("{} {}/h", clean_all(source.label()), grid.most)),
            false => sum.add(grid),
        }
    }
    let mut feet = Vec::new();
    if !folded.is_empty() {
        let list = folded.join(", ");
        feet.push(format!("folded (>2/h): {list}   --all shows them"));
    }
    if !paused.is_empty() {
        feet.push(format!("paused: {}", paused.join(", ")));
    }
    match changes(from, zone).as_slice() {
        [] => feet.push("no DST change in range".to_owned()),
        many => feet.extend(many.iter().cloned()),
    }
    ctx.answer(
        || items(&grids, from, zone),
        |out| {
            sum.write(out, from, zone)?;
            writeln!(out, "{}", feet.join("   "))
        },
    )
}

/// One item a day; nothing is folded in JSON.
fn items(grids: &[(&Source, Grid)], from: UnixMs, zone: &Zone) -> Vec<Value> {
    let mut sum = Grid::default();
    for (_, grid) in grids {
        sum.add(grid);
    }
    let changes = changes(from, zone);
    let of_day = |(index, date): (usize, &crate::schedule::Civil)| {
        let day = format!("{:04}-{:02}-{:02}", date.year, date.month, date.day);
        let schedules: Vec<Value> = grids
            .iter()
            .map(|(source, grid)| {
                json!({
                    "job": source.job,
                    "schedule": source.table.schedule.text(),
                    "hours": grid.hours[index],
                })
            })
            .collect();
        json!({
            "weekday": weekday(*date).to_lowercase(),
            "zone": zone.name(),
            "hours": sum.hours[index],
            "total": sum.hours[index].iter().sum::<u32>(),
            "clock_change": changes.iter().find(|change| change.contains(&day)),
            "schedules": schedules,
            "date": day,
        })
    };
    dates(from, zone).iter().enumerate().map(of_day).collect()
}
