//! Attempts whose pod has a node, and whose containers do not run.

use super::{container, disrupted, event, pod, states::check, text, waiting, with};
use crate::domain::{
    evidence::{ContainerRole, ContainerState, Evidence, PodFacts},
    reasons::{
        Patience::{self, AtOnce, ImageGrace, Pending},
        ReasonClass::{self, Change as Ch, Escalate as Es, Wait as Wa},
    },
    state::Reason as R,
};

#[test]
fn what_keeps_the_image_away() {
    let pull = |text: &str| {
        let message = format!("failed to pull and unpack image \"registry.example/train:1\": {text}");
        with(pod("Pending", waiting("ErrImagePull", &message)), &[])
    };
    let old = |text: &str| {
        let said = format!("Failed to pull image \"registry.example/train:1\": {text}");
        with(pod("Pending", waiting("ImagePullBackOff", "Back-off pulling image \"registry.example/train:1\"")), &[("Failed", &said)])
    };
    let of_init = |role| {
        let mut pod = pod("Pending", waiting("PodInitializing", ""));
        pod.containers.insert(0, container("first", role, waiting("ErrImagePull", "registry.example/train:1: not found")));
        with(pod, &[])
    };
    let image = |code: R, class: ReasonClass| (vec![(code, class)], vec![], ImageGrace);
    let row = |name, evidence, (blocking, beside, patience): (Vec<(R, ReasonClass)>, Vec<R>, Patience)| {
        (name, evidence, blocking, beside, patience)
    };
    check(
        "what_keeps_the_image_away",
        vec![
            row("no such tag", pull("failed to resolve reference: registry.example/train:1: not found"), image(R::ImageNotFound, Ch)),
            row("no such tag, older", old("manifest unknown"), image(R::ImageNotFound, Ch)),
            row("other platform", pull("no match for platform in manifest: not found"), image(R::ImageNotFound, Ch)),
            row("credentials", pull("unexpected status from HEAD request: 401 Unauthorized"), image(R::ImagePullAuth, Es)),
            row(
                "credentials or name",
                old("pull access denied, repository does not exist or may require authorization"),
                image(R::ImagePullAuth, Es),
            ),
            row("name lookup", pull("dial tcp: lookup registry.example on 10.0.0.10:53: no such host"), image(R::RegistryUnreachable, Es)),
            row(
                "anonymous token",
                pull("failed to fetch anonymous token: dial tcp 10.0.0.1:443: i/o timeout"),
                image(R::RegistryUnreachable, Es),
            ),
            row(
                "certificate",
                pull("tls: failed to verify certificate: x509: certificate signed by unknown authority"),
                image(R::RegistryUnreachable, Es),
            ),
            row("too often", pull("429 Too Many Requests"), image(R::RegistryUnreachable, Es)),
            row("node's disk", pull("write /var/lib/x: no space left on device"), image(R::DiskPressure, Es)),
            row("words never seen", pull("the moon is full"), image(R::ImagePullFailed, Es)),
            row("agent's image", of_init(ContainerRole::Agent), image(R::ImageNotFound, Ch)),
            row("init container's image", of_init(ContainerRole::Init), image(R::ImageNotFound, Ch)),
            row("sidecar's image", of_init(ContainerRole::Sidecar), image(R::ImageNotFound, Ch)),
            (
                "no name",
                with(pod("Pending", waiting("InvalidImageName", "couldn't parse image name")), &[]),
                vec![(R::ImageNotFound, Ch)],
                vec![],
                AtOnce,
            ),
            (
                "never pulled, said by an event",
                with(
                    pod("Pending", waiting("PodInitializing", "")),
                    &[("ErrImageNeverPull", "Container image \"registry.example/train:1\" is not present with pull policy of Never")],
                ),
                vec![(R::ImageNotFound, Ch)],
                vec![],
                AtOnce,
            ),
            (
                "never pulled",
                with(pod("Pending", waiting("ErrImageNeverPull", "not present")), &[]),
                vec![(R::ImageNotFound, Ch)],
                vec![],
                AtOnce,
            ),
            (
                "on its way",
                with(pod("Pending", waiting("ContainerCreating", "")), &[("Pulling", "Pulling image \"registry.example/train:1\"")]),
                vec![(R::ImagePulling, Wa)],
                vec![],
                Pending,
            ),
        ],
    );
}

