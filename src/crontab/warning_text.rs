//! What the hazards look like in the text of a command, value or comment.

use crate::crontab::field::Field;

/// Bash syntax that a plain shell reads otherwise or not at all.
pub(crate) fn bash_only(command: &str) -> Option<&'static str> {
    const MARKS: [(&str, &str); 6] = [
        (
            "&>",
            "`&>` (a plain shell runs the command in the background)",
        ),
        ("|&", "`|&`"),
        ("<<<", "`<<<`"),
        ("<(", "`<(...)`"),
        (">(", "`>(...)`"),
        ("$'", "`$'...'`"),
    ];
    let bare = without_single_quotes(command);
    if let Some((_, what)) = MARKS.into_iter().find(|(mark, _)| bare.contains(mark)) {
        return Some(what);
    }
    let starts_word = |at: usize| {
        let before = bare
            .get(..at)
            .unwrap_or_default()
            .trim_end_matches([' ', '\t']);
        before.is_empty() || before.ends_with([';', '&', '|', '(', '{'])
    };
    let keyword = |word: &str| bare.match_indices(word).any(|(at, _)| starts_word(at));
    if keyword("[[ ") || bare.contains("if [[ ") {
        return Some("`[[`");
    }
    if keyword("source ") {
        return Some("`source`");
    }
    if keyword("pushd ") || keyword("popd") {
        return Some("`pushd`");
    }
    brace_range(&bare).then_some("`{1..9}`")
}

/// The command without its single-quoted parts, which another program reads; `$'` is kept.
fn without_single_quotes(command: &str) -> String {
    let mut bare = String::with_capacity(command.len());
    let mut quoted = false;
    let mut doubled = false;
    for c in command.chars() {
        match c {
            '\'' if !doubled => {
                if !quoted && bare.ends_with('$') {
                    bare.push(c);
                }
                quoted = !quoted;
            }
            '"' if !quoted => doubled = !doubled,
            _ if quoted => {}
            c => bare.push(c),
        }
    }
    bare
}

fn brace_range(command: &str) -> bool {
    command.split('{').skip(1).any(|part| {
        let inside = part
            .split_once('}')
            .map(|(inside, _)| inside)
            .unwrap_or_default();
        inside.split_once("..").is_some_and(|(from, to)| {
            let plain =
                |end: &str| !end.is_empty() && end.chars().all(|c| c.is_ascii_alphanumeric());
            plain(from) && plain(to)
        })
    })
}

/// Characters in a value that a shell would read but cron does not.
pub(crate) fn careless_value(value: &str) -> Option<&'static str> {
    if value.contains('$') || value.contains('`') {
        return Some("`$`");
    }
    if value.contains(" #") || value.contains("\t#") {
        return Some("`#`");
    }
    (value.starts_with('~') || value.contains(":~/")).then_some("`~`")
}

/// The tool that owns a line or block, by the comment it leaves.
pub(crate) fn managed_by(comment: &str) -> Option<&'static str> {
    const MARKS: [(&str, &str); 9] = [
        ("#Ansible:", "Ansible"),
        ("BEGIN ANSIBLE MANAGED BLOCK", "Ansible"),
        ("Ansible managed", "Ansible"),
        ("# Puppet Name:", "Puppet"),
        ("managed by Puppet", "Puppet"),
        ("SALT_CRON_IDENTIFIER", "Salt"),
        ("managed by Salt", "Salt"),
        ("Chef Name:", "Chef"),
        ("Begin Whenever generated tasks", "whenever"),
    ];
    let lower = comment.to_lowercase();
    MARKS
        .into_iter()
        .find(|(mark, _)| lower.contains(&mark.to_lowercase()))
        .map(|(_, tool)| tool)
}

/// Whether a raw command holds two backslashes that the dialects treat differently.
pub(crate) fn has_backslash_pair(raw: &[u8]) -> bool {
    // Only the command part counts: in the standard input both keep them.
    let mut escaped = false;
    for &byte in raw {
        match (escaped, byte) {
            (true, b'\\') => return true,
            (false, b'%') => return false,
            _ => escaped = byte == b'\\' && !escaped,
        }
    }
    false
}

/// Whether a name is that of a secret.
pub(crate) fn secret_name(name: &str) -> bool {
    const PARTS: [&str; 8] = [
        "PASSWORD",
        "PASSWD",
        "SECRET",
        "TOKEN",
        "API_KEY",
        "APIKEY",
        "PRIVATE_KEY",
        "ACCESS_KEY",
    ];
    let upper = name.to_uppercase();
    PARTS.into_iter().any(|part| upper.contains(part)) || upper == "PGPASS" || upper == "MYSQL_PWD"
}

/// What in a text looks like a secret; names the place, never the secret.
pub(crate) fn secret_in(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    const KEYS: [(&str, &str); 12] = [
        ("password=", "password="),
        ("passwd=", "passwd="),
        ("--password ", "--password"),
        ("mysql_pwd=", "MYSQL_PWD="),
        ("secret=", "secret="),
        ("token=", "token="),
        ("api_key=", "api_key="),
        ("apikey=", "apikey="),
        ("authorization: bearer ", "Authorization header"),
        ("authorization: basic ", "Authorization header"),
        ("x-api-key:", "X-API-Key header"),
        ("private-token:", "PRIVATE-TOKEN header"),
    ];
    for (key, what) in KEYS {
        let value = lower.split(key).skip(1).map(str::trim_start);
        if value.into_iter().any(is_literal) {
            return Some(what);
        }
    }
    if url_with_password(text) {
        return Some("password in a URL");
    }
    mysql_password(text).then_some("-p with a password")
}

/// A value that stands there itself and is not fetched from a variable, command or file.
fn is_literal(value: &str) -> bool {
    let value = value.trim_start_matches(['\'', '"', '\\']);
    !value.is_empty() && !value.starts_with(['$', '`', '<', ' ', '&', ';', '|'])
}

fn url_with_password(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '\'' | '"'));
        let host = rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest);
        host.rsplit_once('@')
            .and_then(|(user, _)| user.split_once(':'))
            .is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$'))
    })
}

fn mysql_password(text: &str) -> bool {
    let mut database_tool = false;
    for word in text.split_whitespace() {
        let name = word.rsplit('/').next().unwrap_or(word);
        database_tool |= matches!(name, "mysql" | "mysqldump" | "mysqladmin" | "mariadb-dump");
        let password = word.strip_prefix("-p").filter(|rest| !rest.is_empty());
        if database_tool && password.is_some_and(is_literal) {
            return true;
        }
    }
    false
}

/// The step of a star item that does not divide its field, as in `*/7`.
pub(crate) fn uneven_step(text: &str, field: Field) -> Option<u32> {
    let values = (field.high() - field.low() + 1) as u32;
    text.split(',').find_map(|item| {
        let step: u32 = item.strip_prefix("*/")?.parse().ok()?;
        (step > 0 && !values.is_multiple_of(step)).then_some(step)
    })
}
