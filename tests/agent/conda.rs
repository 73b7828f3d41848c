//! What micromamba is asked, and what becomes of its environment. The program is played by a script, which makes what micromamba
//! would (a prefix with `bin` and `conda-meta`) and refuses every other call: the real one cannot be had everywhere.

use crate::{
    Agent,
    server::{Recipe, Server},
    sh,
};
use slipway::wire::{Code, Environment, EnvironmentKind, Setup};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

const PLAYER: &str = r#"#!/bin/sh
case "$*" in "create --yes --quiet -p "*" -f "*/environment.yml) ;; *) echo "unknown call: $*" >&2; exit 9 ;; esac
prefix=$5
grep -q '^- greeting=1.0$' "$7" || { echo "nothing provides what is asked" >&2; exit 1; }
mkdir -p "$prefix/bin" "$prefix/conda-meta"
echo '{}' > "$prefix/conda-meta/greeting-1.0-h1_0.json"
printf '#!/bin/sh\necho hello from $CONDA_PREFIX\n' > "$prefix/bin/greet"
chmod +x "$prefix/bin/greet"
"#;

fn program(dir: &Path, name: &str) {
    fs::create_dir_all(dir).expect("a directory");
    fs::write(dir.join(name), PLAYER).expect("a file");
    fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o755)).expect("a program");
}

/// A task whose code has such an environment file.
fn recipe(kind: EnvironmentKind, package: &str) -> Recipe {
    let inline = [("environment.yml".to_owned(), format!("dependencies:\n- {package}\n"))].into();
    let environment = Environment { kind, ..Environment::default() };
    let setup = Setup { code: Some(Code { inline, ..Code::default() }), environment: Some(environment), ..Setup::default() };
    Recipe { setup, ..sh("greet") }
}

#[tokio::test]
async fn an_environment_file_is_given_to_micromamba_and_its_prefix_is_the_commands() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("a directory"));
    program(dir.path(), "micromamba");
    let path = format!("{}:{}", dir.path().display(), crate::pods::PATH);
    for kind in [EnvironmentKind::Conda, EnvironmentKind::Auto] {
        let of = server.claimed(recipe(kind, "greeting=1.0"));
        let mut agent = Agent::start_with(&server, of, |command| {
            command.env("PATH", &path);
        });
        assert_eq!(agent.ended().await, Some(0), "{}", agent.log());
        let attempt = server.attempt(of);
        let log = String::from_utf8_lossy(&attempt.log).into_owned();
        assert!(log.ends_with(&format!("hello from {}/env\n", agent.dir.path().display())), "{log}");
        let notes = attempt.finish.and_then(|finish| finish.notes).expect("notes");
        assert_eq!(notes.packages, ["greeting==1.0"]);
        assert!(notes.setup.iter().any(|step| step.what.contains("micromamba") && !step.failed), "{:?}", notes.setup);
    }
}

#[tokio::test]
async fn what_micromamba_refuses_and_that_there_is_none_is_said() {
    let (server, dir) = (Server::start().await, tempfile::tempdir().expect("a directory"));
    program(dir.path(), "micromamba");
    for (path, said) in
        [(format!("{}:{}", dir.path().display(), crate::pods::PATH), "nothing provides"), (crate::pods::PATH.into(), "ToolMissing")]
    {
        let of = server.claimed(recipe(EnvironmentKind::Conda, "nosuchthing"));
        let mut agent = Agent::start_with(&server, of, |command| {
            command.env("PATH", &path);
        });
        agent.ended().await;
        let attempt = server.attempt(of);
        let log = String::from_utf8_lossy(&attempt.log).into_owned();
        assert!(log.contains(said), "{log}");
        assert!(attempt.finish.is_some_and(|finish| finish.setup_failed.is_some() && finish.exit_code.is_none()), "{log}");
    }
}
