//! The sources that watches ask.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::model::{PasswordFrom, PoolLimits, Secret, Source};
use crate::schedule::UnixMs;
use crate::store::error::word;
use crate::store::{Result, Store, StoreError};

/// Everything but the password.
const COLUMNS: &str = "name, engine, dsn, password_from, password_place, writable, pool_max,
  acquire_ms, idle_ms, lifetime_ms, ping_idle_ms, version, created_at, changed_at";

impl Store {
    /// The sources by name.
    ///
    /// # Errors
    /// Those of reading.
    pub fn sources(&self) -> Result<Vec<Source>> {
        let sql = format!("SELECT {COLUMNS} FROM source ORDER BY name");
        let mut statement = self.conn.prepare(&sql)?;
        Ok(statement
            .query_map([], read)?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// A source.
    ///
    /// # Errors
    /// Those of reading.
    pub fn source(&self, name: &str) -> Result<Option<Source>> {
        let sql = format!("SELECT {COLUMNS} FROM source WHERE name = ?1");
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement.query_row([name], read).optional()?)
    }

    /// The stored password of a source, for whoever is about to log in; none where none is stored.
    ///
    /// # Errors
    /// Those of reading.
    pub fn source_password(&self, name: &str) -> Result<Option<Secret>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT password FROM source WHERE name = ?1")?;
        let found: Option<Option<String>> =
            statement.query_row([name], |row| row.get(0)).optional()?;
        Ok(found.flatten().map(Secret::new))
    }

    /// Keeps a source, with `replace` also in the place of one of the same name, whose version goes
    /// up by one. What `source` says of versions and times is not looked at. Gives the version.
    ///
    /// # Errors
    /// [`StoreError::SourceTaken`] without `replace`.
    pub fn put_source(
        &mut self,
        source: &Source,
        secret: Option<&Secret>,
        replace: bool,
        now: UnixMs,
    ) -> Result<i64> {
        self.write(|tx| {
            let version: Option<i64> = tx
                .query_row(
                    "SELECT version FROM source WHERE name = ?1",
                    [&source.name],
                    |row| row.get(0),
                )
                .optional()?;
            if version.is_some() && !replace {
                return Err(StoreError::SourceTaken(source.name.clone()));
            }
            let limits = &source.limits;
            tx.execute(
                "INSERT INTO source(name, engine, dsn, password_from, password_place, password,
                   writable, pool_max, acquire_ms, idle_ms, lifetime_ms, ping_idle_ms, version,
                   created_at, changed_at)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 1, ?13, ?13)
                 ON CONFLICT(name) DO UPDATE SET engine = excluded.engine, dsn = excluded.dsn,
                   password_from = excluded.password_from, password_place = excluded.password_place,
                   password = excluded.password, writable = excluded.writable,
                   pool_max = excluded.pool_max, acquire_ms = excluded.acquire_ms,
                   idle_ms = excluded.idle_ms, lifetime_ms = excluded.lifetime_ms,
                   ping_idle_ms = excluded.ping_idle_ms, version = source.version + 1,
                   changed_at = excluded.changed_at",
                params![
                    source.name,
                    source.engine.as_str(),
                    source.dsn,
                    source.password.as_str(),
                    source.password.place(),
                    secret
                        .filter(|_| source.password == PasswordFrom::Stored)
                        .map(Secret::expose),
                    source.writable,
                    limits.max,
                    limits.acquire_ms,
                    limits.idle_ms,
                    limits.lifetime_ms,
                    limits.ping_idle_ms,
                    now,
                ],
            )?;
            Ok(version.unwrap_or(0) + 1)
        })
    }

    /// Removes a source that no watch asks.
    ///
    /// # Errors
    /// [`StoreError::NoSuchSource`], [`StoreError::SourceInUse`].
    pub fn remove_source(&mut self, name: &str) -> Result<()> {
        self.write(|tx| {
            if let Some(watches) = watches_of(tx, name)? {
                return Err(StoreError::SourceInUse(name.to_owned(), watches));
            }
            match tx.execute("DELETE FROM source WHERE name = ?1", [name])? {
                0 => Err(StoreError::NoSuchSource(name.to_owned())),
                _ => Ok(()),
            }
        })
    }
}

/// The watches that ask the source, in words; none where none does.
fn watches_of(conn: &Connection, source: &str) -> Result<Option<String>> {
    let mut statement = conn.prepare("SELECT name FROM watch WHERE source = ?1 ORDER BY name")?;
    let names: Vec<String> = statement
        .query_map([source], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(match names.as_slice() {
        [] => None,
        [one] => Some(format!("the watch \"{one}\"")),
        many => Some(format!("the watches {}", many.join(", "))),
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<Source> {
    let from: String = row.get("password_from")?;
    let place: Option<String> = row.get("password_place")?;
    let place = place.unwrap_or_default();
    Ok(Source {
        name: row.get("name")?,
        engine: word(row, "engine")?,
        dsn: row.get("dsn")?,
        password: match from.as_str() {
            "stored" => PasswordFrom::Stored,
            "file" => PasswordFrom::File(place.into()),
            "env" => PasswordFrom::Env(place),
            _ => PasswordFrom::Nowhere,
        },
        writable: row.get("writable")?,
        limits: PoolLimits {
            max: row.get("pool_max")?,
            acquire_ms: row.get("acquire_ms")?,
            idle_ms: row.get("idle_ms")?,
            lifetime_ms: row.get("lifetime_ms")?,
            ping_idle_ms: row.get("ping_idle_ms")?,
        },
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        changed_at: row.get("changed_at")?,
    })
}
