//! What polls and acts bring, from every kind of source, through a process of its own.

use crake::daemon::poller::{Act, Ask};
use crake::model::Cell;
use crake::source::ErrorKind;

use crate::support::pollers::{Post, ask, wording};
use crate::support::servers::{Kind, fresh, shared, source};

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// A file of SQLite with a table of orders.
fn file(dir: &tempfile::TempDir) -> (String, rusqlite::Connection) {
    let path = dir.path().join("shop.db");
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY, claimed TEXT);
         INSERT INTO orders (id) VALUES (1), (2), (3)",
    )
    .unwrap();
    (format!("sqlite:{}", path.display()), conn)
}

fn ack(id: u64, sql: &str, ids: &[i64]) -> Act {
    Act {
        id,
        watch: "orders".to_owned(),
        sql: sql.to_owned(),
        params: ids
            .iter()
            .map(|id| vec![("id".to_owned(), Cell::Int(*id))])
            .collect(),
        timeout_ms: 20_000,
    }
}

#[test]
fn poller_answers_every_kind_of_value_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let (dsn, _conn) = file(&dir);
    let mut post = Post::at(&dsn);
    let sql = "SELECT NULL AS n, -9223372036854775808 AS i, 0.1 + 0.2 AS r, 9e999 AS big,
        'ä\"' AS t, x'00ff' AS b, :given AS g";
    let answer = post.answer_to(Ask {
        query: wording(sql, &[("given", Cell::Real(f64::NEG_INFINITY))]),
        ..ask("")
    });
    assert!(answer.took_ms >= 0 && answer.wait_ms >= 0, "{answer:?}");
    assert!(answer.connection.starts_with("file "), "{answer:?}");
    let reply = answer.result.unwrap();
    assert_eq!(reply.rows.columns, ["n", "i", "r", "big", "t", "b", "g"]);
    let wanted = [
        Cell::Null,
        Cell::Int(i64::MIN),
        Cell::Real(0.1 + 0.2),
        Cell::Real(f64::INFINITY),
        text("ä\""),
        Cell::Bytes(vec![0, 255]),
        Cell::Real(f64::NEG_INFINITY),
    ];
    assert_eq!(reply.rows.rows, [wanted]);
    assert_eq!((reply.claimed, reply.transactions), (None, None));
}

#[test]
fn poller_tells_errors_as_the_source_does() {
    let dir = tempfile::tempdir().unwrap();
    let (dsn, _conn) = file(&dir);
    let mut post = Post::at(&dsn);
    let error = |post: &mut Post, question: Ask| post.answer_to(question).result.unwrap_err();
    let e = error(&mut post, ask("SELECT nothing FROM orders"));
    assert_eq!((e.kind, e.position), (ErrorKind::Sql, Some(8)), "{e:?}");
    let e = error(&mut post, ask("SELECT :absent"));
    assert_eq!(e.kind, ErrorKind::Params, "{e:?}");
    let e = error(&mut post, ask("DELETE FROM orders"));
    assert!(e.kind == ErrorKind::ReadOnly && e.hint.is_some(), "{e:?}");
    std::fs::remove_file(dir.path().join("shop.db")).unwrap();
    let e = error(&mut post, ask("SELECT 1"));
    assert_eq!(e.kind, ErrorKind::Resolve, "{e:?}");
    let mut post = Post::at("exec:echo oh no >&2; exit 3");
    let e = error(&mut post, ask("x"));
    assert_eq!((e.kind, e.message.as_str()), (ErrorKind::Exec, "oh no"));
    assert_eq!(e.code.as_deref(), Some("exit 3"));
}

#[test]
fn poller_claims_asks_and_acknowledges() {
    let dir = tempfile::tempdir().unwrap();
    let (dsn, conn) = file(&dir);
    let mut post = Post::at(&dsn);
    let mine = [("claim", text("orders:1"))];
    let consume = Ask {
        claim: Some(wording(
            "UPDATE orders SET claimed = :claim WHERE claimed IS NULL AND id < 3",
            &mine,
        )),
        query: wording("SELECT id FROM orders WHERE claimed = :claim", &mine),
        ..ask("")
    };
    let reply = post.answer_to(consume.clone()).result.unwrap();
    assert_eq!(reply.claimed, Some(2));
    assert_eq!(reply.rows.rows, [[Cell::Int(1)], [Cell::Int(2)]]);
    let done = "DELETE FROM orders WHERE id = :id";
    let acted = post.act(ack(7, done, &[1, 2, 2]));
    assert_eq!((acted.affected, acted.error), (vec![1, 1, 0], None));
    let left: i64 = conn
        .query_row("SELECT count(*) FROM orders", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 1);
    let acted = post.act(ack(8, "DELETE FROM absent WHERE id = :id", &[1]));
    assert_eq!(acted.error.unwrap().kind, ErrorKind::Sql);
    let only_read = source(&dsn, false);
    let mut post = Post::of(&only_read);
    let e = post.answer_to(consume).result.unwrap_err();
    assert_eq!(e.kind, ErrorKind::ReadOnly);
}

