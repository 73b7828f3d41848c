//! A registry of images on this machine, where the container runtime speaks plain HTTP: one that refuses, or one that serves the files
//! of `slipway.test/busybox:1` under every name.

use super::testbed::STATE;
use crate::support::free_address;
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::json;
use slipway::wire::Sha256;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    sync::Arc,
};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Serves until it is dropped.
pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    _serving: AbortOnDropHandle<()>,
}

/// What it answers.
enum Shelf {
    Refusal(StatusCode, &'static str),
    Image(Image),
}

/// A manifest and the two blobs that it names.
struct Image {
    manifest: Bytes,
    config: Bytes,
    layer: Bytes,
}

impl Registry {
    /// One that answers every question for an image so; `code` is the distribution specification's.
    pub(crate) async fn refusing(status: StatusCode, code: &'static str) -> Self {
        Self::at(free_address(Ipv4Addr::LOCALHOST.into()), Shelf::Refusal(status, code)).await
    }

    /// One that has what is asked for, at an address that was free.
    pub(crate) async fn serving(address: SocketAddr) -> Self {
        Self::at(address, Shelf::Image(Image::busybox())).await
    }

    async fn at(address: SocketAddr, shelf: Shelf) -> Self {
        let shelf = Arc::new(shelf);
        let answer = move |request: Request| {
            let shelf = shelf.clone();
            async move { shelf.answer(request.uri().path()) }
        };
        let listener = TcpListener::bind(address).await.expect("an address");
        let serve = async move { axum::serve(listener, Router::new().fallback(answer)).await.expect("it serves") };
        Self { address, _serving: AbortOnDropHandle::new(tokio::spawn(serve)) }
    }
}

impl Shelf {
    /// As the distribution specification of OCI has it.
    fn answer(&self, path: &str) -> Response {
        if path == "/v2/" {
            return StatusCode::OK.into_response();
        }
        let image = match self {
            Self::Image(image) => image,
            Self::Refusal(status, code) => {
                let body = json!({"errors": [{"code": code, "message": "so says the registry", "detail": null}]}).to_string();
                return (*status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
            }
        };
        if path.contains("/manifests/") {
            return found(&image.manifest, MANIFEST);
        }
        let wanted = path.rsplit('/').next().unwrap_or_default();
        let blob = [&image.config, &image.layer].into_iter().find(|blob| digest(blob) == wanted);
        blob.map_or_else(|| StatusCode::NOT_FOUND.into_response(), |blob| found(blob, "application/octet-stream"))
    }
}

fn found(bytes: &Bytes, kind: &'static str) -> Response {
    let mut response = Body::from(bytes.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    headers.insert("docker-content-digest", digest(bytes).parse().expect("a header"));
    response
}

fn digest(bytes: &Bytes) -> String {
    format!("sha256:{}", Sha256::of(bytes))
}

impl Image {
    /// The files that the cluster's own image was packed from.
    fn busybox() -> Self {
        let files = Path::new(STATE).join("images");
        let tar = Command::new("tar").arg("-C").arg(files).args(["-c", "bin", "tmp"]).output().expect("tar runs");
        assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        let layer = Bytes::from(tar.stdout);
        let architecture = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" };
        let config = Bytes::from(
            json!({
                "architecture": architecture,
                "os": "linux",
                "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]},
                "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
            })
            .to_string(),
        );
        let part = |bytes: &Bytes, kind: &str| json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": part(&config, CONFIG),
            "layers": [part(&layer, LAYER)],
        });
        Self { manifest: Bytes::from(manifest.to_string()), config, layer }
    }
}
