//! Webhooks: a POST of JSON, signed; and what pings share with them.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ring::hmac;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Error};

use crate::courier::secret::{address, secret, without};
use crate::courier::{Message, Undeliverable};
use crate::model::{Place, SecretFrom, redacted_url};

/// The longest a request may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Where systems keep the certificates they trust.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The host's list of trusted certificates, in PEM form; the variable SSL_CERT_FILE names another.
pub fn trusted() -> Option<Vec<u8>> {
    let named = std::env::var_os("SSL_CERT_FILE").filter(|name| !name.is_empty());
    match named {
        Some(file) => std::fs::read(file).ok(),
        None => BUNDLES
            .iter()
            .find_map(|file| std::fs::read(Path::new(file)).ok()),
    }
}

/// A client that trusts what the host trusts, and follows nobody elsewhere with a message.
pub fn agent() -> Agent {
    let roots = trusted().map(|pem| {
        let items = parse_pem(&pem).flatten().filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        });
        items.collect::<Vec<Certificate<'static>>>()
    });
    let roots = match roots.filter(|certificates| !certificates.is_empty()) {
        Some(certificates) => RootCerts::Specific(Arc::new(certificates)),
        None => RootCerts::WebPki,
    };
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(roots)
        .build();
    let config = Agent::config_builder()
        .timeout_global(Some(LIMIT))
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(concat!("crake/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls);
    config.build().into()
}

/// Says what came of a request: anything but a 2xx is a refusal.
pub fn answer(
    url: &str,
    answer: Result<ureq::http::Response<ureq::Body>, Error>,
) -> Result<(), Undeliverable> {
    let host = redacted_url(url);
    match answer {
        Err(e) => Err(Undeliverable(without(url, &format!("{host}: {e}")))),
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => {
            let status = response.status();
            let mut words = Vec::new();
            // What it says beside the number is only of use to people.
            let _ = response
                .into_body()
                .into_reader()
                .take(200)
                .read_to_end(&mut words);
            let words = String::from_utf8_lossy(&words);
            let words = words.lines().next().unwrap_or("").trim();
            let text = format!("{host} answers {status} {words}");
            Err(Undeliverable(without(url, text.trim_end())))
        }
    }
}

/// Posts a message.
pub fn post(url: &Place, key: Option<&SecretFrom>, message: &Message) -> Result<(), Undeliverable> {
    let url = address(url)?;
    let body = message.json().to_string();
    let mut request = agent()
        .post(&url)
        .header("Content-Type", "application/json")
        .header("X-Crake-Alert", &message.id)
        .header("X-Crake-Kind", message.kind())
        .header("Idempotency-Key", &message.id);
    if let Some(key) = key {
        let signature = signature(secret(key)?.expose(), body.as_bytes());
        request = request.header("X-Crake-Signature", &signature);
    }
    answer(&url, request.send(body))
}

/// `sha256=` and the HMAC-SHA256 of the body in hexadecimal digits.
pub fn signature(key: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let digits: String = hmac::sign(&key, body)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256={digits}")
}

#[cfg(test)]
mod tests {
    use crate::courier::web::signature;

    #[test]
    fn the_signature_is_that_of_rfc_4231() {
        assert_eq!(
            signature("Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
