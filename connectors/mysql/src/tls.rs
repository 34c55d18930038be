//! TLS by rustls and ring, as far as `ssl-mode` asks for it.

use std::path::Path;

use forgetd_connector::{Fault, FaultClass};
use mysql_async::{IoError, SslOpts, TlsError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, RootCertStore};

use crate::config::{Target, TlsMode};

/// The TLS side of a target.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) mode: TlsMode,
    options: Option<SslOpts>,
}

// === impl Tls ===

impl Tls {
    /// Prepares TLS for a target. A unix socket needs none.
    pub(crate) fn prepare(target: &Target, place: &str) -> Result<Self, Fault> {
        let mode = if target.is_local() { TlsMode::Disabled } else { target.tls };
        let options = match mode {
            TlsMode::Disabled => None,
            TlsMode::Preferred | TlsMode::Required => Some(SslOpts::default().with_danger_accept_invalid_certs(true)),
            TlsMode::VerifyCa | TlsMode::VerifyIdentity => {
                let roots = roots(target.root_file.as_deref())
                    .map_err(|detail| Fault::new(FaultClass::Unreachable, "prepare TLS", place).with_detail(detail))?;
                let roots = roots.into_iter().map(Into::into).collect();
                Some(SslOpts::default().with_disable_built_in_roots(true).with_root_certs(roots))
            }
        };
        Ok(Self { mode, options })
    }

    /// Whether the certificate is looked at.
    pub(crate) fn is_verified(&self) -> bool {
        matches!(self.mode, TlsMode::VerifyCa | TlsMode::VerifyIdentity)
    }

    /// The driver's options.
    pub(crate) fn options(&self) -> Option<SslOpts> {
        self.options.clone()
    }

    /// The options under which a certificate that failed for its name alone passes, where the name is not looked at. The
    /// driver has a switch for that which does nothing; so the name is asked for that the certificate has.
    pub(crate) fn whatever_name(&self, error: &mysql_async::Error) -> Option<SslOpts> {
        if self.mode != TlsMode::VerifyCa {
            return None;
        }
        let CertificateError::NotValidForNameContext { presented, .. } = refused(error)? else { return None };
        let name = presented.iter().find_map(|shown| a_name(shown))?;
        Some(self.options()?.with_danger_tls_hostname_override(Some(name)))
    }

    /// The state of the connection in words; `met`: whether a handshake took place.
    pub(crate) fn words(&self, met: bool) -> String {
        match self.mode {
            TlsMode::VerifyIdentity => "encrypted, certificate and name verified (ssl-mode=verify_identity)".into(),
            TlsMode::VerifyCa => "encrypted, certificate verified, name not verified (ssl-mode=verify_ca)".into(),
            TlsMode::Required => "encrypted, certificate not verified (ssl-mode=required)".into(),
            TlsMode::Preferred if met => "encrypted, certificate not verified (ssl-mode=preferred)".into(),
            TlsMode::Preferred => "not encrypted: the server offers no TLS (ssl-mode=preferred)".into(),
            TlsMode::Disabled => "not encrypted (ssl-mode=disabled)".into(),
        }
    }
}

/// Why the certificate was refused, if that is what went wrong.
fn refused(error: &mysql_async::Error) -> Option<&CertificateError> {
    match tls_error(error)? {
        rustls::Error::InvalidCertificate(error) => Some(error),
        _ => None,
    }
}

/// What went wrong with TLS: it comes as it is, or inside an error of the network.
pub(crate) fn tls_error(error: &mysql_async::Error) -> Option<&rustls::Error> {
    match error {
        mysql_async::Error::Io(IoError::Tls(TlsError::Tls(error))) => Some(error),
        mysql_async::Error::Io(IoError::Io(error)) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// A name that a certificate with this one passes for. It is shown as `DnsName("x")` or `IpAddress(1.2.3.4)`.
fn a_name(shown: &str) -> Option<String> {
    let (_, rest) = shown.split_once('(')?;
    let name = rest.strip_suffix(')')?.trim_matches('"');
    let name = name.strip_prefix("*.").map_or_else(|| name.to_owned(), |rest| format!("a.{rest}"));
    rustls::pki_types::ServerName::try_from(name.clone()).is_ok().then_some(name)
}

/// The private CA file, or the system's certificates.
fn roots(file: Option<&Path>) -> Result<Vec<Vec<u8>>, String> {
    let mut store = RootCertStore::empty();
    let mut roots = vec![];
    if let Some(path) = file {
        let shown = path.display();
        let certificates = CertificateDer::pem_file_iter(path).map_err(|_| format!("cannot read ssl-ca {shown}"))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|_| format!("ssl-ca {shown} is not PEM"))?;
            store
                .add(certificate.clone())
                .map_err(|_| format!("ssl-ca {shown} holds a certificate that cannot be used"))?;
            roots.push(certificate);
        }
    } else {
        // Certificates that cannot be used are passed over: one odd root of the system must not stop the others.
        let usable = |certificate: &CertificateDer<'static>| store.add(certificate.clone()).is_ok();
        roots.extend(rustls_native_certs::load_native_certs().certs.into_iter().filter(usable));
    }
    if roots.is_empty() {
        return Err("no trusted certificate: name the server's CA in ssl-ca".into());
    }
    Ok(roots.iter().map(|certificate| certificate.as_ref().to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::a_name;

    #[test]
    fn names_of_certificates_are_read() {
        for (shown, name) in [
            (r#"DnsName("db.example")"#, Some("db.example")),
            (r#"DnsName("*.example")"#, Some("a.example")),
            ("IpAddress(127.0.0.1)", Some("127.0.0.1")),
            ("DirectoryName", None),
            ("IpAddress()", None),
        ] {
            assert_eq!(a_name(shown).as_deref(), name, "{shown}");
        }
    }
}
