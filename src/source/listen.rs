//! Being told by PostgreSQL that something happened: LISTEN on a connection of its own. It only
//! wakes; what happened is found by asking.

use std::time::Duration;

use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;

use crate::model::{Dsn, Secret, Source};
use crate::source::error::{ErrorKind, Result, SourceError};
use crate::source::postgres::Login;
use crate::source::postgres_error::of_query;

/// What came within the time that was waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Somebody notified the channel.
    Notified {
        /// What they said, often nothing.
        payload: String,
    },
    /// Nothing, and the server still answers.
    Quiet,
}

/// An ear on one channel.
pub struct Listener {
    client: Client,
}

impl Listener {
    /// Logs in and listens. Whoever calls waits longer and longer between tries.
    ///
    /// # Errors
    /// `config` where the source is no PostgreSQL; those of logging in.
    pub fn open(source: &Source, secret: Option<&Secret>, channel: &str) -> Result<Listener> {
        let config = |message: String| SourceError::new(ErrorKind::Config, message);
        let target = source.target().map_err(|e| config(e.message))?;
        let Dsn::Postgres(address) = target else {
            let message = format!("{} cannot notify anybody", source.engine);
            return Err(config(message).hint("only PostgreSQL has LISTEN and NOTIFY"));
        };
        let mut client = Login::new(&address, secret, &format!("listen.{channel}"))?.connect()?;
        let name = channel.replace('"', "\"\"");
        let listened = client.batch_execute(&format!("LISTEN \"{name}\""));
        listened.map_err(|e| of_query(&e, None))?;
        Ok(Listener { client })
    }

    /// Waits for the next notification; many that came at once are told one by one.
    ///
    /// # Errors
    /// `gone`: the connection broke, and what was notified meanwhile is lost: poll, and listen anew.
    pub fn next(&mut self, wait_ms: i64) -> Result<Heard> {
        let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
        let heard = self.client.notifications().timeout_iter(wait).next();
        match heard.map_err(SourceError::gone)? {
            Some(notification) => Ok(Heard::Notified {
                payload: notification.payload().to_owned(),
            }),
            None if self.client.is_closed() => Err(SourceError::gone("the server closed it")),
            None => Ok(Heard::Quiet),
        }
    }

    /// Whether the server still answers; to be asked now and then while it is quiet.
    ///
    /// # Errors
    /// `gone`.
    pub fn ping(&mut self) -> Result<()> {
        let tried = self.client.is_valid(Duration::from_secs(5));
        tried.map_err(SourceError::gone)
    }
}
