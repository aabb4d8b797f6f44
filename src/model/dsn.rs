//! Where a source is, as one text: `sqlite:PATH`, `postgres://user@host/db`, `mysql://`, `exec:LINE`.

use std::fmt;

use crate::model::secret::Secret;
use crate::model::source::SourceEngine;
use crate::model::words::words;

words! {
    /// How much a connection is protected, in the words of libpq.
    SslMode, "sslmode" {
        /// Never encrypted.
        Disable => "disable",
        /// Encrypted where the server can; the server's certificate is not checked.
        Prefer => "prefer",
        /// Encrypted; the server's certificate is not checked.
        Require => "require",
        /// Encrypted, and the certificate is signed by somebody trusted.
        VerifyCa => "verify-ca",
        /// Encrypted, signed by somebody trusted, and made for this host.
        VerifyFull => "verify-full",
    }
}

/// A text that names no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DsnError {
    /// What is wrong. It never repeats the text, which may hold a password.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl fmt::Display for DsnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DsnError {}

fn wrong(message: impl Into<String>, hint: impl Into<String>) -> DsnError {
    DsnError {
        message: message.into(),
        hint: hint.into(),
    }
}

const FORMS: &str = "write sqlite:/path/to/file, postgres://user@host/database, mysql://user@host/database or exec:COMMAND LINE";

/// A server and how to log in there, without the password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The user.
    pub user: Option<String>,
    /// The name or the number of the host; the directory (PostgreSQL) or the file (MySQL) of a
    /// socket where it begins with `/`.
    pub host: String,
    /// The port, where another than the engine's own.
    pub port: Option<u16>,
    /// The database.
    pub database: Option<String>,
    /// How much the connection is protected; `prefer` where nothing is said.
    pub sslmode: Option<SslMode>,
    /// A file of certificates to trust instead of the host's own.
    pub sslrootcert: Option<String>,
}

/// Where a source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dsn {
    /// A file of SQLite, by its path.
    Sqlite(String),
    /// A server of PostgreSQL.
    Postgres(Address),
    /// A server of MySQL or MariaDB.
    Mysql(Address),
    /// A command line for `sh -c`.
    Exec(String),
}

impl Dsn {
    /// Takes a text apart; a password in it is given beside and is no part of the rest.
    ///
    /// # Errors
    /// An unknown form, option or port; a command line that holds a password.
    pub fn parse(text: &str) -> Result<(Dsn, Option<Secret>), DsnError> {
        let text = text.trim();
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
            _ => (String::new(), text),
        };
        match scheme.as_str() {
            "sqlite" | "sqlite3" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                Ok((Dsn::Sqlite(file(path)?), None))
            }
            "postgres" | "postgresql" => {
                let (address, secret) = address(rest, 5432)?;
                Ok((Dsn::Postgres(address), secret))
            }
            "mysql" | "mariadb" => {
                let (address, secret) = address(rest, 3306)?;
                Ok((Dsn::Mysql(address), secret))
            }
            "exec" => Ok((Dsn::Exec(command(rest)?), None)),
            "" if looks_like_a_file(text) => Ok((Dsn::Sqlite(file(text)?), None)),
            "" => Err(wrong("this says neither what it is nor where", FORMS)),
            other => Err(wrong(format!("unknown kind of source \"{other}\""), FORMS)),
        }
    }

    /// What speaks at the other end.
    pub fn engine(&self) -> SourceEngine {
        match self {
            Dsn::Sqlite(_) => SourceEngine::Sqlite,
            Dsn::Postgres(_) => SourceEngine::Postgres,
            Dsn::Mysql(_) => SourceEngine::Mysql,
            Dsn::Exec(_) => SourceEngine::Exec,
        }
    }

    /// The text for people; with `masked`, `:***` stands where the password would.
    pub fn shown(&self, masked: bool) -> String {
        match self {
            Dsn::Sqlite(path) => format!("sqlite:{path}"),
            Dsn::Exec(line) => format!("exec:{line}"),
            Dsn::Postgres(address) => url("postgres", address, masked),
            Dsn::Mysql(address) => url("mysql", address, masked),
        }
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(false))
    }
}

fn is_scheme(word: &str) -> bool {
    word.len() > 1 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '+')
}

fn looks_like_a_file(text: &str) -> bool {
    let ends = [".db", ".sqlite", ".sqlite3", ".db3"];
    text.contains('/') || ends.iter().any(|end| text.ends_with(end))
}

fn file(path: &str) -> Result<String, DsnError> {
    if path.is_empty() || path == ":memory:" {
        let hint = "write sqlite:/path/to/file";
        return Err(wrong("a source of SQLite is a file", hint));
    }
    Ok(path.to_owned())
}

