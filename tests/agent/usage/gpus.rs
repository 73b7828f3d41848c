//! Machines with GPUs, as a program plays them that has the driver's name.

use super::kept;
use crate::{
    Agent,
    pods::{self, Pod},
    server::{Recipe, Server},
    sh,
};
use slipway::wire::{AttemptRef, Environment, EnvironmentKind, Setup, Usage};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// A directory for the search path with a program in it that writes down the number of each of its processes, and how it was called.
struct Driver(tempfile::TempDir);

impl Driver {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let program = dir.path().join("nvidia-smi");
        let text = format!("#!/bin/sh\ncd {}\necho $$ >> pids\necho \"$*\" >> calls\n{script}", dir.path().display());
        fs::write(&program, text).expect("a file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode");
        Self(dir)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn path(&self) -> String {
        format!("{}:{}", self.0.path().display(), pods::PATH)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    fn calls(&self) -> Vec<String> {
        self.read("calls").lines().map(str::to_owned).collect()
    }

    /// Nothing of it may live once its attempt has ended.
    fn is_gone(&self) {
        let pids = self.read("pids");
        assert!(!pids.is_empty(), "it was never called");
        for pid in pids.lines() {
            assert!(
                !Path::new("/proc").join(pid).exists(),
                "{pid} lives: {}",
                fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default()
            );
        }
    }
}

/// A pod that sees all that the driver shows runs a recipe.
async fn pod(driver: &Driver, recipe: Recipe) -> (Usage, String) {
    let server = Server::start().await;
    let of = server.claimed(recipe);
    let mut pod = Pod::start_with(&server, of, "run", |_, command| {
        command.env("PATH", driver.path()).env("DRIVER", driver.0.path());
    });
    let (code, out, err) = pod.ended().await;
    assert_eq!(code, Some(0), "{out} {err}");
    driver.is_gone();
    (kept(&server, of).0, out)
}

async fn machine(server: &Server, driver: &Driver, of: AttemptRef) -> Usage {
    let mut agent = Agent::start_with(server, of, |command| {
        command.env("PATH", driver.path());
    });
    assert_eq!(agent.ended().await, Some(0), "{}", agent.log());
    driver.is_gone();
    kept(server, of).0
}

/// Says what two GPUs do ten times a second, and counts.
const TWO: &str = r#"n=0
while :; do
    n=$((n+1))
    echo "2, GPU-aa, NVIDIA A100-SXM4-40GB, 100, $((1000 + n % 2)), 40960, Disabled"
    echo "3, GPU-bb, NVIDIA A100-SXM4-40GB, $((n % 2 * 50)), 20000, 40960, [N/A]"
    echo $n > said.new; mv said.new said
    sleep 0.1
done
"#;

/// Until the driver has said three more words.
const THREE_MORE: &str = r#"before=$(cat "$DRIVER/said" 2>/dev/null || echo 0)
until [ "$(cat "$DRIVER/said" 2>/dev/null || echo 0)" -gt $((before + 3)) ]; do sleep 0.05; done
sleep 0.3
"#;

#[tokio::test]
async fn gpus_are_told_of_from_the_set_up_to_the_end() {
    let driver = Driver::new(TWO);
    let environment = Environment { kind: EnvironmentKind::Image, setup_script: Some(THREE_MORE.into()), ..Environment::default() };
    let setup = Setup { environment: Some(environment), ..Setup::default() };
    // After the set-up all that it left is ended; the agent's own program goes on.
    let (usage, out) = pod(&driver, Recipe { setup, ..sh(THREE_MORE) }).await;
    assert_eq!(
        driver.calls(),
        ["--query-gpu=index,uuid,name,utilization.gpu,memory.used,memory.total,mig.mode.current --format=csv,noheader,nounits -l 5"]
    );
    let [a, b] = usage.gpus.as_slice() else { panic!("{usage:?} {out}") };
    assert_eq!(
        (a.uuid.as_str(), a.name.as_str(), a.busy_percent, a.mean_busy_percent),
        ("GPU-aa", "NVIDIA A100-SXM4-40GB", Some(100), Some(100))
    );
    assert_eq!((a.memory_peak_bytes, a.memory_total_bytes), (Some(1_001 << 20), Some(40_960 << 20)));
    assert!((10..=40).contains(&b.mean_busy_percent.expect("a mean")) && b.memory_bytes == Some(20_000 << 20), "{b:?}");
}

#[tokio::test]
async fn a_machine_tells_of_the_gpus_that_it_gave_and_not_of_what_the_program_used() {
    // Half a second of the processor, and only then a word.
    let burn = "until [ $(cut -d' ' -f14 /proc/$$/stat) -ge 50 ]; do i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; done\n";
    let driver = Driver::new(&format!("{burn}{TWO}"));
    let server = Server::start().await;
    let of = server.claimed(Recipe { env: [("DRIVER".to_owned(), driver.0.path().display().to_string())].into(), ..sh(THREE_MORE) });
    let usage = machine(&server, &driver, of).await;
    let told: Vec<_> = usage.gpus.iter().map(|gpu| gpu.uuid.as_str()).collect();
    assert_eq!(told, ["GPU-bb"], "the third is the one of this attempt");
    assert!(usage.cpu_ms < Some(450), "what the driver's program used is not the command's: {usage:?}");
}

#[tokio::test]
async fn slices_are_told_of_in_place_of_their_gpu() {
    let driver = Driver::new(
        r#"case "$*" in
-L) printf '%s\n' 'GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aa)' '  MIG 3g.20gb     Device  0: (UUID: MIG-11)' '  MIG 3g.20gb     Device  1: (UUID: MIG-22)' ;;
-q*) while :; do cat slices.xml; touch said; sleep 0.1; done ;;
*) while :; do echo '0, GPU-aa, NVIDIA A100-SXM4-40GB, [N/A], [Insufficient Permissions], [Insufficient Permissions], Enabled'; sleep 0.1; done ;;
esac
"#,
    );
    let device = |index: u32, used: u32| {
        format!(
            "<mig_device>\n<index>{index}</index>\n<fb_memory_usage>\n<total>19968 MiB</total>\n<used>{used} MiB</used>\n</fb_memory_usage>\n</mig_device>\n"
        )
    };
    let devices = device(0, 14_366) + &device(1, 19);
    let text = format!(
        "<?xml version=\"1.0\" ?>\n<nvidia_smi_log>\n<gpu id=\"0\">\n<product_name>NVIDIA A100-SXM4-40GB</product_name>\n<mig_devices>\n{devices}</mig_devices>\n<uuid>GPU-aa</uuid>\n</gpu>\n</nvidia_smi_log>\n"
    );
    fs::write(driver.at("slices.xml"), text).expect("a file");
    let (usage, out) = pod(&driver, sh("until test -e \"$DRIVER/said\"; do sleep 0.05; done; sleep 0.5")).await;
    let told: Vec<_> = usage.gpus.iter().map(|gpu| (gpu.uuid.as_str(), gpu.name.as_str(), gpu.busy_percent, gpu.memory_bytes)).collect();
    let name = "NVIDIA A100-SXM4-40GB MIG 3g.20gb";
    assert_eq!(told, [("MIG-11", name, None, Some(14_366 << 20)), ("MIG-22", name, None, Some(19 << 20))], "{out}");
    let calls = driver.calls();
    assert!(calls.len() == 3 && calls[1] == "-L" && calls[2] == "-q -x -l 15", "{calls:?}");
}

