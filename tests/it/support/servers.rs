//! Real servers of PostgreSQL and MariaDB, on directories and ports of their own, that end with the
//! process of the tests, whatever ends it.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use crake::model::{Dsn, PasswordFrom, PoolLimits, Secret, Source};
use crake::source::{Answer, Connection, Query, Result, open};

use crate::support::wait::{mono, until};

/// The password of every user of these servers.
pub const PASSWORD: &str = "s3cr3t-Ünter'\"den";

/// What kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    Maria,
}

/// A server that runs.
pub struct Server {
    kind: Kind,
    dir: PathBuf,
    port: u16,
    /// Its end tells the keeper that nobody needs the server any more.
    keeper: Option<(Child, ChildStdin)>,
}

/// The server all tests share; `None`, said loudly, where this host has none.
pub fn shared(kind: Kind) -> Option<&'static Server> {
    static POSTGRES: OnceLock<Option<Server>> = OnceLock::new();
    static MARIA: OnceLock<Option<Server>> = OnceLock::new();
    let once = match kind {
        Kind::Postgres => &POSTGRES,
        Kind::Maria => &MARIA,
    };
    once.get_or_init(|| Server::start(kind)).as_ref()
}

/// What the host lacks: said, and in CI a failure.
pub fn skip(what: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "{what}, which CI should have"
    );
    eprintln!("SKIPPED: {what}");
}

fn program(names: &[&str]) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    found.sort();
    found.extend(["/usr/sbin", "/usr/bin", "/usr/local/bin"].map(PathBuf::from));
    found
        .iter()
        .flat_map(|dir| names.iter().map(move |name| dir.join(name)))
        .find(|path| path.is_file())
}

