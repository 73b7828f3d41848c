//! The kinds of objects that can carry an attempt in place of a Job, and whose status is known.

/// A family of kinds with one shape of status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// `Job` of `batch/v1`.
    Job,
    /// Kubeflow's jobs of one framework: `PyTorchJob TFJob MPIJob XGBoostJob PaddleJob JAXJob` of `kubeflow.org`.
    Kubeflow,
    /// `TrainJob` of `trainer.kubeflow.org/v1alpha1`.
    TrainJob,
    /// `JobSet` of `jobset.x-k8s.io/v1alpha2`.
    JobSet,
    /// `RayJob` of `ray.io/v1`.
    RayJob,
    /// `Job` of `batch.volcano.sh/v1alpha1`.
    VolcanoJob,
    /// `Workflow` of `argoproj.io/v1alpha1`.
    Workflow,
}

/// Every kind of object whose status is known: API version, kind, family.
pub const KNOWN: [(&str, &str, ObjectKind); 13] = [
    ("batch/v1", "Job", ObjectKind::Job),
    ("kubeflow.org/v1", "PyTorchJob", ObjectKind::Kubeflow),
    ("kubeflow.org/v1", "TFJob", ObjectKind::Kubeflow),
    ("kubeflow.org/v1", "MPIJob", ObjectKind::Kubeflow),
    ("kubeflow.org/v2beta1", "MPIJob", ObjectKind::Kubeflow),
    ("kubeflow.org/v1", "XGBoostJob", ObjectKind::Kubeflow),
    ("kubeflow.org/v1", "PaddleJob", ObjectKind::Kubeflow),
    ("kubeflow.org/v1", "JAXJob", ObjectKind::Kubeflow),
    ("trainer.kubeflow.org/v1alpha1", "TrainJob", ObjectKind::TrainJob),
    ("jobset.x-k8s.io/v1alpha2", "JobSet", ObjectKind::JobSet),
    ("ray.io/v1", "RayJob", ObjectKind::RayJob),
    ("batch.volcano.sh/v1alpha1", "Job", ObjectKind::VolcanoJob),
    ("argoproj.io/v1alpha1", "Workflow", ObjectKind::Workflow),
];

impl ObjectKind {
    /// The family of a kind; none where nothing is known of its status.
    #[must_use]
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        KNOWN.iter().find(|(version, name, _)| (*version, *name) == (api_version, kind)).map(|(.., family)| *family)
    }

    /// Where the pods of these kinds bear their number within their role: the path of a field for the downward API. None
    /// where they bear none.
    #[must_use]
    pub fn rank_field(self) -> Option<&'static str> {
        match self {
            Self::Kubeflow => Some("metadata.labels['training.kubeflow.org/replica-index']"),
            Self::Job | Self::JobSet | Self::TrainJob => Some("metadata.annotations['batch.kubernetes.io/job-completion-index']"),
            Self::VolcanoJob => Some("metadata.labels['volcano.sh/task-index']"),
            Self::RayJob | Self::Workflow => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_version_too() {
        assert_eq!(ObjectKind::of("batch/v1", "Job"), Some(ObjectKind::Job));
        assert_eq!(ObjectKind::of("batch.volcano.sh/v1alpha1", "Job"), Some(ObjectKind::VolcanoJob));
        assert_eq!(ObjectKind::of("kubeflow.org/v2beta1", "MPIJob"), Some(ObjectKind::Kubeflow));
        assert_eq!(ObjectKind::of("kubeflow.org/v2beta1", "PyTorchJob"), None);
        assert_eq!(ObjectKind::of("example.org/v1", "Train"), None);
    }
}
