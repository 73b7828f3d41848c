//! `slipway queue edit`

use super::{
    apply::{asked, same},
    native,
};
use crate::{
    cli::{
        context::Context,
        documents,
        exit::{Exit, Failure},
        format::Format,
        style::shell,
    },
    wire::{NewQueue, ProblemCode, QueueName},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Opens a queue in the user's editor, and applies what comes out of it.
pub(super) async fn run(context: &Context, name: &QueueName) -> Result<Exit, Failure> {
    let editor = context.editor().ok_or_else(|| {
        Failure::usage("there is no editor: neither VISUAL nor EDITOR is set")
            .hint(format!("slipway queue export {name} > {name}.yaml, and after the change: slipway queue apply -f {name}.yaml"))
    })?;
    let client = context.client()?;
    let queue = client.queue(name).await?;
    let whole = NewQueue { name: Some(name.clone()), ..asked(&queue) };
    let text = format!(
        "# The queue {name}, revision {}. What is saved here is applied once the editor ends; saved unchanged, nothing is.\n{}",
        queue.revision,
        native::text(std::slice::from_ref(&whole), Format::Yaml)?
    );
    let path = kept(name, &text).map_err(|e| Failure::new(Exit::Error, format!("cannot write the text for the editor: {e}")))?;
    let keeps = |failure: Failure| {
        let file = shell(&[path.display().to_string()]);
        failure.hint(format!("your text is kept in {file}; to go on from it: slipway queue apply -f {file}"))
    };
    // From here on the text is the user's work, and stays until it is applied.
    context.on_interrupt(format!("Interrupted: the queue is as it was. Your text is kept in {}", path.display()));
    let edited = opened(editor, &path).await.map_err(keeps)?;
    if edited == text {
        let _ = fs::remove_file(&path);
        return Ok(unchanged(context, name));
    }
    let shown = path.display().to_string();
    let wanted = only(documents::read::<NewQueue>(&shown, &edited).map_err(keeps)?, name).map_err(keeps)?;
    if same(&queue, &wanted) {
        let _ = fs::remove_file(&path);
        return Ok(unchanged(context, name));
    }
    context.on_interrupt(format!("Interrupted: the queue may be changed or not. Your text is kept in {}", path.display()));
    let changed = client.put_queue(name, &wanted, Some(queue.revision), false).await.map_err(|error| {
        let moved = error.code() == Some(ProblemCode::PreconditionFailed);
        let failure = Failure::from(error);
        keeps(if moved {
            failure.hint(format!("somebody else changed {name} meanwhile: compare with slipway queue diff -f"))
        } else {
            failure
        })
    })?;
    let _ = fs::remove_file(&path);
    context.print(
        &changed,
        |queue| vec![queue.name.to_string()],
        |queue| format!("{} changed, revision {}\n", queue.name, queue.revision),
    )?;
    Ok(Exit::Ok)
}

fn unchanged(context: &Context, name: &QueueName) -> Exit {
    context.console.note(format_args!("{name} is unchanged: nothing was sent."));
    Exit::Ok
}

/// The text in a file that its user alone can read, and that stays.
fn kept(name: &QueueName, text: &str) -> io::Result<PathBuf> {
    let file = tempfile::Builder::new().prefix(&format!("slipway-{name}-")).suffix(".yaml").tempfile()?;
    fs::write(file.path(), text)?;
    Ok(file.keep()?.1)
}

/// What the editor leaves behind.
async fn opened(editor: &str, path: &Path) -> Result<String, Failure> {
    let words = shlex::split(editor).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| Failure::usage(format!("the editor {editor:?} cannot be read: a quote is not closed")))?;
    let ended = tokio::process::Command::new(&words[0]).args(&words[1..]).arg(path).status().await;
    let ended = ended.map_err(|e| Failure::new(Exit::Error, format!("cannot start the editor {:?}: {e}", words[0])))?;
    if !ended.success() {
        return Err(Failure::new(Exit::Error, format!("the editor ended with {ended}: the queue is as it was")));
    }
    let read = fs::read_to_string(path);
    read.map_err(|e| Failure::new(Exit::Error, format!("cannot read what the editor left: {e}")))
}

/// The one queue of a file.
fn only(mut queues: Vec<(QueueName, NewQueue)>, name: &QueueName) -> Result<NewQueue, Failure> {
    match (queues.pop(), queues.pop()) {
        (Some((found, queue)), None) if found == *name => Ok(queue),
        (Some((found, _)), None) => Err(Failure::usage(format!("the text is of the queue {found}, and {name} was opened"))
            .hint("a queue has its name for good: apply the text to make another")),
        _ => Err(Failure::usage(format!("the text is no longer that of the queue {name} alone"))),
    }
}
