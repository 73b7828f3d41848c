//! The README's section about the chart: its commands, in their order, in one shell.

use crate::{
    chart::{images, volume, written},
    kit::{Scene, script, tests},
    support::free_address,
};
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::{Api, api::DeleteParams};
use std::{fs, net::Ipv4Addr, path::Path, sync::Arc};
use tempfile::TempDir;

tests!(Shared: every_command_of_the_readme_does_what_it_says);

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// The lines of the `sh` blocks of the section.
fn commands() -> Vec<String> {
    let readme = fs::read_to_string(Path::new(PROJECT).join("README.md")).expect("the README");
    let (_, section) = readme.split_once("\n## Install on Kubernetes\n").expect("the section");
    let section = section.split("\n##").next().unwrap_or_default();
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

/// Waits for the queues of changed values before it lists them: kubelet brings them within a minute or so, and sooner where a pod changes.
const QUEUES: &str = r#"
slipway() {
  if [ "$*" = "queue ls" ]; then
    for try in $(seq 90); do
      ! command slipway queue ls | grep -q example_queue_2 || break
      kubectl --namespace slipway annotate pod --overwrite --selector app.kubernetes.io/component=server looked-at="$try"
      sleep 1
    done
  fi
  command slipway "$@"
}
"#;

async fn every_command_of_the_readme_does_what_it_says(scene: Arc<Scene>) {
    let commands = commands();
    assert!(commands.len() >= 11, "the README has lost its commands: {commands:?}");
    let dir = TempDir::new().expect("a directory");
    let volume = volume(&scene, dir.path()).await;
    // What this cluster has in place of a registry and a provisioner.
    let more = format!(
        "{}server: {{persistence: {{size: 1Gi, volumeName: {volume}}}}}\nqueues: {{cpu: {{defaults: {{image: \"slipway.test/busybox:1\"}}}}}}\n",
        images(&scene)
    );
    let more = written(dir.path(), "more.yaml", &more);
    for name in ["charts", "examples"] {
        std::os::unix::fs::symlink(Path::new(PROJECT).join(name), dir.path().join(name)).expect("a link");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_slipway")).parent().expect("a directory").display();
    let here = dir.path().display();
    let prelude = format!(
        "exec 2>&1\ncd {here}\nexport PATH={program}:$PATH USER=ada HOME={here} SLIPWAY_DATA_DIR={here}/state\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n\
         helm() {{ local more=(); case $1 in install|upgrade) more=(--values {more});; esac; command helm4 \"$@\" \"${{more[@]}}\"; }}\nset -x\n"
    );
    // The namespace is this test's own, and the port one that is free.
    let port = free_address(Ipv4Addr::LOCALHOST.into()).port().to_string();
    let own = |line: &String| line.replace("--namespace slipway", &format!("--namespace {}", scene.namespace)).replace("7227", &port);
    let prelude = prelude + &own(&QUEUES.to_owned());
    let text = prelude + &commands.iter().map(own).collect::<Vec<_>>().join("\n") + "\n";
    let file = written(dir.path(), "commands.sh", &text);
    let (status, said) = script("shell.sh", &[&file]).expect("a shell");
    assert!(status.success(), "{said}");
    for words in ["\nhello\n", "example_queue_1", "example_queue_2", "uninstalled", "\"slipway-server\" deleted"] {
        assert!(said.contains(words), "{words:?}: {said}");
    }
    Api::<PersistentVolume>::all(scene.client()).delete(&volume, &DeleteParams::default()).await.expect("the volume");
}
