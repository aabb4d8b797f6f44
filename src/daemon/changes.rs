//! Definitions that changed, on their way from the store to the firing side.

use std::collections::VecDeque;

use crate::daemon::definition::{Definition, mark_unreadable};
use crate::daemon::fact::Fact;
use crate::daemon::zones::Zones;
use crate::store::{self, Store};

/// Marks of changed jobs that were taken out of the store and are not yet told. They are kept here,
/// so that none is lost to a fault in between; after a crash everything is read anew.
#[derive(Debug, Default)]
pub struct Changes {
    /// Names of jobs; none stands for the queues and for whether runs may start.
    waiting: VecDeque<Option<String>>,
}

impl Changes {
    /// Whether a fault left something to be told.
    pub fn wait(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes all marks and adds what the firing side must know.
    ///
    /// # Errors
    /// Those of the store; what was not told is told the next time.
    pub fn tell(
        &mut self,
        store: &mut Store,
        zones: &Zones,
        facts: &mut Vec<Fact>,
    ) -> store::Result<()> {
        loop {
            self.waiting.extend(store.take_changes()?);
            if self.waiting.is_empty() {
                break;
            }
            while let Some(change) = self.waiting.front() {
                match change {
                    None => facts.extend(queue_facts(store)?),
                    Some(name) => facts.push(fact(store, zones, name)?),
                }
                self.waiting.pop_front();
            }
        }
        store.forget_ended()?;
        Ok(())
    }
}

/// The queues, and whether any run may start.
///
/// # Errors
/// Those of the store.
pub fn queue_facts(store: &Store) -> store::Result<Vec<Fact>> {
    let draining = Fact::Draining(store.drain()?.is_some());
    Ok(vec![Fact::Queues(store.queues()?), draining])
}

fn fact(store: &mut Store, zones: &Zones, name: &str) -> store::Result<Fact> {
    let owing = store.owing(name)?;
    let mut owing = zones.arm(store, owing)?;
    let job = match Definition::read(store, name)? {
        Definition::Known(job) => Some(job),
        Definition::Gone => None,
        Definition::Unreadable(why) => {
            mark_unreadable(store, &owing, &why)?;
            owing.clear();
            None
        }
    };
    Ok(Fact::Defined {
        name: name.to_owned(),
        job,
        owing,
    })
}
