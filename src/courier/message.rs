//! A message: what a receiver is sent at once.

use serde_json::{Value, json};

/// One alert in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its number in the outbox.
    pub alert: i64,
    /// What it is about.
    pub kind: &'static str,
    /// The job.
    pub job: Option<String>,
    /// The run.
    pub run: Option<i64>,
    /// The exit code of the run, where it has one.
    pub exit_code: Option<i32>,
    /// In one line.
    pub subject: String,
    /// In full.
    pub text: String,
    /// When it was decided, RFC 3339.
    pub decided_at: String,
}

/// One or more alerts for one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same in each try, and of no other message.
    pub id: String,
    /// The receiver's name.
    pub receiver: String,
    /// The host's name.
    pub host: String,
    /// What it tells; never empty.
    pub items: Vec<Item>,
}

impl Message {
    /// What all of it is about, or `several`.
    pub fn kind(&self) -> &'static str {
        let first = self.items.first().map_or("several", |item| item.kind);
        match self.items.iter().all(|item| item.kind == first) {
            true => first,
            false => "several",
        }
    }

    /// In one line.
    pub fn subject(&self) -> String {
        match self.items.as_slice() {
            [one] => format!("[crake {}] {}", self.host, one.subject),
            items => {
                let first = items.first().map_or("", |item| item.subject.as_str());
                format!("[crake {}] {} alerts: {first}, ...", self.host, items.len())
            }
        }
    }

    /// In full.
    pub fn text(&self) -> String {
        if let [one] = self.items.as_slice() {
            return one.text.clone();
        }
        let mut text = String::new();
        for item in &self.items {
            text.push_str(&format!("- {}\n", item.subject));
        }
        for item in &self.items {
            text.push_str(&format!("\n== {}\n{}", item.subject, item.text));
        }
        text
    }

    /// As JSON, for commands and webhooks.
    pub fn json(&self) -> Value {
        let item = |item: &Item| {
            json!({
                "alert": item.alert,
                "kind": item.kind,
                "job": item.job,
                "run": item.run,
                "exit_code": item.exit_code,
                "subject": item.subject,
                "text": item.text,
                "decided_at": item.decided_at,
            })
        };
        json!({
            "v": 1,
            "id": self.id,
            "receiver": self.receiver,
            "host": self.host,
            "kind": self.kind(),
            "subject": self.subject(),
            "text": self.text(),
            "alerts": self.items.iter().map(item).collect::<Vec<Value>>(),
        })
    }
}
