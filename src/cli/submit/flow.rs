//! From arguments to a submitted task, and what comes after.

use super::{Source, SubmitArgs, nothing};
use crate::{
    cli::{
        batch::{self, Described},
        capture::Facts,
        check, code,
        context::Context,
        exit::{Exit, Failure},
        file,
        style::shell,
    },
    client::{Client, Error},
    wire::{BatchRequest, NewTask, QueueName},
};
use serde::Serialize;
use std::path::Path;

/// Makes sure that a queue's image brings the command. Where it cannot be asked, the server will say.
async fn brings_command(client: &Client, queue: &str) -> Result<(), Failure> {
    let Ok(name) = queue.parse::<QueueName>() else { return Ok(()) };
    match client.queue(&name).await {
        Ok(queue) if !queue.brings_command() => Err(nothing(format!("nothing to run: the queue {name} takes a command"))),
        _ => Ok(()),
    }
}

/// Makes sure that a queue takes a command, before code is gathered for one. Where it cannot be asked, the server will say.
async fn takes_command(client: &Client, queue: Option<&str>) -> Result<(), Failure> {
    let Ok(name) = queue.map_or_else(|| Ok(QueueName::default()), str::parse::<QueueName>) else { return Ok(()) };
    match client.queue(&name).await {
        Ok(queue) if queue.brings_command() => {
            let what = if queue.object.is_some() { "object" } else { "image" };
            Err(Failure::usage(format!("the queue {name} leaves the command to its {what}"))
                .hint(format!("submit without one: slipway submit -q {name}")))
        }
        _ => Ok(()),
    }
}

impl SubmitArgs {
    /// Submits the tasks of a file, all or none; flags go over the fields of each.
    async fn several(self, tasks: Vec<NewTask>, context: &Context, client: &Client) -> Result<Exit, Failure> {
        if self.name.is_some() || !self.command.is_empty() {
            let what = if self.name.is_some() { "--name" } else { "a command" };
            return Err(Failure::usage(format!("the file describes {} tasks, and {what} would be that of each", tasks.len()))
                .hint("write it into the file"));
        }
        self.after.without_following()?;
        let order = self.order.found(context, client).await?;
        let tasks = tasks.into_iter().map(|mut task| {
            context.config.fill(&mut task);
            if task.code.is_some() {
                context.config.fill_environment(&mut task);
            }
            let mut task = self.over(task);
            order.over(&mut task);
            task
        });
        let request = BatchRequest { tasks: tasks.collect() };
        if self.check {
            check::refuse(client, &request.tasks, context).await?;
        }
        if self.dry_run {
            context.print(&request, |_| Vec::new(), yaml)?;
            return Ok(Exit::Ok);
        }
        context.on_interrupt("Interrupted before the server answered: the tasks may be submitted or not.\n  look: slipway ls");
        let answer = client.submit_batch(&request, context.key()).await?;
        self.after.go_all(context, client, answer).await
    }
}

/// Submits a task, then detaches, waits or follows.
pub(in crate::cli) async fn run(args: SubmitArgs, context: &Context) -> Result<Exit, Failure> {
    let args = args.translated()?;
    let source = args.source(context.config.queue())?;
    let client = context.client()?;
    let base = match source {
        Source::Command => NewTask::default(),
        Source::Image(queue) => {
            brings_command(&client, queue).await?;
            NewTask::default()
        }
        Source::File(path) => {
            let name = if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
            match batch::parse(&name, &file::text(&name, context.read(path).await?)?)? {
                Described::One(task) => *task,
                Described::Several(tasks) => return args.several(tasks, context, &client).await,
            }
        }
        Source::Script(path) => script(path, context.read(path).await)?,
    };
    let (mut task, unfilled) = completed(&args, base, context);
    args.order.found(context, &client).await?.over(&mut task);
    args.code.over(&mut task, context).await?;
    if !args.dry_run && args.code.captures(&task, context) {
        takes_command(&client, task.queue.as_deref()).await?;
    }
    let captured = args.code.capture(&mut task, context).await?;
    for (place, keys) in context.config.used(&task, &unfilled) {
        context.console.note(format_args!("config    {} from {place}", keys.join(", ")));
    }
    for line in captured.facts.lines() {
        context.console.note(line);
    }
    if args.check {
        check::refuse(&client, std::slice::from_ref(&task), context).await?;
    }
    if args.dry_run {
        let dry = Dry { preflight: &captured.facts, task: &task };
        context.print(&dry, |_| Vec::new(), |dry| yaml(dry.task))?;
        return Ok(Exit::Ok);
    }
    code::send(&captured, context, &client).await?;
    context.on_interrupt("Interrupted before the server answered: the task may be submitted or not.\n  look: slipway ls");
    let submitted = client.submit(&task, context.key()).await.map_err(|error| blamed(error, context, &task, &unfilled))?;
    if !args.check {
        check::warn(&client, &task, context).await;
    }
    args.after.go(context, &client, submitted).await
}

/// What the flags and the configuration make of a task, and what it is without the configuration.
fn completed(args: &SubmitArgs, base: NewTask, context: &Context) -> (NewTask, NewTask) {
    let unfilled = args.over(base.clone());
    let mut filled = base;
    context.config.fill(&mut filled);
    let mut task = args.over(filled);
    if task.code.is_some() || args.code.captures(&task, context) {
        context.config.fill_environment(&mut task);
    }
    (task, unfilled)
}

/// What a server says of a task, with the place of what nobody has typed.
fn blamed(error: Error, context: &Context, task: &NewTask, bare: &NewTask) -> Failure {
    let problem = if let Error::Problem(problem) = &error { Some(problem.clone()) } else { None };
    let failure = Failure::from(error);
    match problem {
        Some(problem) => context.config.blamed(&problem, task, bare, failure),
        None => failure,
    }
}

/// What would be sent, with what is told of its code.
#[derive(Serialize)]
struct Dry<'a> {
    preflight: &'a Facts,
    task: &'a NewTask,
}

fn yaml(object: &impl Serialize) -> String {
    serde_yaml::to_string(object).unwrap_or_else(|e| format!("{e}\n"))
}

pub(super) fn script(path: &Path, read: Result<Vec<u8>, Failure>) -> Result<NewTask, Failure> {
    let shown = path.display().to_string();
    let bytes = read.map_err(|failure| {
        failure.hint(format!("to run a command, put -- before it: slipway submit -- {}", shell(std::slice::from_ref(&shown))))
    })?;
    let text = file::text(&shown, bytes)
        .map_err(|failure| failure.hint("a program cannot be sent along: put it where the task runs, and name it after --"))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "-");
    Ok(NewTask { name, script: Some(text), ..NewTask::default() })
}