fn done(command: &mut Command) {
    let output = command.output().expect("a program");
    assert!(output.status.success(), "{command:?}: {output:?}");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Server {
    /// Makes and starts a server; `None` where this host has none.
    pub fn start(kind: Kind) -> Option<Server> {
        let needed = match kind {
            Kind::Postgres => [vec!["postgres"], vec!["initdb"]],
            Kind::Maria => [vec!["mariadbd", "mysqld"], vec!["mariadb-install-db"]],
        };
        let here = needed.iter().all(|names| program(names).is_some());
        if !here || program(&["openssl"]).is_none() {
            skip(&format!("no {kind:?} and openssl here"));
            return None;
        }
        let dir = tempfile::Builder::new().prefix("crake-server").tempdir();
        let dir = dir.expect("a directory").keep();
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut server = Server {
            kind,
            dir,
            port,
            keeper: None,
        };
        server.certificates();
        match kind {
            Kind::Postgres => server.init_postgres(),
            Kind::Maria => server.init_maria(),
        }
        server.run();
        Some(server)
    }

    /// A certificate for `localhost`, signed by one of our own.
    fn certificates(&self) {
        let script = "umask 077 && cd \"$1\" && \
            openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3650 \
              -subj /CN=crake-tests -addext basicConstraints=critical,CA:TRUE && \
            openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost && \
            printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > ext && \
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
              -extfile ext -out server.pem && chmod 755 . && chmod 644 ca.pem";
        let mut command = Command::new("sh");
        done(command.args(["-c", script, "sh"]).arg(&self.dir));
    }

    /// PostgreSQL does not run as root.
    fn as_nobody(&self) -> Vec<String> {
        if !is_root() {
            return Vec::new();
        }
        done(Command::new("chown").args(["-R", "nobody"]).arg(&self.dir));
        let words = [
            "setpriv",
            "--reuid=nobody",
            "--regid=nogroup",
            "--clear-groups",
        ];
        words.map(str::to_owned).to_vec()
    }

    fn init_postgres(&self) {
        std::fs::write(self.dir.join("password"), PASSWORD).expect("a file");
        let mut words = self.as_nobody();
        let initdb = program(&["initdb"]).expect("initdb");
        words.push(initdb.display().to_string());
        let mut command = Command::new(&words[0]);
        done(
            command
                .args(&words[1..])
                .args(["-U", "crake", "-E", "UTF8", "--locale=C", "--no-sync"])
                .args(["--auth=scram-sha-256", "--pwfile"])
                .arg(self.dir.join("password"))
                .arg(self.dir.join("data"))
                .current_dir("/"),
        );
    }

    fn init_maria(&self) {
        let init = program(&["mariadb-install-db"]).expect("mariadb-install-db");
        let mut command = Command::new(init);
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", self.dir.join("data").display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        if is_root() {
            command.arg("--user=root");
        }
        done(&mut command);
        let password = PASSWORD.replace('\'', "''");
        let sql = format!(
            "CREATE DATABASE IF NOT EXISTS crake CHARACTER SET utf8mb4;\n\
             CREATE USER IF NOT EXISTS crake@'%' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON *.* TO crake@'%';\nDELETE FROM mysql.global_priv WHERE User = '';\n\
             FLUSH PRIVILEGES;\n"
        );
        std::fs::write(self.dir.join("init.sql"), sql).expect("a file");
    }

    fn command_line(&self) -> Vec<String> {
        let at = |name: &str| self.dir.join(name).display().to_string();
        let mut words: Vec<String> = Vec::new();
        match self.kind {
            Kind::Postgres => {
                words.extend(self.as_nobody());
                words.push(
                    program(&["postgres"])
                        .expect("postgres")
                        .display()
                        .to_string(),
                );
                words.extend([
                    "-D".to_owned(),
                    at("data"),
                    "-p".to_owned(),
                    self.port.to_string(),
                ]);
                for setting in [
                    "listen_addresses=127.0.0.1".to_owned(),
                    "unix_socket_directories=".to_owned(),
                    "fsync=off".to_owned(),
                    "ssl=on".to_owned(),
                    format!("ssl_cert_file={}", at("server.pem")),
                    format!("ssl_key_file={}", at("server.key")),
                ] {
                    words.extend(["-c".to_owned(), setting]);
                }
            }
            Kind::Maria => {
                let program = program(&["mariadbd", "mysqld"]).expect("mariadbd");
                words.push(program.display().to_string());
                words.extend([
                    "--no-defaults".to_owned(),
                    format!("--datadir={}", at("data")),
                    format!("--init-file={}", at("init.sql")),
                    format!("--socket={}", at("socket")),
                    format!("--pid-file={}", at("pid")),
                    format!("--port={}", self.port),
                    "--bind-address=127.0.0.1".to_owned(),
                    "--innodb-buffer-pool-size=16M".to_owned(),
                    "--innodb-flush-log-at-trx-commit=0".to_owned(),
                    format!("--ssl-cert={}", at("server.pem")),
                    format!("--ssl-key={}", at("server.key")),
                ]);
                if is_root() {
                    words.push("--user=root".to_owned());
                }
            }
        }
        words
    }

    /// Starts it, under a shell that ends it and takes its directory away when the test process is
    /// gone, and waits until it lets people in.
    pub fn run(&mut self) {
        let script = "dir=$1; shift; \"$@\" >>\"$dir/log\" 2>&1 & pid=$!; read word; \
            kill -QUIT $pid 2>/dev/null; [ -n \"$word\" ] || { kill -KILL $pid 2>/dev/null; }; \
            wait $pid; [ -n \"$word\" ] || rm -rf \"$dir\"";
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh"])
            .arg(&self.dir)
            .args(self.command_line())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut keeper = command.spawn().expect("a shell");
        let stdin = keeper.stdin.take().expect("its input");
        self.keeper = Some((keeper, stdin));
        until("a server lets us in", || self.open("test").ok());
    }

    /// Ends it; its data stay.
    pub fn stop(&mut self) {
        use std::io::Write;
        let (mut keeper, mut stdin) = self.keeper.take().expect("a server");
        stdin.write_all(b"stay\n").expect("a keeper");
        drop(stdin);
        keeper.wait().expect("its end");
    }

    /// What it wrote and was given.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is, with options behind the `?`.
    pub fn dsn(&self, options: &str) -> String {
        let port = self.port;
        match self.kind {
            Kind::Postgres => format!("postgres://crake@localhost:{port}/postgres?{options}"),
            Kind::Maria => format!("mysql://crake@127.0.0.1:{port}/crake?{options}"),
        }
    }

    /// A source there that may be written.
    pub fn source(&self) -> Source {
        source(&self.dsn(""), true)
    }

    /// A connection.
    pub fn open(&self, owner: &str) -> Result<Box<dyn Connection>> {
        open(&self.source(), Some(&Secret::new(PASSWORD)), owner)
    }

    /// Does something there that sources may not: it changes tables.
    #[track_caller]
    pub fn make(&self, sql: &str) {
        match self.kind {
            Kind::Postgres => drop(self.put(sql)),
            Kind::Maria => {
                let opts = mysql::OptsBuilder::new()
                    .user(Some("crake"))
                    .pass(Some(PASSWORD))
                    .ip_or_hostname(Some("127.0.0.1"))
                    .tcp_port(self.port)
                    .prefer_socket(false)
                    .db_name(Some("crake"));
                let mut conn = mysql::Conn::new(opts).expect("a connection");
                mysql::prelude::Queryable::query_drop(&mut conn, sql).expect(sql);
            }
        }
    }

    /// Does something there.
    #[track_caller]
    pub fn put(&self, sql: &str) -> Answer {
        let mut conn = self.open("put").expect("a connection");
        let mut query = Query::new(sql, "put");
        query.write = true;
        conn.query(&query).expect(sql)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((mut keeper, stdin)) = self.keeper.take() {
            drop(stdin);
            let _ = keeper.wait();
        }
    }
}

/// A source that is in no store.
pub fn source(dsn: &str, writable: bool) -> Source {
    let (dsn, _) = Dsn::parse(dsn).expect(dsn);
    Source {
        name: "test".to_owned(),
        engine: dsn.engine(),
        dsn: dsn.to_string(),
        password: PasswordFrom::Stored,
        writable,
        limits: PoolLimits::default(),
        version: 1,
        created_at: 0,
        changed_at: 0,
    }
}

/// A name that no other test uses.
pub fn fresh(prefix: &str) -> String {
    static USED: Mutex<u32> = Mutex::new(0);
    let mut used = USED.lock().expect("a number");
    *used += 1;
    format!("{prefix}_{}_{used}", mono())
}
