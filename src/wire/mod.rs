//! What travels: request and response types, problem codes, limits.
//!
//! JSON is lowerCamelCase, times are RFC 3339 in UTC, durations are whole seconds (`…Seconds`) for people and whole
//! milliseconds (`…Ms`) between the parts. Requests refuse unknown fields; readers of responses must ignore them.

mod arrange;
mod array;
mod attempt;
mod audit;
mod budget;
mod checks;
mod claim;
mod depend;
mod event;
mod export;
mod footing;
pub mod handoff;
mod health;
pub mod limits;
mod list;
mod node;
mod problem;
mod queue;
mod queue_stats;
mod render;
mod report;
mod retention;
mod runner;
mod runner_state;
mod task;
mod template;
mod timeline;
mod token;
mod upload;
mod usage;
mod why;

pub use arrange::{BoostRequest, MoveEnd, MoveRequest};
pub use array::{CancelRequest, NewArray, OnlyElements, RerunRequest, TaskArray};
pub use attempt::{
    FinishRequest, FinishResponse, HeartbeatRequest, HeartbeatResponse, LogAck, LogQuery, SelfStop, StartRequest, StartResponse,
};
pub use audit::{AuditEntry, AuditExportQuery, AuditList, AuditQuery};
pub use budget::{Budget, BudgetList, BudgetQueue, NewBudget};
pub use checks::{CheckDue, CheckOrder, ChecksDue, ChecksReport, QueueCheck};
pub use claim::{
    CancelOrder, ClaimRequest, ClaimResponse, ClaimedTask, Hold, Holds, JobOrder, ObjectOrder, QueueAsk, RunnerBeatRequest,
    RunnerBeatResponse, UnservedKind, known_hash,
};
pub use depend::{Dependee, DependsOn};
pub use event::{Event, EventKind, EventList, EventQuery, LogChunk};
pub use export::{AttemptLine, ExportQuery, UsageLine};
pub use footing::{Footing, FootingReport, MissingRight};
pub use handoff::{Assignment, Fault, Testament};
pub use health::{BytesHealth, DatabaseHealth, Health, Stuck};
pub use list::{TaskList, TaskQuery};
pub use node::{NodeList, NodesReport, RunnerNodes};
pub use problem::{FieldError, Problem, ProblemCode};
pub use queue::{NewQueue, PauseRequest, Paused, Queue, QueueCounts, QueueDefaults, QueueLimits, QueueList};
pub use queue_stats::{Estimates, QueueRunner, QueueStats, Waits};
pub use render::{QueueRevision, QueueRevisionList, RenderQuery, RenderRequest, RenderResponse, Rendering, TaskManifest};
pub use report::{
    CheckItem, CheckRequest, CheckResponse, Checked, Proof, ReportItem, ReportKind, ReportRequest, ReportResponse, Reported, Verdict,
};
pub use retention::{Keep, KeepDays, KeepJobs, Retention};
pub use runner::{ClusterOffer, RegisterRequest, RegisterResponse, Runner, RunnerList};
pub use runner_state::{ClusterSight, Room, RunnerState, SilentWatch, UnknownJobs};
pub use task::{AbandonRequest, Attempt, AttemptList, BatchRequest, BatchResponse, Ended, NewTask, Task, TaskPatch};
pub use template::ObjectTemplate;
pub use timeline::{Timeline, TimelineSpan};
pub use token::{CreatedToken, NewToken, RoleGrant, RotateToken, Token, TokenList, Whoami};
pub use upload::{OutputList, Upload, UploadQuery, UploadRange};
pub use usage::{UsageQuery, UsageReport, UsageSum};
pub use why::{Holder, Holders, Instead, Position, Why};

pub use crate::domain::{
    Allow, AttemptNumber, AttemptRef, AttemptResult, BudgetName, CacheSource, Code, Course, ElementCounts, Ending, Environment,
    EnvironmentKind, EventId, Evidence, FailureClass, Finding, Forecast, GitCode, GitSource, Gpu, GpuUsage, Indexes, Indices, Labels,
    Layer, Ledger, Level, Mounts, Node, Notes, OnFailure, Output, Phase, Priority, Progress, Proxy, QueueName, Quote, Reason, ReasonClass,
    Resources, Retries, Role, RunnerName, SecretUse, Setup, Sha256, Snapshot, Sources, Step, StoppedBy, Strategy, Stretch, Taint, TaskId,
    TaskState, TemplateFinding, Times, UnixMs, Usage, Vendor, Work,
    order::{Amount, BudgetShare, Resource},
};
pub use jiff::Timestamp;

use serde::{Deserialize, Serialize};

/// A stored wall-clock time as it is shown; times outside year −9999..9999 become the Unix epoch.
#[must_use]
pub fn timestamp(at: UnixMs) -> Timestamp {
    Timestamp::from_millisecond(at.0).unwrap_or_default()
}

/// The server's answer to `GET /version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// The server's version.
    pub version: String,
    /// The API it speaks.
    pub api: String,
}
