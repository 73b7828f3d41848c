//! What each code means, what it asks for, and what to do next. `docs/REASONS.md` is made from it.

use super::ReasonClass::{self, Change, Escalate, Wait};
use crate::domain::state::Reason;
use std::fmt::Write;

/// What is known of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it asks for, unless the evidence says otherwise.
    pub class: ReasonClass,
    /// What it means.
    pub meaning: &'static str,
    /// The next step.
    pub hint: &'static str,
}

/// What is known of `code`.
#[must_use]
pub fn entry(code: Reason) -> Entry {
    let (class, meaning, hint) = in_the_queue(code)
        .or_else(|| at_admission(code))
        .or_else(|| without_a_node(code))
        .or_else(|| on_the_node(code))
        .unwrap_or_else(|| at_the_end(code));
    Entry { class, meaning, hint }
}

type Row = (ReasonClass, &'static str, &'static str);

/// Until a runner takes it.
fn in_the_queue(code: Reason) -> Option<Row> {
    use Reason as R;
    Some(match code {
        R::BehindInQueue => (Wait, "Others go first.", "Nothing to do; an operator can change its priority."),
        R::QueuePaused => (Wait, "An operator paused the queue.", "Ask who paused it, or resume it: slipway queue resume QUEUE"),
        R::QueueConcurrencyLimit => (
            Wait,
            "So many of the queue's tasks run as may (`limits.maxRunning`).",
            "It goes on when one of them ends: slipway ls --all -q QUEUE --state active",
        ),
        R::UserLimit => (
            Wait,
            "So many of the user's tasks in the queue run as may (`limits.maxRunningPerUser`).",
            "It goes on when one of them ends; to change which of yours is next: slipway move TASK --front",
        ),
        R::BudgetExhausted => (
            Wait,
            "A budget that the queue draws on has not enough left for the task.",
            "It goes on when others end; who uses how much: slipway budget ls",
        ),
        R::ReservedForLarger => (
            Wait,
            "A budget is kept for a task that has waited long and needs more than what is left.",
            "Nothing to do; it goes on once that task has started.",
        ),
        R::RetryBackoff => (Wait, "A pause before the next attempt.", "Nothing to do; the attempts so far: slipway get TASK"),
        R::ArrayThrottle => (
            Wait,
            "As many elements of its array are out as may be at once.",
            "Nothing to do; the next element follows when one ends. All of them: slipway get TASK",
        ),
        R::ScheduledLater => {
            (Wait, "Its `notBefore` has not come.", "Nothing to do; to have it sooner, change notBefore: PATCH /api/v1/tasks/TASK")
        }
        R::DependencyNotMet => {
            (Wait, "Tasks that it depends on have not ended.", "Nothing to do; what holds one of them up: slipway why ID")
        }
        R::NoRunnerForQueue => (Escalate, "No runner serves the queue.", "Start a runner for it; those that are known: slipway runner ls"),
        R::RunnerAtCapacity => {
            (Wait, "Every runner that serves the queue is full.", "It goes on when one of their tasks ends: slipway runner ls")
        }
        R::RunnerBehind => (
            Escalate,
            "A runner says that it has room, the task is due, and for minutes nothing has been claimed from the queue.",
            "Read the runner's log, and start it anew where that says nothing: no task is lost by it. slipway doctor",
        ),
        R::RunnerBlind => (
            Escalate,
            "The runner does not see its cluster: the API server does not answer, or a watch is silent.",
            "See whether the API server answers, and read the glue's log: slipway doctor",
        ),
        R::AttemptOverdue => (
            Escalate,
            "A live attempt stands in a phase beyond the time that the phase has.",
            "Read the log of its runner; if the attempt is gone for good: slipway abandon TASK --reason TEXT",
        ),
        R::TemplateInvalid => (
            Escalate,
            "The queue's template cannot be rendered for any runner that serves it.",
            "Repair the template and apply the queue again: slipway queue apply -f FILE",
        ),
        R::PolicyDenied => (
            Escalate,
            "The queue does not allow what the task asks for: it was changed after the submit.",
            "Have an admin allow it (slipway queue apply -f FILE), or cancel the task and submit another",
        ),
        _ => return None,
    })
}

