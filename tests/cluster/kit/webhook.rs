//! An admission webhook that refuses everything that it is asked about.

use super::cluster::HOST;
use axum::{Json, Router};
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use std::{net::Ipv4Addr, sync::Arc};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};
use tokio_util::task::AbortOnDropHandle;

/// Serves until it is dropped.
pub(crate) struct Webhook {
    /// The `clientConfig` by which the API server finds it and knows it.
    pub(crate) client_config: Value,
    _serving: AbortOnDropHandle<()>,
}

impl Webhook {
    /// One that refuses with these words.
    pub(crate) async fn refusing(words: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::from(HOST), 0)).await.expect("an address");
        let address = listener.local_addr().expect("its address");
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([address.ip().to_string()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider())).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth().with_single_cert(vec![cert.der().clone()], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.expect("a certificate with its key")));
        let serving = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router(words)));
                tokio::spawn(async move {
                    // The API server closes connections as it likes.
                    if let Ok(tls) = acceptor.accept(tcp).await {
                        let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tls), service).await;
                    }
                });
            }
        });
        let client_config = json!({"url": format!("https://{address}/"), "caBundle": STANDARD.encode(cert.pem())});
        Self { client_config, _serving: AbortOnDropHandle::new(serving) }
    }
}

/// The answers of `admission.k8s.io/v1`.
fn router(words: &'static str) -> Router {
    Router::new().fallback(move |Json(review): Json<Value>| async move {
        let response = json!({"uid": review["request"]["uid"], "allowed": false, "status": {"message": words}});
        Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
    })
}
