//! `slipway move`

use super::{
    context::{Common, Context},
    exit::{Exit, Failure},
    several,
    task_ref::TaskRef,
};
use crate::{
    client::Client,
    wire::{MoveEnd, MoveRequest, Task},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  slipway move 1042 --front                   the next of yours in its queue
  slipway move 1050 1051 --before 1042        both of them, in this order
  slipway move @ --back

Tasks change places among those of one user, queue and priority; everybody else is served as before.
Operators may move anybody's, and put one before all others: slipway boost";

/// The arguments of `move`.
#[derive(Clone, Debug, clap::Args)]
pub struct MoveArgs {
    /// The tasks, in the order that they are to have: ids, names, or @ for your last
    #[arg(value_name = "TASK", required = true)]
    tasks: Vec<TaskRef>,
    #[command(flatten)]
    to: To,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Where to.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct To {
    /// Before all others of the same user, queue and priority
    #[arg(long)]
    front: bool,
    /// Behind all of them
    #[arg(long)]
    back: bool,
    /// Right before this one
    #[arg(long, value_name = "TASK")]
    before: Option<TaskRef>,
    /// Right behind this one
    #[arg(long, value_name = "TASK")]
    after: Option<TaskRef>,
}

impl To {
    async fn request(&self, context: &Context, client: &Client) -> Result<MoveRequest, Failure> {
        let mut request = MoveRequest::default();
        match self {
            Self { before: Some(task), .. } => request.before = Some(task.id(context, client).await?),
            Self { after: Some(task), .. } => request.after = Some(task.id(context, client).await?),
            Self { front: true, .. } => request.to = Some(MoveEnd::Front),
            Self { .. } => request.to = Some(MoveEnd::Back),
        }
        Ok(request)
    }

    /// Whether each task lands before those that were moved earlier.
    fn is_reversed(&self) -> bool {
        self.front || self.after.is_some()
    }
}

/// Moves tasks.
pub(super) async fn run(args: MoveArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client()?;
    let request = args.to.request(context, &client).await?;
    let reversed = args.to.is_reversed();
    let mut order: Vec<&TaskRef> = args.tasks.iter().collect();
    if reversed {
        order.reverse();
    }
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for task in order {
        match shift(task, &request, context, &client).await {
            Ok(task) => done.push(task),
            Err(failure) => failures.push(failure),
        }
    }
    if reversed {
        done.reverse();
        failures.reverse();
    }
    several::print(context, done, |task| format!("{} moved", task.id))?;
    several::conclude(context, failures)
}

async fn shift(task: &TaskRef, request: &MoveRequest, context: &Context, client: &Client) -> Result<Task, Failure> {
    let id = task.id_to_stop(context, client).await?;
    Ok(client.move_task(id, request, context.key()).await?)
}
