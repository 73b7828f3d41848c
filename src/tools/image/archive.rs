//! The archive around a layer: Docker's format, which everything that handles images reads.

use super::ImageArgs;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{self, Read, Write},
};
use tar::{Builder, Header};

/// This machine's processor, as image registries call it.
pub(super) fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Writes on and sums up what it writes.
pub(super) struct Digesting<W> {
    to: W,
    digest: Sha256,
}

impl<W> Digesting<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, digest: Sha256::new() }
    }

    /// In hexadecimal digits.
    pub(super) fn digest(self) -> String {
        hexadecimal(&self.digest.finalize())
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
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

/// Writes the whole image: `layer` from its begin, whose SHA-256 is `digest`.
pub(super) fn archive(args: &ImageArgs, layer: &File, digest: &str, to: impl Write) -> io::Result<()> {
    let config = serde_json::to_vec(&config(args, digest))?;
    let (config_name, layer_name) = (format!("{}.json", hexadecimal(&Sha256::digest(&config))), format!("{digest}/layer.tar"));
    let manifest = serde_json::to_vec(&json!([{ "Config": config_name, "RepoTags": [args.reference], "Layers": [layer_name] }]))?;
    let mut tar = Builder::new(to);
    let mut append = |name: &str, size: u64, content: &mut dyn Read| {
        let mut header = Header::new_gnu();
        header.set_mtime(0);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size);
        tar.append_data(&mut header, name, content)
    };
    append(&config_name, config.len() as u64, &mut config.as_slice())?;
    append(&layer_name, layer.metadata()?.len(), &mut &*layer)?;
    append("manifest.json", manifest.len() as u64, &mut manifest.as_slice())?;
    tar.into_inner()?.flush()
}