#[tokio::test]
async fn a_program_that_fails_hangs_or_talks_nonsense_costs_figures_and_nothing_else() {
    for (script, command) in [
        ("trap '' TERM; touch said; sleep 1000 & wait", "until test -e \"$DRIVER/said\"; do sleep 0.05; done"),
        ("echo \"NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\"; exit 9", ""),
        // Whoever says nothing else for long is not heard any longer.
        (
            "exec yes nonsense",
            "until test -e \"$DRIVER/pids\"; do sleep 0.05; done; while test -e /proc/$(cat \"$DRIVER/pids\"); do sleep 0.05; done",
        ),
        (
            "exec tr '\\0' x < /dev/zero",
            "until test -e \"$DRIVER/pids\"; do sleep 0.05; done; while test -e /proc/$(cat \"$DRIVER/pids\"); do sleep 0.05; done",
        ),
        ("exit 1", ""),
    ] {
        let driver = Driver::new(script);
        // Where it fails at once it may not even have written down that it was called.
        let (usage, out) = pod(&driver, sh(&format!("{command}\nuntil test -e \"$DRIVER/pids\"; do sleep 0.05; done"))).await;
        assert_eq!(usage.gpus, [], "{script} {out}");
        assert!(usage.cpu_ms.is_some() && usage.memory_peak_bytes.is_some(), "{usage:?}");
    }
}

#[tokio::test]
async fn a_command_that_is_killed_takes_the_program_along() {
    let driver = Driver::new(TWO);
    let server = Server::start().await;
    let of = server.claimed(sh("until test -e \"$DRIVER/said\"; do sleep 0.05; done; echo ready; sleep 1000"));
    let mut pod = Pod::start_with(&server, of, "run", |_, command| {
        command.env("PATH", driver.path()).env("DRIVER", driver.0.path());
    });
    server.until("ready", |w| w.attempts[&of].log == b"ready\n").await;
    server.change(|w| w.attempts.get_mut(&of).expect("the attempt").superseded = true);
    assert_eq!(pod.ended().await.0, Some(97));
    driver.is_gone();
}
