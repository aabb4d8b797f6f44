//! Mail: through the host's `sendmail`, or straight to a server.

use std::process::Command;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Message as Letter, SmtpTransport, Transport};

use crate::courier::command::{feed, set_environment};
use crate::courier::secret::{address, secret, without};
use crate::courier::web::trusted;
use crate::courier::{Message, Undeliverable};
use crate::model::{Place, Secret, SecretFrom};

/// How long a server may take for each of its answers.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where `sendmail` is, whatever the daemon's search path.
const SENDMAIL: [&str; 3] = [
    "/usr/sbin/sendmail",
    "/usr/lib/sendmail",
    "/usr/bin/sendmail",
];

/// Mails a message.
pub fn send(
    to: &[String],
    from: Option<&str>,
    smtp: Option<&Place>,
    password: Option<&SecretFrom>,
    message: &Message,
) -> Result<(), Undeliverable> {
    let letter = letter(to, from, message)?;
    let Some(place) = smtp else {
        let found = SENDMAIL
            .iter()
            .find(|path| std::path::Path::new(path).exists());
        let program = found.ok_or_else(|| {
            Undeliverable(
                "this host has no sendmail: install one, or name a server with --smtp".to_owned(),
            )
        })?;
        let mut command = Command::new(program);
        command.args(["-i", "--"]).args(to);
        set_environment(&mut command);
        return feed(command, letter.formatted());
    };
    let url = address(place)?;
    let password = password.map(secret).transpose()?;
    let server = Server::of(&url, password)?;
    let transport = server.transport()?;
    let sent = transport.send(&letter).map_err(|e| {
        let why = std::error::Error::source(&e).map_or(String::new(), |s| format!(": {s}"));
        Undeliverable(without(&url, &format!("{}: {e}{why}", server.host)))
    })?;
    match sent.is_positive() {
        true => Ok(()),
        false => Err(Undeliverable(format!(
            "{} answers {}",
            server.host,
            sent.code()
        ))),
    }
}

fn letter(to: &[String], from: Option<&str>, message: &Message) -> Result<Letter, Undeliverable> {
    let mailbox = |text: &str| {
        let parsed = text.parse::<Mailbox>();
        parsed.map_err(|e| Undeliverable(format!("\"{text}\" is no mail address: {e}")))
    };
    // A name without a dot is one of this host, as mail servers complete it.
    let sender = match from {
        Some(from) => mailbox(from)?,
        None => {
            mailbox(&format!("crake@{}", message.host)).or_else(|_| mailbox("crake@localhost"))?
        }
    };
    let mut builder = Letter::builder()
        .from(sender)
        .subject(one_line(&message.subject()))
        .message_id(Some(format!("<{}@{}>", message.id, message.host)))
        .header(ContentType::TEXT_PLAIN)
        .header(header::MIME_VERSION_1_0);
    for address in to {
        builder = builder.to(mailbox(address)?);
    }
    builder
        .body(message.text())
        .map_err(|e| Undeliverable(format!("the mail cannot be written: {e}")))
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// A mail server as an address names it: `smtp://USER:PASSWORD@HOST:PORT?tls=required`.
struct Server {
    wrapped: bool,
    host: String,
    port: Option<u16>,
    login: Option<(String, Secret)>,
    tls: Option<String>,
}

impl Server {
    fn of(url: &str, password: Option<Secret>) -> Result<Server, Undeliverable> {
        let wrong = || {
            Undeliverable(
                "the address of the mail server is none: write smtp://HOST:PORT or smtps://HOST"
                    .to_owned(),
            )
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let wrapped = match scheme {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(wrong()),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let rest = rest.split('/').next().unwrap_or(rest);
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        let (host, port) = match host
            .rsplit_once(':')
            .filter(|(_, port)| !port.ends_with(']'))
        {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
            None => (host, None),
        };
        if host.is_empty() {
            return Err(wrong());
        }
        let login = user.map(|user| {
            let (user, inside) = user.split_once(':').unwrap_or((user, ""));
            (
                decoded(user),
                password.unwrap_or_else(|| Secret::new(decoded(inside))),
            )
        });
        let tls = query.split('&').find_map(|pair| pair.strip_prefix("tls="));
        Ok(Server {
            wrapped,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            login,
            tls: tls.map(str::to_owned),
        })
    }

    fn transport(&self) -> Result<SmtpTransport, Undeliverable> {
        let wrong = |e: &dyn std::fmt::Display| Undeliverable(format!("{}: {e}", self.host));
        let parameters = || -> Result<TlsParameters, Undeliverable> {
            let mut builder = TlsParameters::builder(self.host.clone());
            if let Some(certificate) = trusted().and_then(|pem| Certificate::from_pem(&pem).ok()) {
                builder = builder
                    .certificate_store(CertificateStore::None)
                    .add_root_certificate(certificate);
            }
            builder.build().map_err(|e| wrong(&e))
        };
        let (port, tls) = match (self.wrapped, self.tls.as_deref()) {
            (true, _) => (465, Tls::Wrapper(parameters()?)),
            (_, Some("none")) => (25, Tls::None),
            (_, Some("required")) => (587, Tls::Required(parameters()?)),
            // A password goes over no connection that others may read, unless somebody said so.
            (_, None) if self.login.is_some() => (587, Tls::Required(parameters()?)),
            (_, None | Some("opportunistic")) => (25, Tls::Opportunistic(parameters()?)),
            (_, Some(_)) => {
                return Err(wrong(&"tls= is none, opportunistic or required"));
            }
        };
        let mut builder = SmtpTransport::builder_dangerous(&self.host)
            .port(self.port.unwrap_or(port))
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let Some((user, password)) = &self.login {
            let login = Credentials::new(user.clone(), password.expose().to_owned());
            builder = builder.credentials(login);
        }
        Ok(builder.build())
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use crate::courier::mail::Server;

    #[test]
    fn addresses_of_servers_are_read() {
        let server = Server::of("smtp://me%40x:p%3Aw@mail.example.org:2525?tls=none", None);
        let server = server.unwrap();
        assert_eq!(
            (server.host.as_str(), server.port),
            ("mail.example.org", Some(2525))
        );
        let (user, password) = server.login.unwrap();
        assert_eq!((user.as_str(), password.expose()), ("me@x", "p:w"));
        assert_eq!(Server::of("smtps://[::1]", None).unwrap().host, "::1");
        assert!(Server::of("http://x", None).is_err());
    }
}
