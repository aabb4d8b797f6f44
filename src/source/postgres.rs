//! Servers of PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator;
use postgres::types::ToSql;
use postgres::{CancelToken, Client, Config, NoTls, Statement, Transaction};

use crate::model::{Address, Secret, SslMode};
use crate::source::bind::{Bound, Marks, bind};
use crate::source::error::{ErrorKind, Result, SourceError};
use crate::source::postgres_cells::{Form, Got, form};
use crate::source::postgres_error::{of_connect, of_query};
use crate::source::postgres_params::Given;
use crate::source::query::{Answer, Canceller, Connection, Query, Taken};
use crate::source::sqlite::too_many;
use crate::source::tls::Encrypt;

/// How long reaching the server may take.
pub(in crate::source) const CONNECT: Duration = Duration::from_secs(5);

/// How long a connection on which nothing comes back is believed in.
const SILENCE: Duration = Duration::from_secs(30);

/// How many rows are asked for at a time.
const CHUNK: usize = 1_000;

/// A connection to a server.
pub(in crate::source) struct PostgresConnection {
    client: Client,
    pid: i32,
    writable: bool,
    stop: Arc<Stop>,
    gone: bool,
}

struct Stop {
    token: CancelToken,
    login: Login,
    pid: i32,
}

impl Canceller for Stop {
    fn cancel(&self) {
        // The server may be gone, and then nothing runs there either.
        let _ = match &self.login.tls {
            Some(tls) => self.token.cancel_query(tls.clone()),
            None => self.token.cancel_query(NoTls),
        };
    }

    fn close(&self) {
        if let Ok(mut client) = self.login.connect() {
            // A backend of the same user may be ended by it; one that is gone already stays so.
            let _ = client.query("SELECT pg_terminate_backend($1)", &[&self.pid]);
        }
    }
}

/// Everything a login needs.
#[derive(Clone)]
pub(in crate::source) struct Login {
    config: Config,
    tls: Option<Encrypt>,
}

impl Login {
    /// Puts it together; reaches nobody yet.
    ///
    /// # Errors
    /// `tls`: there are no certificates to check the server's by.
    pub fn new(address: &Address, secret: Option<&Secret>, name: &str) -> Result<Login> {
        let mut config = Config::new();
        match address.host.strip_prefix('/') {
            Some(_) => config.host_path(&address.host),
            None => config.host(&address.host),
        };
        config
            .port(address.port.unwrap_or(5432))
            .connect_timeout(CONNECT)
            .keepalives_idle(SILENCE)
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(SILENCE)
            .application_name(&application(name));
        if let Some(user) = &address.user {
            config.user(user);
        }
        if let Some(database) = &address.database {
            config.dbname(database);
        }
        if let Some(secret) = secret {
            config.password(secret.expose());
        }
        let by_socket = address.host.starts_with('/');
        let mode = address.sslmode.unwrap_or(SslMode::Prefer);
        let tls = match mode {
            SslMode::Disable => None,
            _ if by_socket => None,
            _ => Some(Encrypt::new(address)?),
        };
        config.ssl_mode(match mode {
            _ if tls.is_none() => postgres::config::SslMode::Disable,
            SslMode::Prefer => postgres::config::SslMode::Prefer,
            _ => postgres::config::SslMode::Require,
        });
        Ok(Login { config, tls })
    }

    /// Logs in.
    ///
    /// # Errors
    /// `resolve`, `connect`, `login`, `tls`.
    pub fn connect(&self) -> Result<Client> {
        let client = match &self.tls {
            Some(tls) => self.config.connect(tls.clone()),
            None => self.config.connect(NoTls),
        };
        client.map_err(|e| of_connect(&e))
    }
}

/// `crake/OWNER`, of characters that need no quotes; the server cuts it at 63.
fn application(owner: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    let owner: String = owner.chars().map(plain).take(57).collect();
    format!("crake/{owner}")
}

impl PostgresConnection {
    /// Logs in.
    ///
    /// # Errors
    /// `resolve`, `connect`, `login`, `tls`.
    pub fn open(
        address: &Address,
        secret: Option<&Secret>,
        writable: bool,
        owner: &str,
    ) -> Result<PostgresConnection> {
        let login = Login::new(address, secret, owner)?;
        let mut client = login.connect()?;
        if !writable {
            let only = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY";
            client.batch_execute(only).map_err(|e| of_query(&e, None))?;
        }
        // Since version 14; without it the query of a client that vanished runs on. An older
        // server, or one on a system without the means, refuses it, and nothing else hangs on it.
        let _ = client.batch_execute("SET client_connection_check_interval = '1s'");
        let row = client.query_one("SELECT pg_backend_pid()", &[]);
        let pid: i32 = row
            .and_then(|row| row.try_get(0))
            .map_err(|e| of_query(&e, None))?;
        let token = client.cancel_token();
        Ok(PostgresConnection {
            client,
            pid,
            writable,
            stop: Arc::new(Stop { token, login, pid }),
            gone: false,
        })
    }