/// From a runner to a pod.
fn at_admission(code: Reason) -> Option<Row> {
    use Reason as R;
    Some(match code {
        R::ResourceQuotaExceeded => (
            Wait,
            "The namespace's quota is used up, or smaller than the request.",
            "It goes on when others end; the quota: kubectl describe resourcequota",
        ),
        R::LimitRangeViolation => (
            Change,
            "Outside the namespace's bounds for one container or pod.",
            "Change the resources in the queue's template; the bounds: kubectl describe limitrange",
        ),
        R::PodSecurityViolation => (
            Escalate,
            "The namespace enforces a stricter security profile.",
            "Make the queue's securityContext fit the profile, or ask an admin for another namespace.",
        ),
        R::AdmissionWebhookDenied => {
            (Escalate, "An admission webhook or policy refused.", "Ask who runs the webhook or policy; it says why in its own words.")
        }
        R::ObjectInvalid => (
            Change,
            "The API server does not take the object as it is.",
            "Repair the field named in the queue's template or the runner's base.",
        ),
        R::KueueQuotaPending => (
            Wait,
            "The Job is suspended: Kueue has not reserved quota.",
            "Nothing to do; what Kueue says of it: kubectl describe workloads",
        ),
        R::ServiceAccountMissing => (
            Escalate,
            "The service account does not exist.",
            "Create the service account in the namespace, or name another in the template.",
        ),
        R::PriorityClassMissing => {
            (Escalate, "The priority class does not exist.", "Create the PriorityClass, or name another in the template.")
        }
        R::NamespaceMissing => {
            (Escalate, "The namespace does not exist, or is being deleted.", "Create the namespace, or name another in the template.")
        }
        R::ObjectKindMissing => (
            Escalate,
            "The cluster serves no objects of the kind that the queue names.",
            "Install what brings the kind, or correct apiVersion and kind in the queue's object; the kinds there are: kubectl api-resources",
        ),
        R::RunnerForbidden => {
            (Escalate, "The glue lacks a right.", "Give the glue's service account the right named; its Role comes with the installation.")
        }
        _ => return None,
    })
}

/// From a pod to a node.
fn without_a_node(code: Reason) -> Option<Row> {
    use Reason as R;
    Some(match code {
        R::InsufficientGpu => (
            Wait,
            "GPUs of the kind asked for are in use.",
            "It goes on when others end; if it never does, see whether any node offers the resource: kubectl describe nodes",
        ),
        R::InsufficientCpu => (Wait, "Processors are in use.", "It goes on when others end; ask for fewer if no node is that large."),
        R::InsufficientMemory => (Wait, "Memory is in use.", "It goes on when others end; ask for less if no node is that large."),
        R::InsufficientStorage => {
            (Wait, "Local storage is in use.", "It goes on when others end; ask for less ephemeral-storage if no node has that much.")
        }
        R::InsufficientResource => {
            (Wait, "Another resource is in use.", "It goes on when others end, if any node offers the resource: kubectl describe nodes")
        }
        R::NeverFits => (
            Change,
            "No node is large enough for the pod even if it were empty.",
            "Ask for less, or for other nodes; what each node has: slipway nodes",
        ),
        R::MigProfileNotAdvertised => (
            Escalate,
            "No node offers the MIG profile.",
            "Have a node divided so, or use a queue with a profile that is offered: slipway nodes",
        ),
        R::DeviceNotAdvertised => (
            Escalate,
            "No node offers a device of the name asked for.",
            "Install the vendor's device plugin, or ask for what is offered: slipway nodes",
        ),
        R::LabelWithoutDevices => (
            Escalate,
            "A node's labels name a GPU that the node does not offer.",
            "See its device plugin and how its GPUs are divided: kubectl describe node NODE",
        ),
        R::NoNodeMatchesSelector => (
            Change,
            "No node carries the labels asked for.",
            "Correct nodeSelector or node affinity in the queue's template; what there is: kubectl get nodes --show-labels",
        ),
        R::UntoleratedTaint => (
            Change,
            "Nodes that match bear a taint.",
            "Add a toleration to the queue's template if the pods belong there: kubectl describe nodes",
        ),
        R::AffinityUnsatisfied => (
            Change,
            "Affinity or spread cannot be met.",
            "Loosen affinity, anti-affinity or topologySpreadConstraints in the queue's template.",
        ),
        R::VolumeUnbound => (Escalate, "A volume claim is not bound.", "See why the claim is not bound: kubectl describe pvc"),
        R::ZoneConflict => {
            (Escalate, "A volume stands in another zone.", "Use a volume in the zone of the nodes, or nodes in the zone of the volume.")
        }
        R::TooManyPods => (Wait, "Nodes have reached their number of pods.", "It goes on when other pods end."),
        R::ScalingUp => (Wait, "A node is being added.", "Nothing to do; a new node takes some minutes."),
        R::ScaleUpRefused => {
            (Escalate, "The autoscaler adds no node.", "Raise the node group's limit, or let it have nodes that fit the pod.")
        }
        R::Preempted => (Wait, "Somebody with higher priority took the place.", "Nothing to do; it is tried again."),
        R::Unschedulable => (
            Wait,
            "No node takes the pod, and nothing says why yet.",
            "Wait a moment; if it stays so, see whether the cluster's scheduler runs.",
        ),
        _ => return None,
    })
}

