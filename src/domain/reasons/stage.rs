//! How far an attempt has come on its way to the start; the time that a runner bears with counts anew from each stage.

use super::{Finding, Reason};
use crate::domain::evidence::{ContainerRole, ContainerState, Evidence};

/// A stage on the way to the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It has no node.
    Unplaced,
    /// Its node makes it ready: volumes, images, init containers.
    Preparing,
    /// What asks for the start runs: the agent, or the gate.
    Asking,
}

/// The stage that the evidence shows.
#[must_use]
pub fn stage(evidence: &Evidence) -> Stage {
    let Some(pod) = &evidence.pod else { return Stage::Unplaced };
    let asks = |role| matches!(role, ContainerRole::Task | ContainerRole::Agent);
    if pod.containers.iter().any(|c| asks(c.role) && c.state == ContainerState::Running) {
        return Stage::Asking;
    }
    let placed = pod.node.is_some() || pod.condition("PodScheduled").is_some_and(|c| c.status == "True");
    if placed { Stage::Preparing } else { Stage::Unplaced }
}

/// Whether a node makes it ready and nothing is wrong: a large image takes its time, and to begin again would take longer.
/// The node itself ends a pull that does not get on.
#[must_use]
pub fn on_its_way(findings: &[Finding], evidence: &Evidence) -> bool {
    let well = |f: &Finding| !f.blocking || matches!(f.code, Reason::ImagePulling | Reason::Starting);
    stage(evidence) == Stage::Preparing && findings.iter().all(well)
}
