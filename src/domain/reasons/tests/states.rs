//! Attempts that do not run yet.

use super::{condition, job, pod, podless, refusal, unplaced, waiting, with};
use crate::domain::{
    evidence::{Evidence, JobFacts, NOT_SERVED, PodFacts},
    reasons::{
        Finding, Patience, Quote, ReasonClass,
        ReasonClass::{Change as Ch, Escalate as Es, Wait as Wa},
        failure, patience, pending, quotes, verdict,
    },
    state::{FailureClass as C, Reason as R},
};
use Patience::{AtOnce, Pending};

/// Name, state, blocking reasons with their class, other reasons, patience.
pub(super) type Row = (&'static str, Evidence, Vec<(R, ReasonClass)>, Vec<R>, Patience);

/// Checks a table of situations; what people read of each stands in the snapshot `told`.
pub(super) fn check(told: &str, table: Vec<Row>) {
    let mut texts = Vec::new();
    for (name, evidence, blocking, beside, expected) in table {
        let found = pending(&evidence);
        let of = |blocks: bool| found.iter().filter(move |f| f.blocking == blocks);
        assert_eq!(of(true).map(|f| (f.code, f.class)).collect::<Vec<_>>(), blocking, "{name}: {found:#?}");
        assert_eq!(of(false).map(|f| f.code).collect::<Vec<_>>(), beside, "{name}: {found:#?}");
        assert_eq!(patience(&found), expected, "{name}");
        assert_eq!(verdict(&found), blocking.iter().map(|(_, class)| *class).max(), "{name}");
        assert!(found.iter().all(|f| f.hint.is_some() && !f.evidence.is_empty()), "{name}: {found:#?}");
        let beside = |f: &Finding| if f.blocking { "" } else { ", beside" };
        let line = |f: &Finding| {
            let next = f.hint.as_deref().unwrap_or_default();
            format!("  {} ({}{}): {}\n    next: {next}", f.code, f.class, beside(f), f.message)
        };
        texts.push(format!("{name}\n{}", found.iter().map(line).collect::<Vec<_>>().join("\n")));
        let quoted = serde_json::to_string(&evidence).unwrap();
        for quote in found.iter().flat_map(|f| &f.evidence) {
            let last = quote.raw.rsplit(": ").next().and_then(|raw| raw.rsplit(", ").next()).unwrap_or_default();
            let known = serde_json::to_string(last).unwrap();
            let known = known.trim_matches('"');
            assert!(quoted.contains(known) || ["404 Not Found", "set"].contains(&last), "{name}: {last:?} stands nowhere in the evidence");
        }
    }
    insta::assert_snapshot!(told, texts.join("\n"));
}

#[test]
fn what_the_api_server_refuses() {
    let full = "jobs.batch \"j\" is forbidden: exceeded quota: q, requested: count/jobs.batch=1, used: count/jobs.batch=10, limited: count/jobs.batch=10";
    let forbidden = "jobs.batch is forbidden: User \"system:serviceaccount:s:glue\" cannot create resource \"jobs\" in API group \"batch\" in the namespace \"t\"";
    let webhook = "admission webhook \"v.example\" denied the request: no owner label";
    let policy = "jobs.batch \"j\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no owner label";
    let invalid = "Job.batch \"j\" is invalid: spec.template.spec.containers[0].image: Required value";
    check(
        "what_the_api_server_refuses",
        vec![
            ("quota full", refusal(403, "Forbidden", full), vec![(R::ResourceQuotaExceeded, Wa)], vec![], Pending),
            ("right missing", refusal(403, "Forbidden", forbidden), vec![(R::RunnerForbidden, Es)], vec![], Pending),
            ("other 403", refusal(403, "Forbidden", "no"), vec![(R::RunnerForbidden, Es)], vec![], Pending),
            ("credential", refusal(401, "Unauthorized", "Unauthorized"), vec![(R::RunnerForbidden, Es)], vec![], Pending),
            ("webhook", refusal(400, "BadRequest", webhook), vec![(R::AdmissionWebhookDenied, Es)], vec![], Pending),
            ("policy", refusal(422, "Invalid", policy), vec![(R::AdmissionWebhookDenied, Es)], vec![], Pending),
            (
                "kind of object",
                refusal(404, NOT_SERVED, "The API server serves no Train of example.org/v1: install what brings this kind"),
                vec![(R::ObjectKindMissing, Es)],
                vec![],
                Pending,
            ),
            ("namespace", refusal(404, "NotFound", "namespaces \"t\" not found"), vec![(R::NamespaceMissing, Es)], vec![], Pending),
            (
                "namespace ends",
                refusal(
                    403,
                    "Forbidden",
                    "jobs.batch \"j\" is forbidden: unable to create new content in namespace t because it is being terminated",
                ),
                vec![(R::NamespaceMissing, Es)],
                vec![],
                Pending,
            ),
            ("invalid", refusal(422, "Invalid", invalid), vec![(R::ObjectInvalid, Ch)], vec![], AtOnce),
            (
                "unknown field",
                refusal(400, "BadRequest", "strict decoding error: unknown field"),
                vec![(R::ObjectInvalid, Ch)],
                vec![],
                AtOnce,
            ),
            ("its own fault", refusal(500, "InternalError", "etcdserver: timeout"), vec![(R::Unknown, Wa)], vec![], Pending),
        ],
    );
}

#[test]
fn what_keeps_the_pod_from_being_created() {
    let create = |text: &str| podless("FailedCreate", &format!("Error creating: {text}"));
    let quota = |requested: u32| {
        create(&format!(
            "pods \"p\" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu={requested}, used: requests.nvidia.com/gpu=4, limited: requests.nvidia.com/gpu=4"
        ))
    };
    let no_limits = "pods \"p\" is forbidden: failed quota: q: must specify limits.cpu for: task";
    let limits = "pods \"p\" is forbidden: [maximum cpu usage per Container is 1, but limit is 2]";
    let security = "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false";
    let account = "pods \"p\" is forbidden: error looking up service account t/train: serviceaccount \"train\" not found";
    let priority = "pods \"p\" is forbidden: no PriorityClass with name high was found";
    let runtime = "pods \"p\" is forbidden: pod rejected: RuntimeClass \"nvidia\" not found";
    let webhook = "admission webhook \"v.example\" denied the request: no owner label";
    let silent = "Internal error occurred: failed calling webhook \"v.example\": context deadline exceeded";
    let plugin = "pods \"p\" is forbidden: pod node label selector conflicts with its namespace node label selector";
    let invalid = "Pod \"p\" is invalid: spec.containers[0].name: Invalid value: \"A\"";
    let suspended =
        Evidence { job: Some(JobFacts { suspended: true, ..job() }), ..podless("Suspended", "Kueue: insufficient unused quota") };
    let made = with(pod("Pending", waiting("ContainerCreating", "")), &[("FailedCreate", account)]);
    check(
        "what_keeps_the_pod_from_being_created",
        vec![
            ("quota full", quota(2), vec![(R::ResourceQuotaExceeded, Wa)], vec![], Pending),
            ("quota too small", quota(8), vec![(R::ResourceQuotaExceeded, Es)], vec![], Pending),
            ("quota wants limits", create(no_limits), vec![(R::ObjectInvalid, Ch)], vec![], AtOnce),
            ("limit range", create(limits), vec![(R::LimitRangeViolation, Ch)], vec![], Pending),
            ("pod security", create(security), vec![(R::PodSecurityViolation, Es)], vec![], Pending),
            ("service account", create(account), vec![(R::ServiceAccountMissing, Es)], vec![], Pending),
            ("priority class", create(priority), vec![(R::PriorityClassMissing, Es)], vec![], Pending),
            ("runtime class", create(runtime), vec![(R::RuntimeClassMissing, Es)], vec![], Pending),
            ("webhook", create(webhook), vec![(R::AdmissionWebhookDenied, Es)], vec![], Pending),
            ("webhook silent", create(silent), vec![(R::AdmissionWebhookDenied, Es)], vec![], Pending),
            ("admission plugin", create(plugin), vec![(R::AdmissionWebhookDenied, Es)], vec![], Pending),
            ("invalid", create(invalid), vec![(R::ObjectInvalid, Ch)], vec![], AtOnce),
            ("words never seen", create("the moon is full"), vec![(R::Unknown, Es)], vec![], Pending),
            ("suspended", suspended, vec![(R::KueueQuotaPending, Wa)], vec![], Pending),
            ("a pod came after all", made, vec![(R::Starting, Wa)], vec![], Pending),
            ("just created", Evidence { job: Some(job()), ..Evidence::default() }, vec![(R::Starting, Wa)], vec![], Pending),
        ],
    );
}

#[test]
fn what_keeps_the_pod_from_a_node() {
    let says = |text: &str| with(unplaced(text), &[]);
    let gpus = "0/12 nodes are available: 3 Insufficient nvidia.com/gpu, 4 node(s) had untolerated taint {gpu: present}, 5 node(s) didn't match Pod's node affinity/selector. preemption: 0/12 nodes are available: 3 No preemption victims found for incoming pod, 9 Preemption is not helpful for scheduling.";
    let busy = |what: &str| {
        format!("0/2 nodes are available: 2 Insufficient {what}. preemption: 0/2 nodes are available: 2 No preemption victims found")
    };
    let old_taint = "0/3 nodes are available: 1 node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't tolerate, 2 Insufficient cpu.";
    let selector = "0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.";
    let down = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.";
    let claims = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available: 1 Preemption is not helpful.";
    let zone = "0/2 nodes are available: 2 node(s) had volume node affinity conflict.";
    let spread =
        "0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 1 node(s) didn't match pod topology spread constraints.";
    let up = ("TriggeredScaleUp", "pod triggered scale-up: [{pool-gpu 0->1 (max: 4)}]");
    let refused = ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached");
    let gated = PodFacts {
        conditions: vec![condition("PodScheduled", "False", "SchedulingGated", "blocked due to non-empty scheduling gates")],
        ..unplaced("")
    };
    let silent = PodFacts { conditions: vec![], ..unplaced("") };
    check(
        "what_keeps_the_pod_from_a_node",
        vec![
            ("GPUs in use", says(gpus), vec![(R::InsufficientGpu, Wa)], vec![R::UntoleratedTaint, R::NoNodeMatchesSelector], Pending),
            ("MIG in use", says(&busy("nvidia.com/mig-1g.10gb")), vec![(R::InsufficientGpu, Wa)], vec![], Pending),
            ("AMD in use", says(&busy("amd.com/cpx_nps4")), vec![(R::InsufficientGpu, Wa)], vec![], Pending),
            ("memory in use", says(&busy("memory")), vec![(R::InsufficientMemory, Wa)], vec![], Pending),
            ("disk in use", says(&busy("ephemeral-storage")), vec![(R::InsufficientStorage, Wa)], vec![], Pending),
            ("licences in use", says(&busy("example.com/licence")), vec![(R::InsufficientResource, Wa)], vec![], Pending),
            ("a taint of old", says(old_taint), vec![(R::InsufficientCpu, Wa)], vec![R::UntoleratedTaint], Pending),
            ("no such label", says(selector), vec![(R::NoNodeMatchesSelector, Ch)], vec![R::UntoleratedTaint], Pending),
            ("node out of order", says(down), vec![(R::UntoleratedTaint, Es)], vec![], Pending),
            ("cordoned", says("0/1 nodes are available: 1 node(s) were unschedulable."), vec![(R::UntoleratedTaint, Es)], vec![], Pending),
            ("claim", says(claims), vec![(R::VolumeUnbound, Es)], vec![], Pending),
            ("zone", says(zone), vec![(R::ZoneConflict, Es)], vec![], Pending),
            ("spread", says(spread), vec![(R::AffinityUnsatisfied, Ch)], vec![], Pending),
            ("full of pods", says("0/2 nodes are available: 2 Too many pods."), vec![(R::TooManyPods, Wa)], vec![], Pending),
            ("empty cluster", says("no nodes available to schedule pods"), vec![(R::Unschedulable, Es)], vec![], Pending),
            (
                "a node is added",
                with(unplaced(selector), &[up]),
                vec![(R::ScalingUp, Wa)],
                vec![R::UntoleratedTaint, R::NoNodeMatchesSelector],
                Pending,
            ),
            (
                "no node is added",
                with(unplaced(zone), &[up, refused]),
                vec![(R::ScaleUpRefused, Es), (R::ZoneConflict, Es)],
                vec![],
                Pending,
            ),
            (
                "none is added, some are full",
                with(unplaced(&busy("cpu")), &[refused]),
                vec![(R::InsufficientCpu, Wa)],
                vec![R::ScaleUpRefused],
                Pending,
            ),
            ("gated", with(gated, &[]), vec![(R::Unschedulable, Wa)], vec![], Pending),
            ("not looked at", with(silent.clone(), &[]), vec![(R::Unschedulable, Wa)], vec![], Pending),
            ("event alone", with(silent, &[("FailedScheduling", zone)]), vec![(R::ZoneConflict, Es)], vec![], Pending),
        ],
    );
}

#[test]
fn a_failure_is_of_the_class_that_its_reason_calls_for() {
    let finding = |code| vec![Finding::new(code, "so it is", Vec::new())];
    for (code, class) in [
        (R::ImageNotFound, C::Image),
        (R::RegistryUnreachable, C::Image),
        (R::ObjectInvalid, C::Config),
        (R::SecretOrConfigMissing, C::Config),
        (R::ContainerNotCreated, C::Config),
        (R::GpuNotInjected, C::Infra),
        (R::PodSecurityViolation, C::Policy),
        (R::InsufficientGpu, C::Policy),
    ] {
        assert_eq!(failure(&finding(code)), (class, code, "so it is".to_owned()));
    }
    let both: Vec<_> = finding(R::InsufficientGpu).into_iter().chain(finding(R::ImageNotFound)).collect();
    assert_eq!(failure(&both).1, R::ImageNotFound, "what is borne with the least decides");
    let beside: Vec<_> = finding(R::ImageNotFound).into_iter().map(Finding::beside).collect();
    assert_eq!((patience(&beside), failure(&beside).1), (Pending, R::Unknown));
}

#[test]
fn a_reason_is_told_in_one_sentence() {
    let gpus = "0/12 nodes are available: 3 Insufficient nvidia.com/gpu, 9 node(s) had untolerated taint {team: vision}.";
    let messages: Vec<_> = pending(&with(unplaced(gpus), &[])).into_iter().map(|f| f.message).collect();
    assert_eq!(
        messages,
        ["3 of 12 nodes have too little nvidia.com/gpu free", "9 of 12 nodes bear the taint team: vision, which the pod does not tolerate"]
    );
    let quota =
        refusal(403, "Forbidden", "pods \"p\" is forbidden: exceeded quota: q, requested: memory=8Gi, used: memory=0, limited: memory=4Gi");
    assert_eq!(pending(&quota)[0].message, "The request alone exceeds the namespace's quota \"q\": memory=8Gi of at most memory=4Gi");
}

/// Scoreboard, row 11 at R, seed 752013654: a name that is none failed after 15.8 s, since the kubelet says so in the pod's status only when
/// it looks at the pod again; in an event it had said so at once.
#[test]
fn a_name_that_is_none_is_known_by_the_event_that_comes_before_the_status() {
    let said = "Failed to apply default image tag \"registry.example/train:1\": couldn't parse image name: invalid reference format";
    let of = |message: &str| with(pod("Pending", waiting("PodInitializing", "")), &[("InspectFailed", message)]);
    let found = pending(&of(said));
    assert_eq!((found[0].code, patience(&found)), (R::ImageNotFound, AtOnce), "{found:?}");
    let quoted = |quotes: &[Quote]| quotes.iter().any(|quote| quote.raw == said);
    assert!(quoted(&found[0].evidence) && quoted(&quotes(&of(said))), "as long as it waits, and once it has failed: {found:?}");
    // Neither another container's name nor another trouble with this image ends it.
    for other in [said.replace("train:1", "train:12"), "Failed to inspect image \"registry.example/train:1\": busy".to_owned()] {
        assert_ne!(patience(&pending(&of(&other))), AtOnce, "{other}");
    }
}