    fn ask(&mut self, query: &Query, bound: &Bound) -> Result<Answer> {
        let begin = format!(
            "SET LOCAL statement_timeout = {}; SET LOCAL application_name = '{}'",
            query.timeout_ms.clamp(1, i64::from(i32::MAX)),
            application(&query.owner),
        );
        let fail = |e: postgres::Error| of_query(&e, Some(bound));
        let build = self.client.build_transaction().read_only(!query.write);
        let mut tx = build.start().map_err(|e| of_query(&e, None))?;
        tx.batch_execute(&begin).map_err(fail)?;
        let (statement, columns) = prepare(&mut tx, bound)?;
        let (rows, affected) = match columns.is_empty() {
            true => {
                let values = given(bound);
                let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|v| v as _).collect();
                let touched = tx.execute(&statement, &values).map_err(fail)?;
                (Taken::new(columns, query), touched)
            }
            false => take(&mut tx, &statement, Taken::new(columns, query), bound)?,
        };
        if query.write && rows.rows.truncated {
            return Err(too_many(query));
        }
        tx.commit().map_err(fail)?;
        Ok(Answer {
            rows: rows.rows,
            affected,
            connection: self.pid.to_string(),
            ..Answer::default()
        })
    }
}

fn given(bound: &Bound) -> Vec<Given<'_>> {
    bound.values.iter().map(Given).collect()
}

/// Prepares the statement and tells the names of its columns; one with columns that are not known here is wrapped in another that has
/// the server write them as text.
fn prepare(tx: &mut Transaction<'_>, bound: &Bound) -> Result<(Statement, Vec<String>)> {
    let fail = |e: postgres::Error| of_query(&e, Some(bound));
    let statement = tx.prepare(&bound.sql).map_err(fail)?;
    let wanted = statement.params().len();
    if wanted != bound.values.len() {
        let message = format!(
            "the statement has {wanted} parameters, {} are known",
            bound.values.len()
        );
        return Err(SourceError::new(ErrorKind::Params, message)
            .hint("write parameters as :name, not as $1"));
    }
    let columns = statement.columns().iter().map(|c| c.name().to_owned());
    let columns: Vec<String> = columns.collect();
    let forms: Vec<Form> = statement
        .columns()
        .iter()
        .map(|c| form(c.type_()))
        .collect();
    if forms.iter().all(|f| *f == Form::Known) {
        return Ok((statement, columns));
    }
    let names: Vec<String> = (1..=forms.len()).map(|n| format!("c{n}")).collect();
    let casts: Vec<String> = names.iter().zip(&forms).map(cast).collect();
    let wrapped = format!(
        "WITH q({}) AS (\n{}\n) SELECT {} FROM q",
        names.join(", "),
        bound.sql,
        casts.join(", ")
    );
    // What a cast breaks in the transaction is undone to here.
    let mut inner = tx.savepoint("crake_cast").map_err(fail)?;
    let types: Vec<postgres::types::Type> = statement.params().to_vec();
    let cast = inner.prepare_typed(&wrapped, &types);
    match cast {
        Ok(cast) => {
            inner.commit().map_err(fail)?;
            Ok((cast, columns))
        }
        Err(e) => {
            let column = statement
                .columns()
                .iter()
                .find(|c| form(c.type_()) != Form::Known);
            let (name, ty) = column.map_or(("", ""), |c| (c.name(), c.type_().name()));
            let message = format!("the column \"{name}\" has the type {ty}, which cannot be read");
            let mut error = of_query(&e, None);
            error.message = format!("{message}: {}", error.message);
            error.position = None;
            error.hint = Some(format!("cast it to text in the query: {name}::text"));
            Err(error)
        }
    }
}

fn cast((name, form): (&String, &Form)) -> String {
    match form {
        Form::Known => name.clone(),
        Form::AsText => format!("{name}::text"),
        Form::AsJson => format!("to_json({name})::text"),
    }
}

/// Takes the rows in portions, so that no more come than are wanted.
fn take(
    tx: &mut Transaction<'_>,
    statement: &Statement,
    mut taken: Taken,
    bound: &Bound,
) -> Result<(Taken, u64)> {
    let fail = |e: postgres::Error| of_query(&e, Some(bound));
    let values = given(bound);
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|v| v as _).collect();
    let portal = tx.bind(statement, &values).map_err(fail)?;
    let mut count: u64 = 0;
    loop {
        let room = taken.room().saturating_add(1);
        let portion = i32::try_from(room.min(CHUNK)).unwrap_or(1);
        let mut rows = tx.query_portal_raw(&portal, portion).map_err(fail)?;
        let mut came = 0;
        while let Some(row) = rows.next().map_err(fail)? {
            came += 1;
            let cells = (0..row.len()).map(|n| row.try_get::<_, Got>(n).map(|got| got.0));
            let cells: std::result::Result<Vec<_>, _> = cells.collect();
            if !taken.take(cells.map_err(fail)?) {
                return Ok((taken, count));
            }
            count += 1;
        }
        if came < portion {
            return Ok((taken, count));
        }
    }
}

impl Connection for PostgresConnection {
    fn id(&self) -> String {
        self.pid.to_string()
    }

    fn query(&mut self, query: &Query) -> Result<Answer> {
        if query.write && !self.writable {
            return Err(SourceError::read_only("this source is only read"));
        }
        let bound = bind(&query.sql, &query.params, Marks::Dollar)?;
        let mut answer = self.ask(query, &bound);
        if let Err(e) = &mut answer {
            self.gone |= e.kind == ErrorKind::Gone || self.client.is_closed();
            if e.kind == ErrorKind::Timeout {
                let said = std::mem::replace(e, SourceError::timeout(query.timeout_ms));
                e.code = said.code;
            }
        }
        answer
    }

    fn ping(&mut self) -> Result<()> {
        let tried = self.client.is_valid(CONNECT);
        tried.map_err(|e| {
            self.gone = true;
            SourceError::gone(e)
        })
    }

    fn canceller(&self) -> Arc<dyn Canceller> {
        self.stop.clone()
    }

    fn is_gone(&self) -> bool {
        self.gone || self.client.is_closed()
    }
}
