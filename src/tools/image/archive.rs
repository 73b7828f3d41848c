//! The archive around a layer: Docker's format, which everything that handles images reads.

use super::ImageArgs;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io;
use tar::{Builder, Header};

/// This machine's processor, as image registries call it.
pub(super) fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What the image says of itself: how it is started, and which layer it is made of.
fn config(args: &ImageArgs, layer: &str) -> Value {
    let words = |words: &[String]| if words.is_empty() { Value::Null } else { words.into() };
    let volumes: serde_json::Map<_, _> = args.volume.iter().map(|dir| (dir.clone(), json!({}))).collect();
    json!({
        "architecture": args.arch,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": format!("{}:{}", args.user.uid, args.user.gid),
            "Env": args.env,
            "Entrypoint": words(&args.entrypoint),
            "Cmd": words(&args.cmd),
            "WorkingDir": args.workdir.as_deref().unwrap_or("/"),
            "Volumes": volumes,
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
        "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "slipway-tools image" }],
    })
}

/// The whole image in one file.
pub(super) fn archive(args: &ImageArgs, layer: &[u8]) -> io::Result<Vec<u8>> {
    let layer_digest = digest(layer);
    let config = serde_json::to_vec(&config(args, &layer_digest))?;
    let (config_name, layer_name) = (format!("{}.json", digest(&config)), format!("{layer_digest}/layer.tar"));
    let manifest = serde_json::to_vec(&json!([{ "Config": config_name, "RepoTags": [args.reference], "Layers": [layer_name] }]))?;
    let mut tar = Builder::new(Vec::with_capacity(layer.len() + (64 << 10)));
    for (name, bytes) in [(config_name.as_str(), config.as_slice()), (&layer_name, layer), ("manifest.json", &manifest)] {
        let mut header = Header::new_gnu();
        header.set_mtime(0);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes)?;
    }
    tar.into_inner()
}
