//! The states of a task, the phases of an attempt, and what they are called.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Makes an enum whose text form (JSON, SQL, CLI) stands in one place, right beside the variant.
// A `literal` would come in a group that derives cannot look into, and the API document would show the variants.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:tt),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word for it, the same in JSON, in the database, in metrics and on the command line.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("{text:?} is none of: {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}
pub(super) use words;

words!(
    /// The state of a task. Clients must accept values they do not know.
    TaskState {
        /// Held back: by tasks that it depends on, a time of day, or a pause before the next attempt.
        Waiting = "waiting",
        /// Ready to be claimed.
        Queued = "queued",
        /// Has a live attempt.
        Active = "active",
        /// Ended by exit code 0.
        Succeeded = "succeeded",
        /// Ended otherwise; class and reason say how.
        Failed = "failed",
        /// Stopped on request.
        Cancelled = "cancelled",
    }
);

impl TaskState {
    /// Whether the task has ended. An ended task never changes.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

words!(
    /// The phase of an attempt, in the order in which an attempt goes through them. It never goes back.
    Phase {
        /// A runner holds it.
        Claimed = "claimed",
        /// Its Job exists, no node yet.
        Scheduling = "scheduling",
        /// A node pulls its image.
        Pulling = "pulling",
        /// The agent started.
        Starting = "starting",
        /// The agent prepares code and environment.
        Setup = "setup",
        /// The command runs.
        Running = "running",
        /// The result is stored, the rest of the log is on its way.
        Finishing = "finishing",
        /// Over.
        Ended = "ended",
    }
);

words!(
    /// Who or what is at fault for a failed attempt; it chooses the retry budget.
    FailureClass {
        /// The user's command.
        User = "user",
        /// The memory limit.
        Oom = "oom",
        /// The machine or the cluster, with evidence.
        Infra = "infra",
        /// It died without a result or better evidence.
        Lost = "lost",
        /// Code or environment could not be prepared.
        Setup = "setup",
        /// The image could not be had.
        Image = "image",
        /// It ran or waited longer than allowed.
        Timeout = "timeout",
        /// The template or its configuration.
        Config = "config",
        /// A rule: the queue's, or one that the task names.
        Policy = "policy",
    }
);

words!(
    /// Why a task is where it is, or ended as it did. The code is stable: it names a documentation anchor and a metric
    /// label. [`super::reasons`] says what each is made from.
    Reason {
        /// Others go first.
        BehindInQueue = "BehindInQueue",
        /// An operator paused the queue.
        QueuePaused = "QueuePaused",
        /// So many of the queue's tasks run as may.
        QueueConcurrencyLimit = "QueueConcurrencyLimit",
        /// So many of the user's tasks in the queue run as may.
        UserLimit = "UserLimit",
        /// A budget has not enough left for the task.
        BudgetExhausted = "BudgetExhausted",
        /// A budget is kept for a task that has waited long and needs more than what is left.
        ReservedForLarger = "ReservedForLarger",
        /// A pause before the next attempt.
        RetryBackoff = "RetryBackoff",
        /// As many elements of its array are out as may be at once.
        ArrayThrottle = "ArrayThrottle",
        /// Its `notBefore` has not come.
        ScheduledLater = "ScheduledLater",
        /// Tasks that it depends on have not ended.
        DependencyNotMet = "DependencyNotMet",
        /// No runner serves the queue.
        NoRunnerForQueue = "NoRunnerForQueue",
        /// Every runner that serves the queue is full.
        RunnerAtCapacity = "RunnerAtCapacity",
        /// A runner that could take it takes nothing.
        RunnerBehind = "RunnerBehind",
        /// The runner does not see its cluster.
        RunnerBlind = "RunnerBlind",
        /// A live attempt stands in a phase beyond the time that it has.
        AttemptOverdue = "AttemptOverdue",
        /// The queue's template cannot be rendered for any runner that serves it.
        TemplateInvalid = "TemplateInvalid",
        /// The queue does not allow what the task asks for.
        PolicyDenied = "PolicyDenied",
        /// The namespace's quota is used up, or smaller than the request.
        ResourceQuotaExceeded = "ResourceQuotaExceeded",
        /// Outside the namespace's bounds for one container or pod.
        LimitRangeViolation = "LimitRangeViolation",
        /// The namespace enforces a stricter security profile.
        PodSecurityViolation = "PodSecurityViolation",
        /// An admission webhook or policy refused.
        AdmissionWebhookDenied = "AdmissionWebhookDenied",
        /// The API server does not take the object as it is.
        ObjectInvalid = "ObjectInvalid",
        /// Kueue has not reserved quota.
        KueueQuotaPending = "KueueQuotaPending",
        /// The service account does not exist.
        ServiceAccountMissing = "ServiceAccountMissing",
        /// The priority class does not exist.
        PriorityClassMissing = "PriorityClassMissing",
        /// The namespace does not exist.
        NamespaceMissing = "NamespaceMissing",
        /// The cluster serves no objects of the kind that the queue names.
        ObjectKindMissing = "ObjectKindMissing",
        /// The glue lacks a right.
        RunnerForbidden = "RunnerForbidden",
        /// GPUs of the kind asked for are in use.
        InsufficientGpu = "InsufficientGPU",
        /// Processors are in use.
        InsufficientCpu = "InsufficientCPU",
        /// Memory is in use.
        InsufficientMemory = "InsufficientMemory",
        /// Local storage is in use.
        InsufficientStorage = "InsufficientStorage",
        /// Another resource is in use.
        InsufficientResource = "InsufficientResource",
        /// No node is large enough even if it were empty.
        NeverFits = "NeverFits",
        /// No node offers the MIG profile.
        MigProfileNotAdvertised = "MigProfileNotAdvertised",
        /// No node offers a device of this name.
        DeviceNotAdvertised = "DeviceNotAdvertised",
        /// A node's labels name a GPU that it does not offer.
        LabelWithoutDevices = "LabelWithoutDevices",
        /// No node carries the labels asked for.
        NoNodeMatchesSelector = "NoNodeMatchesSelector",
        /// Nodes that match bear a taint.
        UntoleratedTaint = "UntoleratedTaint",
        /// Affinity or spread cannot be met.
        AffinityUnsatisfied = "AffinityUnsatisfied",
        /// A volume claim is not bound.
        VolumeUnbound = "VolumeUnbound",
        /// A volume stands in another zone.
        ZoneConflict = "ZoneConflict",
        /// Nodes have reached their number of pods.
        TooManyPods = "TooManyPods",
        /// A node is being added.
        ScalingUp = "ScalingUp",
        /// The autoscaler adds no node.
        ScaleUpRefused = "ScaleUpRefused",
        /// Somebody with higher priority took the place.
        Preempted = "Preempted",
        /// No node takes the pod, and nothing says why yet.
        Unschedulable = "Unschedulable",
        /// The image is on its way.
        ImagePulling = "ImagePulling",
        /// There is no such image, or its name is none.
        ImageNotFound = "ImageNotFound",
        /// The registry refused the credentials.
        ImagePullAuth = "ImagePullAuth",
        /// The registry cannot be reached.
        RegistryUnreachable = "RegistryUnreachable",
        /// The image cannot be pulled, for none of the reasons above.
        ImagePullFailed = "ImagePullFailed",
        /// The node has no room on its disk.
        DiskPressure = "DiskPressure",
        /// A Secret, a config map or a key of one does not exist.
        SecretOrConfigMissing = "SecretOrConfigMissing",
        /// A volume cannot be attached or mounted.
        VolumeMountTimeout = "VolumeMountTimeout",
        /// The runtime class is unknown to cluster or node.
        RuntimeClassMissing = "RuntimeClassMissing",
        /// The node could not hand out the device.
        GpuNotInjected = "GpuNotInjected",
        /// The container runtime cannot make the container.
        ContainerNotCreated = "ContainerNotCreated",
        /// The pod is being made ready.
        Starting = "Starting",
        /// The agent is silent.
        HeartbeatLost = "HeartbeatLost",
        /// The command ended with a code other than 0, or by a signal.
        ExitNonZero = "ExitNonZero",
        /// The memory limit was hit.
        OomKilled = "OOMKilled",
        /// It ran longer than its `timeoutSeconds`, or took longer in all than its `totalTimeoutSeconds`.
        DeadlineExceeded = "DeadlineExceeded",
        /// It did not start within its `maxWaitSeconds`.
        NotStartedInTime = "NotStartedInTime",
        /// A task that had to succeed before it did not.
        DependencyFailed = "DependencyFailed",
        /// Somebody stopped it.
        Cancelled = "Cancelled",
        /// The machine told it to go: node pressure, drain, shutdown.
        Evicted = "Evicted",
        /// The machine restarted under it, or went away.
        NodeLost = "NodeLost",
        /// Somebody deleted the pod or the Job.
        PodDeleted = "PodDeleted",
        /// It died without leaving a result, or an operator gave it up.
        AttemptLost = "AttemptLost",
        /// The agent could not be started.
        AgentNotStarted = "AgentNotStarted",
        /// The repository refused the credentials, or there are none.
        GitAuthFailed = "GitAuthFailed",
        /// The repository cannot be reached.
        RepositoryUnreachable = "RepositoryUnreachable",
        /// The repository does not have the commit.
        CommitNotFound = "CommitNotFound",
        /// The diff does not fit the commit.
        PatchDoesNotApply = "PatchDoesNotApply",
        /// The image lacks a program that the set-up needs.
        ToolMissing = "ToolMissing",
        /// The image lacks the Python asked for.
        PythonVersionMissing = "PythonVersionMissing",
        /// What is to be installed does not exist, or does not go together.
        DependencyResolutionFailed = "DependencyResolutionFailed",
        /// The package index cannot be reached.
        IndexUnreachable = "IndexUnreachable",
        /// Code or environment could not be prepared.
        SetupFailed = "SetupFailed",
        /// The evidence fits nothing known; it is shown as it is.
        Unknown = "Unknown",
    }
);

impl Reason {
    /// Whether it says that code or environment could not be prepared.
    #[must_use]
    pub fn is_of_setup(self) -> bool {
        matches!(
            self,
            Self::GitAuthFailed
                | Self::RepositoryUnreachable
                | Self::CommitNotFound
                | Self::PatchDoesNotApply
                | Self::ToolMissing
                | Self::PythonVersionMissing
                | Self::DependencyResolutionFailed
                | Self::IndexUnreachable
                | Self::SetupFailed
        )
    }
}

words!(
    /// How the environment of a command is made.
    #[derive(Default)]
    EnvironmentKind {
        /// By what the code holds: `uv.lock`, `requirements.txt`, `pyproject.toml`, `environment.yml`, in this order; the image
        /// as it is where it holds none of them.
        #[default]
        Auto = "auto",
        /// The image as it is; nothing is installed.
        Image = "image",
        /// A virtual environment of the image's Python, filled by pip.
        Venv = "venv",
        /// A virtual environment filled by uv, from `uv.lock` where there is one.
        Uv = "uv",
        /// An environment of conda, mamba or micromamba, whichever the image has.
        Conda = "conda",
    }
);

words!(
    /// How soon a task is served, before all other rules but an operator's boost.
    #[derive(Default)]
    Priority {
        /// Before everything else.
        Critical = "critical",
        /// Before normal work.
        High = "high",
        /// The default.
        #[default]
        Normal = "normal",
        /// When nothing else waits.
        Low = "low",
    }
);

impl Priority {
    /// The band in the order of service: 0 is served first.
    #[must_use]
    pub fn band(self) -> i64 {
        self as i64
    }
}
