use super::*;
use clap::Parser;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    io::Read,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: ImageArgs,
}

fn packed(dir: &Path, more: &[&str]) -> Vec<u8> {
    let out = dir.join("image.tar");
    let words = ["tool", "--ref", "slipway-agent:test", "--out", out.to_str().unwrap()];
    run(&Line::parse_from(words.iter().chain(more)).args).unwrap();
    fs::read(out).unwrap()
}

fn entries(archive: &[u8]) -> BTreeMap<String, (tar::Header, Vec<u8>)> {
    let mut archive = tar::Archive::new(archive);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), (entry.header().clone(), bytes))
    };
    archive.entries().unwrap().map(read).collect()
}

#[test]
fn an_image_says_what_it_holds_and_how_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    let files = dir.path().join("files");
    fs::create_dir_all(files.join("sub")).unwrap();
    fs::write(files.join("program"), "code").unwrap();
    fs::set_permissions(files.join("program"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(files.join("sub/text"), "text").unwrap();
    symlink("sub/text", files.join("link")).unwrap();
    let (program, tree) = (format!("{}/program:/slipway-agent", files.display()), format!("{}:/opt/all", files.display()));
    let arguments = [
        "--entrypoint=/slipway-agent",
        "--cmd=-v",
        "--user=65532",
        "--env=A=b",
        "--volume=/var/lib/slipway",
        "--arch=arm64",
        &program,
        &tree,
    ];
    let image = packed(dir.path(), &arguments);
    assert_eq!(image, packed(dir.path(), &arguments), "the same files give the same bytes");

    let outer = entries(&image);
    let manifest: Value = serde_json::from_slice(&outer["manifest.json"].1).unwrap();
    assert_eq!(manifest[0]["RepoTags"], serde_json::json!(["slipway-agent:test"]));
    let config = &outer[manifest[0]["Config"].as_str().unwrap()].1;
    let layer = &outer[manifest[0]["Layers"][0].as_str().unwrap()].1;
    let hex = |bytes: &[u8]| archive::hexadecimal(&Sha256::digest(bytes));
    assert_eq!(manifest[0]["Config"], format!("{}.json", hex(config)));
    let config: Value = serde_json::from_slice(config).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", hex(layer)));
    let expected = serde_json::json!({
        "User": "65532:65532", "Env": ["A=b"], "Entrypoint": ["/slipway-agent"], "Cmd": ["-v"], "WorkingDir": "/",
        "Volumes": {"/var/lib/slipway": {}},
    });
    assert_eq!((&config["config"], &config["architecture"]), (&expected, &Value::from("arm64")));

    let inner = entries(layer);
    let seen: Vec<_> = inner.iter().map(|(path, (h, _))| (path.trim_end_matches('/'), h.mode().unwrap(), h.uid().unwrap())).collect();
    let expected = [
        ("opt", 0o755, 0),
        ("opt/all", 0o755, 0),
        ("opt/all/link", 0o777, 0),
        ("opt/all/program", 0o755, 0),
        ("opt/all/sub", 0o755, 0),
        ("opt/all/sub/text", 0o644, 0),
        ("slipway-agent", 0o755, 0),
        ("var", 0o755, 0),
        ("var/lib", 0o755, 0),
        ("var/lib/slipway", 0o700, 65532),
    ];
    assert_eq!(seen, expected);
    assert_eq!(inner["slipway-agent"].1, b"code");
    assert_eq!(inner["opt/all/link"].0.link_name().unwrap().unwrap(), Path::new("sub/text"));
    assert!(inner.values().all(|(h, _)| h.mtime().unwrap() == 0));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for wrong in ["no-colon", ":/dest", "src:relative"] {
        assert!(wrong.parse::<Copied>().is_err(), "{wrong}");
    }
    let dir = tempfile::tempdir().unwrap();
    let error = Layer::new(Owner { uid: 0, gid: 0 }, None).add(Path::new("/dev/zero"), "/zero").unwrap_err();
    assert!(error.to_string().contains("neither file nor directory"), "{error}");
    let line = ["tool", "--ref", "a:b", "--out", dir.path().join("x").to_str().unwrap(), "/no/such:/x"].map(str::to_owned);
    assert!(run(&Line::parse_from(line).args).unwrap_err().to_string().contains("cannot find /no/such"));
    assert!("root".parse::<Owner>().is_err());
    assert_eq!("1:2".parse::<Owner>(), Ok(Owner { uid: 1, gid: 2 }));
}
