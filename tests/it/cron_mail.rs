//! Mail of jobs kept from a crontab: the letters, and what becomes of them when things go wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crake::letter::{Letter, Login, Rule, rule};
use crake::model::{Command, Engine, Imported, Raw, Said, Spec};
use crake::process::{files_of_pam, pam_variables};
use serde_json::Value;

use crate::support::instance::{Instance, signal};
use crate::support::wait::until;
use rustix::process::Signal;

/// A home whose mail program runs `line` and then keeps what it got in `mail.N`.
fn with_program(line: &str) -> Instance {
    let mut instance = Instance::new();
    let here = instance.sandbox.path("");
    let text = format!(
        "#!/bin/sh\ncd {here}\necho \"$@\" >> begun\n{line}\ncat > part.$$\nmv part.$$ mail.$$\n",
        here = here.display()
    );
    let program = instance.sandbox.file("sendmail", text.as_bytes());
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    start(&mut instance);
    instance
}

fn start(instance: &mut Instance) {
    let program = instance.sandbox.path("sendmail");
    let mut command = instance.daemon_command();
    command
        .env("CRAKE_SENDMAIL", program)
        .env("LANG", "C.UTF-8");
    instance.start_by(command);
}

fn import(instance: &Instance, dialect: &str, table: &str) {
    let file = instance.sandbox.file("table", table.as_bytes());
    let file = file.to_str().unwrap();
    instance
        .sandbox
        .ok(&["import", file, "--dialect", dialect, "--days", "1"]);
}

