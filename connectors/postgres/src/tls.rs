//! TLS by rustls and ring, as far as `sslmode` asks for it. Nothing is installed globally.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use forgetd_connector::{Fault, FaultClass};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{Target, TlsMode};

/// The TLS side of a target.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) connect: MakeRustlsConnect,
    /// Set when a handshake took place: `prefer` alone does not tell.
    met: Arc<AtomicBool>,
    mode: TlsMode,
}

impl Tls {
    /// The state of the connection in words, once there is one.
    pub(crate) fn words(&self) -> String {
        match self.mode {
            TlsMode::VerifyFull => "encrypted, certificate and name verified (sslmode=verify-full)".into(),
            TlsMode::VerifyCa => "encrypted, certificate verified, name not verified (sslmode=verify-ca)".into(),
            TlsMode::Require => "encrypted, certificate not verified (sslmode=require)".into(),
            TlsMode::Prefer if self.met.load(Ordering::Relaxed) => {
                "encrypted, certificate not verified (sslmode=prefer)".into()
            }
            TlsMode::Prefer => "not encrypted: the server offers no TLS (sslmode=prefer)".into(),
            TlsMode::Disable => "not encrypted (sslmode=disable)".into(),
        }
    }

    /// Whether certificate and name are both verified.
    pub(crate) fn is_verified(&self) -> bool {
        self.mode == TlsMode::VerifyFull
    }
}

/// Prepares TLS for a target.
pub(crate) fn prepare(target: &Target, place: &str) -> Result<Tls, Fault> {
    let met = Arc::new(AtomicBool::new(false));
    let connect = connector(target, place, Arc::clone(&met))?;
    Ok(Tls { connect, met, mode: target.tls })
}

fn connector(target: &Target, place: &str, met: Arc<AtomicBool>) -> Result<MakeRustlsConnect, Fault> {
    let wrong = |detail: String| Fault::new(FaultClass::Unreachable, "prepare TLS", place).with_detail(detail);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| wrong("no protocol version".into()))?;
    let config = match target.tls {
        TlsMode::Disable | TlsMode::Prefer | TlsMode::Require => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified { provider, met }))
            .with_no_client_auth(),
        TlsMode::VerifyCa => {
            let roots = roots(target.root_file.as_deref()).map_err(wrong)?;
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(ChainOnly { roots, provider }))
                .with_no_client_auth()
        }
        TlsMode::VerifyFull => {
            let roots = roots(target.root_file.as_deref()).map_err(wrong)?;
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|_| wrong("no trusted certificate to verify with".into()))?;
            builder.with_webpki_verifier(verifier).with_no_client_auth()
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

/// The private CA file, or the system's certificates.
fn roots(file: Option<&Path>) -> Result<Arc<RootCertStore>, String> {
    let mut store = RootCertStore::empty();
    if let Some(path) = file {
        let shown = path.display();
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|_| format!("cannot read sslrootcert {shown}"))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|_| format!("sslrootcert {shown} is not PEM"))?;
            store
                .add(certificate)
                .map_err(|_| format!("sslrootcert {shown} holds a certificate that cannot be used"))?;
        }
    } else {
        // Certificates that cannot be used are passed over: one odd root of the system must not stop the others.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if store.is_empty() {
        return Err("no trusted certificate: name the server's CA in sslrootcert".into());
    }
    Ok(Arc::new(store))
}

/// `prefer` and `require`: encrypted, and nobody knows to whom.
#[derive(Debug)]
struct Unverified {
    provider: Arc<CryptoProvider>,
    met: Arc<AtomicBool>,
}

/// `verify-ca`: the chain ends in a trusted root; the name is not looked at.
#[derive(Debug)]
struct ChainOnly {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

// === impl Unverified ===

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.met.store(true, Ordering::Relaxed);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

// === impl ChainOnly ===

impl ServerCertVerifier for ChainOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)
            .map_err(|_| Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
