//! Pings in the form of Healthchecks: `URL/start` when a run starts, `URL` when it succeeded,
//! `URL/CODE` or `URL/fail` when it did not, and in `rid` which run it is.

use crate::courier::secret::address;
use crate::courier::web::{agent, answer};
use crate::courier::{Item, Message, Undeliverable};
use crate::model::Place;

/// Pings for each alert of a message.
pub fn request(place: &Place, message: &Message) -> Result<(), Undeliverable> {
    let url = address(place)?;
    for item in &message.items {
        let asked = ping_url(&url, item);
        let request = agent().post(&asked).header("X-Crake-Alert", &message.id);
        answer(&asked, request.send(item.text.as_str()))?;
    }
    Ok(())
}

/// The address of one ping.
fn ping_url(url: &str, item: &Item) -> String {
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let job = encoded(item.job.as_deref().unwrap_or(""));
    let url = url.replace("{job}", &job);
    let url = url.trim_end_matches('/');
    let end = match (item.kind, item.exit_code) {
        ("started", _) => "/start".to_owned(),
        ("succeeded" | "test", _) => String::new(),
        (_, Some(code)) if (1..=255).contains(&code) => format!("/{code}"),
        _ => "/fail".to_owned(),
    };
    // It has to be a UUID, and pairs the end of a run with its start.
    let run = item
        .run
        .map(|run| format!("rid=00000000-0000-4000-8000-{run:012x}"));
    let query: Vec<&str> = [query, run.as_deref().unwrap_or("")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    match query.is_empty() {
        true => format!("{url}{end}"),
        false => format!("{url}{end}?{}", query.join("&")),
    }
}

fn encoded(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    name.bytes()
        .map(|b| match plain(b) {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::courier::Item;
    use crate::courier::ping::ping_url;

    #[test]
    fn the_address_says_what_happened_to_which_run() {
        let item = |kind, exit_code| Item {
            alert: 1,
            kind,
            job: Some("a b".to_owned()),
            run: Some(26),
            exit_code,
            subject: String::new(),
            text: String::new(),
            decided_at: String::new(),
        };
        let rid = "rid=00000000-0000-4000-8000-00000000001a";
        for (url, kind, code, wanted) in [
            ("https://h/u", "started", None, "https://h/u/start?"),
            ("https://h/u/", "succeeded", Some(0), "https://h/u?"),
            ("https://h/u", "failed", Some(3), "https://h/u/3?"),
            ("https://h/u", "failed", None, "https://h/u/fail?"),
            (
                "https://h/{job}?x=1",
                "started",
                None,
                "https://h/a%20b/start?x=1&",
            ),
        ] {
            assert_eq!(ping_url(url, &item(kind, code)), format!("{wanted}{rid}"));
        }
    }
}
