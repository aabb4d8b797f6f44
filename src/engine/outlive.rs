//! Runs that outlive the next fires of their own job.

use crate::engine::World;
use crate::model::{Fire, Level, Note, Record};

impl World {
    /// A fire of a job was decided: tells of each of its runs alive that this is the first, or the
    /// second, that it has outlived. The count begins anew when another core takes the run over.
    pub fn outlived(&mut self, fire: &Fire) -> Vec<Record> {
        let Some(state) = self.jobs.get(&fire.job) else {
            return Vec::new();
        };
        let mut notes = Vec::new();
        for run in &state.live {
            let Some(live) = self.live.get_mut(run) else {
                continue;
            };
            if fire.until <= live.run.queued_at || Some(fire.until) <= live.run.planned_at {
                continue;
            }
            let before = live.outlived;
            live.outlived = before.saturating_add(u32::try_from(fire.count).unwrap_or(u32::MAX));
            let (kind, fires) = match (before, live.outlived) {
                (0, 1) => ("overrun", "its next fire"),
                (0 | 1, 2..) => ("stuck", "two of its next fires"),
                _ => continue,
            };
            notes.push(Record::Note(Note {
                at: fire.decided_at,
                level: Level::Warn,
                kind: kind.to_owned(),
                job: Some(fire.job.clone()),
                run: Some(*run),
                text: format!("run {run} of {} is alive past {fires}", fire.job),
            }));
        }
        notes
    }
}