#[test]
fn poller_asks_postgres_and_tells_which_transactions_are_under_way() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let table = fresh("poller");
    server.make(&format!("CREATE TABLE {table} (id int)"));
    let mut post = Post::of(&server.source());
    let question = Ask {
        transactions: true,
        ..ask(&format!("SELECT id FROM {table}"))
    };
    let answer = post.answer_to(question.clone());
    let (oldest, next) = answer.result.unwrap().transactions.expect("a pair");
    assert!(0 < oldest && oldest <= next, "{oldest} {next}");
    // While a transaction is under way it stays the oldest, however many come after it.
    let mut config = postgres::Config::new();
    config.host("localhost").port(server.port()).user("crake");
    config
        .password(crate::support::servers::PASSWORD)
        .dbname("postgres");
    let mut other = config.connect(postgres::NoTls).unwrap();
    let mut open = other.transaction().unwrap();
    open.execute(&format!("INSERT INTO {table} VALUES (1)"), &[])
        .unwrap();
    let own = open.query_one("SELECT pg_current_xact_id()::text::bigint", &[]);
    let own: i64 = own.unwrap().get(0);
    for id in 2..5 {
        server.put(&format!("INSERT INTO {table} VALUES ({id})"));
    }
    let reply = post.answer_to(question.clone()).result.unwrap();
    let (oldest, next) = reply.transactions.expect("a pair");
    assert!(oldest <= own && own + 3 < next, "{oldest} {own} {next}");
    assert_eq!(
        reply.rows.rows.len(),
        3,
        "what is not committed is not seen"
    );
    open.commit().unwrap();
    let reply = post.answer_to(question).result.unwrap();
    assert_eq!(reply.rows.rows.len(), 4);
    let reply = post.answer_to(ask("SELECT 1")).result.unwrap();
    assert_eq!(reply.transactions, None, "told only where it is asked");
}

#[test]
fn poller_claims_and_acknowledges_on_servers() {
    for kind in [Kind::Postgres, Kind::Maria] {
        let Some(server) = shared(kind) else { continue };
        let table = fresh("claims");
        server.make(&format!("CREATE TABLE {table} (id int, claimed text)"));
        server.put(&format!("INSERT INTO {table} (id) VALUES (1), (2), (3)"));
        let mut post = Post::of(&server.source());
        let mine = [("claim", text("orders:9"))];
        let claim = format!("UPDATE {table} SET claimed = :claim WHERE claimed IS NULL");
        let query = format!("SELECT id FROM {table} WHERE claimed = :claim ORDER BY id");
        let consume = Ask {
            claim: Some(wording(&claim, &mine)),
            query: wording(&query, &mine),
            ..ask("")
        };
        let answer = post.answer_to(consume);
        let reply = answer.result.unwrap();
        assert_eq!((reply.claimed, reply.rows.rows.len()), (Some(3), 3));
        assert!(answer.connection.parse::<i64>().is_ok(), "its own number");
        let delete = format!("DELETE FROM {table} WHERE id = :id");
        let acted = post.act(ack(1, &delete, &[1, 2, 3, 4]));
        assert_eq!((acted.affected, acted.error), (vec![1, 1, 1, 0], None));
        let count = post.rows(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(count, [[Cell::Int(0)]], "{kind:?}");
    }
}

#[test]
fn poller_reads_a_claim_on_the_connection_that_made_it() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let table = fresh("one");
    server.make(&format!("CREATE TABLE {table} (id int, pid int)"));
    server.put(&format!(
        "INSERT INTO {table} SELECT generate_series(1, 12)"
    ));
    let mut post = Post::of(&server.source());
    let consume = |id: i64| {
        let own = [("id", Cell::Int(id))];
        let claim =
            format!("UPDATE {table} SET pid = pg_backend_pid() FROM pg_sleep(0.05) WHERE id = :id");
        let query = format!("SELECT pid = pg_backend_pid() FROM {table} WHERE id = :id");
        Ask {
            claim: Some(wording(&claim, &own)),
            query: wording(&query, &own),
            ..ask("")
        }
    };
    let polls: Vec<_> = (1..=12).map(|id| post.ask(consume(id))).collect();
    for poll in polls {
        let rows = post.answer(poll).result.unwrap().rows.rows;
        assert_eq!(rows, [[Cell::Bool(true)]]);
    }
    let beat = post.beat("more than one connection", |beat| beat.gauges.opened > 1);
    assert!(beat.gauges.opened <= 4, "{beat:?}");
}

#[test]
fn poller_goes_on_after_a_restart_of_the_server() {
    let Some(mut server) = crate::support::servers::Server::start(Kind::Postgres) else {
        return;
    };
    server.make("CREATE TABLE claims (id int, claimed int)");
    server.put("INSERT INTO claims (id) VALUES (1)");
    let mut post = Post::of(&server.source());
    assert_eq!(post.rows("SELECT 1"), [[Cell::Int(1)]]);
    server.stop();
    server.run();
    assert_eq!(post.rows("SELECT 2"), [[Cell::Int(2)]]);
    server.stop();
    server.run();
    // A statement that must not be executed twice is executed once all the same.
    let acted = post.act(ack(1, "UPDATE claims SET claimed = :id", &[1]));
    assert_eq!((acted.affected, acted.error), (vec![1], None));
    server.stop();
    let e = post.answer_to(ask("SELECT 3")).result.unwrap_err();
    assert!(e.kind.may_pass(), "{e:?}");
}

#[test]
fn poller_asks_commands_and_gives_them_no_password_of_the_daemon() {
    let line = "echo '{\"name\":\"'$QUERY'\",\"daemon\":\"'$CRAKE_HOME$CARGO'\"}'";
    let mut post = Post::at(&format!("exec:{line}"));
    let reply = post.answer_to(ask("orders")).result.unwrap();
    assert_eq!(reply.rows.rows, [[text(""), text("orders")]]);
}