/// From the image to the command's first moment.
fn on_the_node(code: Reason) -> Option<Row> {
    use Reason as R;
    Some(match code {
        R::ImagePulling => {
            (Wait, "The image is on its way.", "Nothing to do; a large image takes minutes on a node that has never had it.")
        }
        R::ImageNotFound => {
            (Change, "There is no such image, or its name is none.", "Correct the image's name or tag; try: docker manifest inspect IMAGE")
        }
        R::ImagePullAuth => (
            Escalate,
            "The registry refused the credentials.",
            "Give the namespace a pull secret for this registry and name it in imagePullSecrets of the template.",
        ),
        R::RegistryUnreachable => (
            Escalate,
            "The registry cannot be reached.",
            "See whether the node reaches the registry: name, route, proxy, certificate, rate limit.",
        ),
        R::ImagePullFailed => (
            Escalate,
            "The image cannot be pulled, for none of the reasons above.",
            "Read what the registry and the node say, quoted here.",
        ),
        R::DiskPressure => {
            (Escalate, "The node has no room on its disk.", "Make room on the node, or keep pods off it: kubectl cordon NODE")
        }
        R::SecretOrConfigMissing => (
            Escalate,
            "A Secret, a config map or a key of one does not exist.",
            "Create it in the namespace, or correct the name in the queue's template.",
        ),
        R::VolumeMountTimeout => {
            (Escalate, "A volume cannot be attached or mounted.", "See what the node says of the volume: kubectl describe pod POD")
        }
        R::RuntimeClassMissing => (
            Escalate,
            "The runtime class is unknown to cluster or node.",
            "Create the RuntimeClass, install its handler on the node, or name another in the template.",
        ),
        R::GpuNotInjected => {
            (Escalate, "The node could not hand out the device.", "See the node's device plugin and driver: kubectl describe node NODE")
        }
        R::ContainerNotCreated => (
            Escalate,
            "The container runtime cannot make the container.",
            "Read what the runtime says, quoted here; often the image or a securityContext.",
        ),
        R::Starting => (Wait, "The pod is being made ready.", "Nothing to do; if it stays so, look at the pod: kubectl describe pod POD"),
        R::HeartbeatLost => (
            Escalate,
            "The agent is silent. The attempt keeps its slot and may resume.",
            "See whether its node is reachable; if it is gone for good: slipway abandon TASK --reason TEXT",
        ),
        _ => return None,
    })
}