#[test]
fn what_keeps_the_containers_from_starting() {
    let state = |reason: &str, message: &str| with(pod("Pending", waiting(reason, message)), &[]);
    let creating = |reason: &str, message: &str| with(pod("Pending", waiting("ContainerCreating", "")), &[(reason, message)]);
    let cdi = "failed to create containerd task: failed to inject CDI devices: unresolvable CDI devices nvidia.com/gpu=0";
    let runtime = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for \"nvidia\" is configured";
    let mounted = {
        let events = [
            ("FailedMount", "MountVolume.SetUp failed for volume \"v\" : secret \"s\" not found"),
            ("Pulling", "Pulling image \"registry.example/train:1\""),
        ];
        with(pod("Pending", waiting("ContainerCreating", "")), &events)
    };
    let dead = PodFacts { reason: text("UnexpectedAdmissionError"), ..pod("Failed", ContainerState::Unknown) };
    let deleted = PodFacts { deleting: true, ..pod("Running", ContainerState::Running) };
    check(
        "what_keeps_the_containers_from_starting",
        vec![
            (
                "secret",
                state("CreateContainerConfigError", "secret \"wandb\" not found"),
                vec![(R::SecretOrConfigMissing, Es)],
                vec![],
                Pending,
            ),
            (
                "key",
                state("CreateContainerConfigError", "couldn't find key token in Secret t/wandb"),
                vec![(R::SecretOrConfigMissing, Es)],
                vec![],
                Pending,
            ),
            (
                "root",
                state("CreateContainerConfigError", "container has runAsNonRoot and image will run as root"),
                vec![(R::ContainerNotCreated, Ch)],
                vec![],
                ImageGrace,
            ),
            (
                "no such program",
                state("CreateContainerError", "exec: \"x\": executable file not found"),
                vec![(R::ContainerNotCreated, Es)],
                vec![],
                ImageGrace,
            ),
            ("device", state("RunContainerError", cdi), vec![(R::GpuNotInjected, Es)], vec![], ImageGrace),
            (
                "sidecar fails",
                state("CrashLoopBackOff", "back-off 10s restarting failed container"),
                vec![(R::ContainerNotCreated, Es)],
                vec![],
                ImageGrace,
            ),
            ("word never seen", state("MoonIsFull", ""), vec![(R::Unknown, Es)], vec![], Pending),
            (
                "secret's volume",
                creating("FailedMount", "MountVolume.SetUp failed for volume \"v\" : secret \"s\" not found"),
                vec![(R::SecretOrConfigMissing, Es)],
                vec![],
                Pending,
            ),
            (
                "volume",
                creating("FailedAttachVolume", "AttachVolume.Attach failed for volume \"pvc-1\""),
                vec![(R::VolumeMountTimeout, Es)],
                vec![],
                Pending,
            ),
            ("runtime", creating("FailedCreatePodSandBox", runtime), vec![(R::RuntimeClassMissing, Es)], vec![], Pending),
            (
                "network plugin",
                creating("FailedCreatePodSandBox", "plugin type=\"calico\" failed"),
                vec![(R::ContainerNotCreated, Es)],
                vec![],
                ImageGrace,
            ),
            ("a mount came after all", mounted, vec![(R::ImagePulling, Wa)], vec![], Pending),
            ("in the making", state("ContainerCreating", ""), vec![(R::Starting, Wa)], vec![], Pending),
            ("agent on its way", with(pod("Running", ContainerState::Running), &[]), vec![(R::Starting, Wa)], vec![], Pending),
            ("device not allocated", with(dead, &[]), vec![(R::GpuNotInjected, Es)], vec![], ImageGrace),
            ("preempted", with(disrupted("PreemptionByScheduler"), &[]), vec![(R::Preempted, Wa)], vec![], Pending),
            ("deleted", with(deleted, &[]), vec![(R::PodDeleted, Wa)], vec![], Pending),
            ("node silent", with(pod("Unknown", ContainerState::Unknown), &[]), vec![(R::Unknown, Es)], vec![], Pending),
            (
                "events alone",
                Evidence { events: vec![event("MoonIsFull", "")], ..Evidence::default() },
                vec![(R::Unknown, Es)],
                vec![],
                Pending,
            ),
        ],
    );
}
