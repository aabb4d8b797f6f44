//! Taking messages to receivers: commands, mail, webhooks, pings. What can hang hangs here, in a
//! process that does nothing else, and within time limits.

mod command;
mod mail;
mod message;
mod ping;
mod secret;
mod web;

use crate::model::{Means, Receiver};

pub use message::{Item, Message};

/// Why a message could not be delivered, in words without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undeliverable(pub String);

impl std::fmt::Display for Undeliverable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Undeliverable {
    fn from(e: std::io::Error) -> Undeliverable {
        Undeliverable(e.to_string())
    }
}

/// Takes a message to a receiver, once. It takes a minute or so at most, unless what it talks to sends
/// a little again and again.
///
/// # Errors
/// Whatever keeps the receiver from having it.
pub fn deliver(receiver: &Receiver, message: &Message) -> Result<(), Undeliverable> {
    match &receiver.means {
        Means::Command { line } => command::run(line, message),
        Means::Mail {
            to,
            from,
            smtp,
            secret,
        } => mail::send(to, from.as_deref(), smtp.as_ref(), secret.as_ref(), message),
        Means::Webhook { url, secret } => web::post(url, secret.as_ref(), message),
        Means::Ping { url } => ping::request(url, message),
    }
}
