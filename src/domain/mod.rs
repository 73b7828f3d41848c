//! The rules of the product, pure: no I/O, no ambient clock, no ambient randomness.
//!
//! Everything here is decided from its arguments alone, so every rule can be tested by itself and the same rule
//! serves the store, the server, the runners and the command line. See `docs/ARCHITECTURE.md` for the words.

mod allow;
mod ambient;
pub mod array;
mod code;
pub mod crash;
mod dependency;
mod ending;
pub mod evidence;
mod git;
mod gpu;
mod identity;
mod ids;
mod labels;
mod lifecycle;
mod names;
mod node;
mod notes;
mod objects;
pub mod order;
mod outcome;
pub mod pod;
mod quantity;
pub mod reasons;
mod retry;
mod role;
mod secret;
mod settings;
mod sources;
mod state;
mod suggest;
mod task;
mod template_finding;
mod usage;

pub use allow::{Allow, OfQueue};
pub use ambient::{Clock, Rng, UnixMs};
pub use array::{ArraySpec, ElementCounts, Indices};
pub use code::{Code, Environment, GitCode, Setup, Sha256, Snapshot};
pub use dependency::{Dependency, DependencyKind, MAX_DEPENDENCIES, OnFailure, cycle};
pub use ending::Ending;
pub use evidence::Evidence;
pub use git::{is_commit, is_inside, is_reference, is_repository};
pub use gpu::{Gpu, Strategy, Vendor};
pub use identity::{Binding, Doubt, Issuer};
pub use ids::{AttemptNumber, AttemptRef, EventId, TaskId};
pub use labels::{LabelSelector, Labels, SelectorError, valid_label_key, valid_label_value};
pub use lifecycle::{Event, Illegal, Lifecycle, Live, Status};
pub use names::{BudgetName, NameError, QueueName, RunnerName};
pub use node::{Node, Taint};
pub use notes::{Notes, Output, Progress, Step, is_output};
pub use objects::{KNOWN as KNOWN_OBJECTS, ObjectKind};
pub use outcome::{AttemptResult, End, Outcome, StoppedBy};
pub use quantity::{Cpu, Memory, QuantityError, thousandths};
pub use reasons::{Finding, Quote, ReasonClass};
pub use retry::{Next, Spent, backoff_ms, hold_ms, next_after};
pub use role::Role;
pub use secret::{SecretKind, fingerprint, mint_secret, well_formed};
pub use settings::Times;
pub use sources::{CacheSource, GitSource, Indexes, Mounts, Proxy, Sources};
pub use state::{EnvironmentKind, FailureClass, Phase, Priority, Reason, TaskState};
pub use suggest::did_you_mean;
pub use task::{Overrides, Resources, Retries, SecretUse, TaskSpec, Violation, Work, counted_gpus, is_image};
pub use template_finding::{Layer, Level, TemplateFinding};
pub use usage::{Course, GpuUsage, Usage};