fn command(line: &str) -> Result<String, DsnError> {
    let line = line.trim();
    if line.is_empty() {
        return Err(wrong("there is no command", "write exec:COMMAND LINE"));
    }
    // A command line is shown as it is, so no password may be in it.
    let holds = line.split("://").skip(1).any(|rest| {
        let end = rest.find(['/', ' ', '\'', '"', '?']).unwrap_or(rest.len());
        let login = rest[..end].rsplit_once('@').map(|(login, _)| login);
        login.is_some_and(|login| login.contains(':') && !login.contains('$'))
    });
    if holds {
        return Err(wrong(
            "the command line holds a password, which everybody could read",
            "give it with --password-file or --password-stdin; the command finds it in $SOURCE_PASSWORD",
        ));
    }
    Ok(line.to_owned())
}

fn address(rest: &str, usual_port: u16) -> Result<(Address, Option<Secret>), DsnError> {
    let example = "write SCHEME://user@host:port/database?sslmode=require";
    let rest = rest
        .strip_prefix("//")
        .ok_or_else(|| wrong("`//` is missing after the scheme", example))?;
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    if options.contains('@') {
        let hint = "write %3F for ? and %40 for @ in a user or a password";
        return Err(wrong("there is a ? before the last @", hint));
    }
    let mut address = Address::default();
    let mut secret = None;
    let place = match rest.rsplit_once('@') {
        None => rest,
        Some((login, place)) => {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            address.user = Some(decode(user)?).filter(|u| !u.is_empty());
            secret = Some(decode(password)?).filter(|p| !p.is_empty());
            place
        }
    };
    let (place, path) = place.split_once('/').unwrap_or((place, ""));
    let (host, port) = match place.strip_prefix('[') {
        Some(v6) => v6
            .split_once(']')
            .ok_or_else(|| wrong("a `]` is missing after the address", example))?,
        None => place.split_at(place.find(':').unwrap_or(place.len())),
    };
    address.host = decode(host)?;
    address.database = Some(decode(path)?).filter(|d| !d.is_empty());
    if let Some(port) = port.strip_prefix(':').filter(|p| !p.is_empty()) {
        let port = port.parse().ok().filter(|port| *port > 0);
        address.port = Some(port.ok_or_else(|| wrong("the port is no number", example))?);
    }
    for option in options.split('&').filter(|o| !o.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        apply(&mut address, &mut secret, name, decode(value)?)?;
    }
    if address.host.is_empty() {
        address.host = "localhost".to_owned();
    }
    address.port = address.port.filter(|port| *port != usual_port);
    Ok((address, secret.map(Secret::new)))
}

fn apply(
    address: &mut Address,
    secret: &mut Option<String>,
    name: &str,
    value: String,
) -> Result<(), DsnError> {
    match name {
        "sslmode" | "ssl-mode" => {
            let mode = value.to_ascii_lowercase().replace('_', "-");
            let mode = mode.parse::<SslMode>();
            address.sslmode = Some(mode.map_err(|e| wrong(e.to_string(), "for example require"))?);
        }
        "sslrootcert" | "ssl-ca" => address.sslrootcert = Some(value),
        "host" | "socket" => address.host = value,
        "user" => address.user = Some(value),
        "dbname" => address.database = Some(value),
        "password" => *secret = Some(value),
        "port" => {
            let port = value.parse();
            let hint = "write port=5432";
            address.port = Some(port.map_err(|_| wrong("the port is no number", hint))?);
        }
        other => {
            return Err(wrong(
                format!("unknown option \"{other}\""),
                "the options are sslmode, sslrootcert, host, socket, port, user and dbname",
            ));
        }
    }
    Ok(())
}

fn decode(text: &str) -> Result<String, DsnError> {
    let fail = || {
        wrong(
            "a % sign is not followed by two digits",
            "write %25 for a % sign, %40 for @, %2F for /",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        let high = digit(rest.next()).ok_or_else(fail)?;
        let low = digit(rest.next()).ok_or_else(fail)?;
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| fail())?);
    }
    String::from_utf8(bytes).map_err(|_| wrong("this is not UTF-8", "write bytes as %C3%A4"))
}

fn encode(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let one = |c: char| match plain(c) {
        true => c.to_string(),
        false => {
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).bytes();
            bytes.map(|b| format!("%{b:02X}")).collect()
        }
    };
    text.chars().map(one).collect()
}

fn url(scheme: &str, address: &Address, masked: bool) -> String {
    let mut text = format!("{scheme}://");
    if address.user.is_some() || masked {
        text.push_str(&encode(address.user.as_deref().unwrap_or("")));
        text.push_str(if masked { ":***@" } else { "@" });
    }
    let mut options = Vec::new();
    match address.host.as_str() {
        host if host.starts_with('/') => options.push(format!("host={}", encode(host))),
        host if host.contains(':') => text.push_str(&format!("[{host}]")),
        host => text.push_str(&encode(host)),
    }
    if let Some(port) = address.port {
        text.push_str(&format!(":{port}"));
    }
    if let Some(database) = &address.database {
        text.push_str(&format!("/{}", encode(database)));
    }
    if let Some(mode) = address.sslmode {
        options.push(format!("sslmode={mode}"));
    }
    if let Some(file) = &address.sslrootcert {
        options.push(format!("sslrootcert={}", encode(file)));
    }
    if !options.is_empty() {
        text.push_str(&format!("?{}", options.join("&")));
    }
    text
}
