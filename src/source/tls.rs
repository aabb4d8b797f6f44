//! Encrypted connections, by rustls: for PostgreSQL the connector, for both servers the certificates
//! that are trusted.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Stream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::model::{Address, SslMode};
use crate::source::error::{ErrorKind, Result, SourceError};

/// Where systems keep the certificates they trust.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The file of trusted certificates: the one the address names, or the host's.
pub(in crate::source) fn trusted(address: &Address) -> Option<PathBuf> {
    let named = address.sslrootcert.as_ref().filter(|f| *f != "system");
    named
        .map(PathBuf::from)
        .or_else(|| BUNDLES.iter().map(PathBuf::from).find(|f| f.is_file()))
}

/// Makes TLS connections to PostgreSQL.
#[derive(Clone)]
pub(in crate::source) struct Encrypt {
    connector: TlsConnector,
}

impl Encrypt {
    /// As strict as the address asks for.
    ///
    /// # Errors
    /// `tls`: certificates are to be checked, and there are none to check them by.
    pub fn new(address: &Address) -> Result<Encrypt> {
        let provider = Arc::new(ring::default_provider());
        let mode = address.sslmode.unwrap_or(SslMode::Prefer);
        let check = match mode {
            SslMode::VerifyCa | SslMode::VerifyFull => {
                let roots = Arc::new(roots(address)?);
                let builder = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
                Some(builder.build().map_err(of_tls)?)
            }
            _ => None,
        };
        let verifier = Verifier {
            check,
            any_name: mode == SslMode::VerifyCa,
            provider: provider.clone(),
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(of_tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(Encrypt {
            connector: TlsConnector::from(Arc::new(config)),
        })
    }
}

fn of_tls(e: impl std::fmt::Display) -> SourceError {
    SourceError::new(ErrorKind::Tls, format!("TLS cannot be used: {e}"))
}

fn roots(address: &Address) -> Result<RootCertStore> {
    let file = trusted(address).ok_or_else(|| {
        SourceError::new(
            ErrorKind::Tls,
            "this host has no list of trusted certificates",
        )
        .hint("install ca-certificates, or name a file with ?sslrootcert=/path/to/ca.pem")
    })?;
    let wrong = |e: String| {
        let message = format!("cannot read the certificates in {}: {e}", file.display());
        SourceError::new(ErrorKind::Tls, message)
            .hint("sslrootcert names a file of certificates in PEM form")
    };
    let certificates = CertificateDer::pem_file_iter(Path::new(&file));
    let certificates = certificates.map_err(|e| wrong(e.to_string()))?;
    let mut roots = RootCertStore::empty();
    // A system's list may hold a certificate that rustls cannot use; the others still count.
    roots.add_parsable_certificates(certificates.flatten());
    match roots.is_empty() {
        true => Err(wrong("there are none".to_owned())),
        false => Ok(roots),
    }
}

/// Checks what the mode asks to be checked: nothing, who signed, or who signed and for which host.
#[derive(Debug)]
struct Verifier {
    check: Option<Arc<WebPkiServerVerifier>>,
    any_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, Error> {
        let Some(check) = &self.check else {
            return Ok(ServerCertVerified::assertion());
        };
        let found =
            check.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match found {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// A connector for one host.
pub(in crate::source) struct ToHost {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Encrypt {
    type Stream = Encrypted<S>;
    type TlsConnect = ToHost;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<ToHost> {
        let name = ServerName::try_from(domain.to_owned()).map_err(io::Error::other)?;
        Ok(ToHost {
            connector: self.connector.clone(),
            name,
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for ToHost {
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let stream = self.connector.connect(self.name, stream).await?;
            Ok(Encrypted(Box::new(stream)))
        })
    }
}

/// A connection inside TLS.
pub(in crate::source) struct Encrypted<S>(Box<Stream<S>>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