/// How an attempt ended.
fn at_the_end(code: Reason) -> Row {
    use Reason as R;
    match code {
        R::ExitNonZero => (Change, "The command ended with a code other than 0, or by a signal.", "Read the log: slipway logs TASK"),
        R::OomKilled => (Change, "The memory limit was hit.", "Ask for more memory, or use less; retries.oom tries again."),
        R::DeadlineExceeded => (
            Change,
            "It ran longer than its `timeoutSeconds`, or took longer in all than its `totalTimeoutSeconds`.",
            "Give it more time: slipway submit --time, --total-time",
        ),
        R::NotStartedInTime => (
            Wait,
            "It did not start within its `maxWaitSeconds`.",
            "Run it again, when there is room or with a longer wait: slipway submit --max-wait",
        ),
        R::DependencyFailed => {
            (Change, "A task that had to succeed before it did not.", "See why that one did not, then submit both again: slipway why ID")
        }
        R::Cancelled => (Wait, "Somebody stopped it.", "Run it again: slipway rerun TASK"),
        R::Evicted => (Wait, "The machine told it to go: node pressure, drain, shutdown.", "Nothing to do while retries.infra lasts."),
        R::NodeLost => (Wait, "The machine restarted under it, or went away.", "Nothing to do while retries.infra lasts."),
        R::PodDeleted => (Wait, "Somebody deleted the pod or the Job.", "To stop a task, cancel it: slipway cancel TASK"),
        R::AttemptLost => (
            Escalate,
            "It died without leaving a result, or an operator gave it up.",
            "Read the log's end, then run it again: slipway rerun TASK",
        ),
        R::AgentNotStarted => {
            (Escalate, "The agent could not be started.", "See whether the pod reaches the server, and what its agent says.")
        }
        R::GitAuthFailed => (
            Escalate,
            "The repository refused the credentials, or there are none.",
            "Ask who owns the queue: git.secretRef names the Secret with its git credentials.",
        ),
        R::RepositoryUnreachable => (
            Escalate,
            "The repository cannot be reached from where the task runs.",
            "Nothing to do while retries.infra lasts; then see whether pods reach it.",
        ),
        R::CommitNotFound => {
            (Change, "The repository does not have the commit.", "Push it, or send the files along: slipway submit --upload")
        }
        R::PatchDoesNotApply => (Change, "The diff does not fit the commit.", "Make it against the very commit that the task names."),
        R::ToolMissing => (
            Change,
            "The image lacks a program that the set-up needs.",
            "Take an image that has it, or a task that needs none: slipway submit --upload needs no git",
        ),
        R::PythonVersionMissing => {
            (Change, "The image lacks the Python asked for.", "Take an image that has it, or an environment of kind uv.")
        }
        R::DependencyResolutionFailed => {
            (Change, "What is to be installed does not exist, or does not go together.", "Read the log: slipway logs TASK")
        }
        R::IndexUnreachable => (
            Escalate,
            "The package index cannot be reached from where the task runs.",
            "Nothing to do while retries.infra lasts; then name one that can be reached in the queue (indexes, proxy).",
        ),
        R::SetupFailed => (Change, "Code or environment could not be prepared.", "Read the log: slipway logs TASK"),
        _ => {
            (Escalate, "The evidence fits nothing known; it is shown as it is.", "Read the evidence, and report it so that it gets a name.")
        }
    }
}

/// The catalogue as a document, `docs/REASONS.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Reasons\n\n\
         Why a task is where it is, or ended as it did: `slipway why TASK` and `GET /api/v1/tasks/{id}/why`. Codes are stable and\n\
         only added to. **wait**: nothing to do. **change**: the request or the template is wrong. **escalate**: an\n\
         administrator has to act. The evidence of a single case may call for another class than the one given here.\n",
    );
    for code in Reason::ALL {
        let Entry { class, meaning, hint } = entry(*code);
        let _ = write!(text, "\n## {code}\n\n{meaning}\n\nClass: {class}. Next step: {hint}\n");
    }
    text
}