fn letters(instance: &Instance) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(instance.sandbox.path("")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("mail.")
        {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
    found
}

fn no_mail_is_owed(instance: &Instance) {
    instance.until_sql("(SELECT count(*) FROM mail) = 0");
}

fn told(instance: &Instance, run: i64) -> (String, String) {
    let events = instance.told("mail", run);
    let [event] = events.as_slice() else {
        panic!("{events:?}");
    };
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    (text(&event["level"]), text(&event["text"]))
}

#[test]
fn what_a_job_of_a_crontab_writes_is_mailed_as_its_cron_mails_it() {
    let instance = with_program("");
    let table = "MAILTO=ops@example.org\nFOO=bar\n\
        0 0 1 1 * echo one; echo two >&2; exit 4\n\
        0 0 1 1 * true # quiet\n\
        MAILTO=\"\"\n0 0 1 1 * echo nobody\n";
    import(&instance, "debian", table);
    instance.add("native", "echo native", &[]);
    let shown = instance.sandbox.item(&["show", "echo-one"]);
    assert_eq!(shown["mail"], "what it writes goes to ops@example.org");
    let shown = instance.sandbox.item(&["show", "echo-nobody"]);
    assert_eq!(shown["mail"], "none: MAILTO is empty");
    assert_eq!(
        instance.sandbox.item(&["show", "native"])["mail"],
        Value::Null
    );
    let text = instance.sandbox.ok(&["show", "echo-one"]).stdout;
    assert!(
        text.contains("mail         what it writes goes to"),
        "{text}"
    );
    let run = instance.outcome("echo-one")["run"].as_i64().unwrap();
    for job in ["true", "echo-nobody", "native"] {
        let run = instance.outcome(job)["run"].as_i64().unwrap();
        no_mail_is_owed(&instance);
        assert_eq!(instance.told("mail", run), Vec::<Value>::new(), "{job}");
    }
    until("a letter", || letters(&instance).pop());
    no_mail_is_owed(&instance);
    let [letter] = &letters(&instance)[..] else {
        panic!("{:?}", letters(&instance));
    };
    let (head, body) = letter.split_once("\n\n").unwrap();
    assert_eq!(body, "one\ntwo\n");
    assert!(
        head.contains(" echo one; echo two >&2; exit 4 (failed)\n"),
        "{head}"
    );
    assert!(head.contains("\nTo: ops@example.org\n"), "{head}");
    assert!(head.contains("; charset=UTF-8\n"), "{head}");
    assert!(head.contains("\nX-Cron-Env: <FOO=bar>\n"), "{head}");
    let mailed = (
        "info".to_owned(),
        "mailed 8 bytes to ops@example.org".to_owned(),
    );
    assert_eq!(told(&instance, run), mailed);
    let args = "-FCronDaemon -i -B8BITMIME -oem ops@example.org";
    assert_eq!(instance.lines("begun"), [args]);
}

#[test]
fn mail_that_was_begun_when_the_core_died_is_not_sent_again_and_that_is_told() {
    let mut instance = with_program("read go < gate");
    let gate = instance.gate("gate");
    import(&instance, "debian", "0 0 1 1 * echo one\n");
    let run = instance.outcome("echo")["run"].as_i64().unwrap();
    instance.until_lines("begun", 1);
    let core = instance.kill_core();
    instance.up_but_for(Some(core));
    no_mail_is_owed(&instance);
    let (level, text) = told(&instance, run);
    assert_eq!(level, "warn");
    assert!(text.contains("may or may not have been mailed"), "{text}");
    // The mail program outlives the core.
    fs::write(gate, "go\n").unwrap();
    until("the letter", || letters(&instance).pop());
    assert_eq!(instance.lines("begun").len(), 1);

    // What was owed and not begun is sent by the next core.
    instance.stop();
    let owe = "INSERT INTO mail(run, attempt, made_at) VALUES(?1, 1, 0)";
    instance.sql().execute(owe, [run]).unwrap();
    start(&mut instance);
    instance.until_lines("begun", 2);
    fs::write(instance.sandbox.path("gate"), "go\n").unwrap();
    until("the second letter", || {
        (letters(&instance).len() == 2).then_some(())
    });
    no_mail_is_owed(&instance);
    assert_eq!(instance.told("mail", run).len(), 2);
}

#[test]
fn a_mail_program_that_fails_or_is_not_there_is_told_of() {
    let instance = with_program("echo 'no route to anybody' >&2; exit 75");
    import(
        &instance,
        "debian",
        "0 0 1 1 * echo one\nMAILTO=two names\n0 0 1 1 * echo two\n",
    );
    let run = instance.outcome("echo-one")["run"].as_i64().unwrap();
    no_mail_is_owed(&instance);
    let (level, text) = told(&instance, run);
    assert_eq!(level, "warn");
    assert!(
        text.contains("exit status: 75: no route to anybody"),
        "{text}"
    );
    let run = instance.outcome("echo-two")["run"].as_i64().unwrap();
    no_mail_is_owed(&instance);
    let (level, text) = told(&instance, run);
    assert_eq!(level, "warn");
    assert!(text.contains("no mail goes to \"two names\""), "{text}");
    fs::remove_file(instance.sandbox.path("sendmail")).unwrap();
    let first = instance.outcome("echo-one")["run"].as_i64().unwrap();
    no_mail_is_owed(&instance);
    let (level, text) = told(&instance, first);
    assert_eq!(level, "warn");
    assert!(text.starts_with("there is no mail program "), "{text}");
    assert_eq!(instance.output("echo-one"), "one\n");
    // Once a day is enough.
    let second = instance.outcome("echo-one")["run"].as_i64().unwrap();
    no_mail_is_owed(&instance);
    assert_eq!(instance.told("mail", second), Vec::<Value>::new());
}

#[test]
fn what_a_job_of_a_crontab_leaves_running_goes_on_and_may_write() {
    let instance = Instance::running();
    let gate = instance.gate("gate");
    let here = instance.sandbox.path("").display().to_string();
    let table = format!(
        "HOME={here}\n0 0 1 1 * (read go < gate; echo late; echo $? > went; exec sleep 1000) & echo $! > left; echo now\n"
    );
    import(&instance, "debian", &table);
    let names = instance.sandbox.items(&["list"]);
    let job = names[0]["name"].as_str().unwrap();
    let row = instance.outcome(job);
    assert_eq!(
        (&row["outcome"], &row["reason"]),
        (&"succeeded".into(), &Value::Null)
    );
    assert_eq!(instance.output(job), "now\n");
    fs::write(gate, "go\n").unwrap();
    assert_eq!(instance.until_lines("went", 1), ["0"]);
    // Another run does not meet it, and its end does not end it.
    instance.add("native", "true", &[]);
    assert_eq!(instance.outcome("native")["outcome"], "succeeded");
    let left: i32 = instance.lines("left")[0].parse().unwrap();
    assert!(crate::support::instance::is_alive(left));
    signal(left, Signal::KILL);
}

fn spec(dialect: &str, env: &[(&str, &str)]) -> Spec {
    let mut spec = Spec::of(Command::Line("echo %".into()));
    spec.engine = Engine::Cron(dialect.to_owned());
    spec.env = env
        .iter()
        .map(|(n, v)| ((*n).to_owned(), Raw::from(*v)))
        .collect();
    spec
}

fn ana() -> Login {
    Login {
        name: "ana".to_owned(),
        home: "/home/ana".to_owned(),
    }
}

#[test]
fn a_letter_of_cronie_is_as_its_source_writes_it() {
    let env = [("MAILTO", "ops,$LOGNAME"), ("USER", "eve"), ("A", "1")];
    let spec = spec("cronie", &env);
    let to = "ops,ana".to_owned();
    let ruled = Rule::To {
        to: to.clone(),
        failed_only: false,
    };
    assert_eq!(rule(&spec, "ana"), ruled);
    let letter = Letter::of(&spec, to, true, Some("en_US.UTF-8"));
    let args = "-FCronDaemon -i -odi -oem -oi -t -f ana";
    assert_eq!(letter.arguments(&ana()).join(" "), args);
    let head = String::from_utf8(letter.head(&ana(), "box.example.org")).unwrap();
    assert_eq!(
        head,
        "From: \"(Cron Daemon)\" <ana>\nTo: ops,ana\nSubject: Cron <ana@box> echo %\n\
         MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n\
         Auto-Submitted: auto-generated\nPrecedence: bulk\nX-Cron-Env: <LANG=en_US.UTF-8>\n\
         X-Cron-Env: <MAILTO=ops,$LOGNAME>\nX-Cron-Env: <USER=ana>\nX-Cron-Env: <A=1>\n\
         X-Cron-Env: <SHELL=/bin/sh>\nX-Cron-Env: <HOME=/home/ana>\n\
         X-Cron-Env: <PATH=/usr/bin:/bin:/usr/sbin:/sbin>\nX-Cron-Env: <LOGNAME=ana>\n\n"
    );
}

#[test]
fn who_gets_mail_is_what_each_cron_says() {
    let of = |dialect: &str, to: &str| rule(&spec(dialect, &[("MAILTO", to)]), "ana");
    for dialect in ["debian", "cronie"] {
        assert_eq!(of(dialect, ""), Rule::Nobody);
        for to in ["a@b.c", "a,b", "a+x_y-z%h!u:v"] {
            assert!(matches!(of(dialect, to), Rule::To { .. }), "{to}");
        }
        for to in ["-oQ/tmp", "a b", "a;b", "@b", "a\nBcc: c", "ä@b"] {
            assert_eq!(of(dialect, to), Rule::Unsafe(to.to_owned()));
        }
    }
    assert_eq!(of("debian", "$USER"), Rule::Unsafe("$USER".to_owned()));
    let unset = rule(&spec("debian", &[]), "ana");
    let ana = |failed_only| Rule::To {
        to: "ana".to_owned(),
        failed_only,
    };
    assert_eq!(unset, ana(false));
    assert_eq!(
        rule(&Spec::of(Command::Line("true".into())), "ana"),
        Rule::Native
    );
    let mut only_failed = spec("cronie", &[]);
    only_failed.imported = Some(Box::new(Imported {
        id: "12345678".to_owned(),
        source: "-".to_owned(),
        line: 1,
        text: Raw::default(),
        name: "x".to_owned(),
        disabled: false,
        mail_on_failure: true,
        no_log: false,
        mail_to: None,
        said: Said {
            schedule: String::new(),
            zone: None,
            dst: String::new(),
            jitter_ms: 0,
            user: None,
            command: Raw::default(),
            stdin: None,
            shell: None,
            env: Vec::new(),
            engine: String::new(),
        },
    }));
    assert_eq!(rule(&only_failed, "ana"), ana(true));
}

#[test]
fn the_files_of_a_login_session_are_read_as_pam_env_reads_them() {
    let pam = "auth required pam_env.so.old\n#session required pam_env.so envfile=/no\n\
        session required pam_env.so\nsession required pam_env.so envfile=/etc/default/locale\n";
    let files = files_of_pam(pam.split_once('\n').unwrap().1);
    assert_eq!(files, ["/etc/environment", "/etc/default/locale"]);
    let read = |text: &str| {
        let found = pam_variables(text.as_bytes()).into_iter();
        let pairs: Vec<String> = found.map(|(n, v)| format!("{n}={}", v.lossy())).collect();
        pairs.join("|")
    };
    assert_eq!(
        read("A=1\nexport B='2'\n C=3 # d\nD-E=4\n#F=5\nA=6\n"),
        "B=2|C=3 |A=6"
    );
    assert_eq!(read("G=\"7\nH=\nI"), "G=7|H=");
}
