//! The texts that say where a source is, and that no password gets out of them.

use crake::model::{Dsn, Secret, SourceEngine};

use crate::support::servers::source;

type Form = (
    &'static str,
    SourceEngine,
    &'static str,
    Option<&'static str>,
);

/// A text, what it is, how it is written again, and the password in it.
const FORMS: &[Form] = &[
    (
        "sqlite:/var/x.db",
        SourceEngine::Sqlite,
        "sqlite:/var/x.db",
        None,
    ),
    (
        "sqlite:///var/x.db",
        SourceEngine::Sqlite,
        "sqlite:/var/x.db",
        None,
    ),
    ("./x.db", SourceEngine::Sqlite, "sqlite:./x.db", None),
    (
        "orders.sqlite",
        SourceEngine::Sqlite,
        "sqlite:orders.sqlite",
        None,
    ),
    ("postgres://h", SourceEngine::Postgres, "postgres://h", None),
    (
        "postgresql://u@h:5432/d",
        SourceEngine::Postgres,
        "postgres://u@h/d",
        None,
    ),
    (
        "postgres://u:p@h:6000/d?sslmode=verify-full",
        SourceEngine::Postgres,
        "postgres://u@h:6000/d?sslmode=verify-full",
        Some("p"),
    ),
    (
        "postgres://u:p%40%2F@h/d",
        SourceEngine::Postgres,
        "postgres://u@h/d",
        Some("p@/"),
    ),
    (
        "postgres://u:p@/ss@h/d",
        SourceEngine::Postgres,
        "postgres://u@h/d",
        Some("p@/ss"),
    ),
    (
        "postgres:///d?host=/run/postgresql&user=u",
        SourceEngine::Postgres,
        "postgres://u@/d?host=%2Frun%2Fpostgresql",
        None,
    ),
    (
        "postgres://u@h/d?password=geheim",
        SourceEngine::Postgres,
        "postgres://u@h/d",
        Some("geheim"),
    ),
    (
        "postgres://u@[::1]:6000/d",
        SourceEngine::Postgres,
        "postgres://u@[::1]:6000/d",
        None,
    ),
    (
        "mariadb://u@h:3306/d?ssl-mode=REQUIRE",
        SourceEngine::Mysql,
        "mysql://u@h/d?sslmode=require",
        None,
    ),
    (
        "mysql://r%C3%A4t@h",
        SourceEngine::Mysql,
        "mysql://r%C3%A4t@h",
        None,
    ),
    (
        "exec: jq -c . /tmp/x",
        SourceEngine::Exec,
        "exec:jq -c . /tmp/x",
        None,
    ),
];

#[test]
fn source_dsn_is_taken_apart_and_put_together_again() {
    for (text, engine, wanted, password) in FORMS.iter().copied() {
        let (dsn, secret) = Dsn::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(dsn.engine(), engine, "{text}");
        assert_eq!(dsn.to_string(), wanted);
        assert_eq!(secret.as_ref().map(Secret::expose), password, "{text}");
        let (again, none) = Dsn::parse(wanted).unwrap_or_else(|e| panic!("{wanted}: {e}"));
        assert_eq!((again, none), (dsn, None), "{text}");
    }
}

#[test]
fn source_dsn_that_is_none_is_refused_without_repeating_it() {
    for text in [
        "",
        "shop",
        "oracle://u:geheim@h/d",
        "postgres:u:geheim@h",
        "postgres://u:geheim@h:port/d",
        "postgres://u:geheim@h/d?sslmode=on",
        "postgres://u:ge?heim@h/d",
        "postgres://u:geheim%4@h/d",
        "postgres://u:geheim@h/d?verify=1",
        "sqlite::memory:",
        "exec:",
        "exec:psql postgres://u:geheim@h/d -c x",
    ] {
        let error = Dsn::parse(text).expect_err(text);
        let said = format!("{error} {} {error:?}", error.hint);
        assert!(
            !said.contains("geheim") && !said.contains("heim@"),
            "{said}"
        );
    }
}

#[test]
fn source_secret_says_nothing() {
    let (dsn, secret) = Dsn::parse("postgres://u:geheim@h/d").expect("a DSN");
    let source = source("postgres://u:geheim@h/d", false);
    let said = format!("{dsn:?} {dsn} {secret:?} {source:?} {}", source.redacted());
    assert!(!said.contains("geheim"), "{said}");
    assert_eq!(source.redacted(), "postgres://u:***@h/d");
}
