//! The same task with its code in images that have little in common: none of them has its user, a home, or a root that can be
//! written. Packages come from an index that the test serves.

use crate::{
    command,
    container::{Image, contained},
    luggage,
    pods::{Root, log, stored},
    server::{Recipe, Server},
    support::{Index, run, uv},
};
use slipway::wire::{Code, Environment, EnvironmentKind, GitCode, GitSource, Indexes, Setup, Sha256, Sources};
use std::{
    fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// What a Debian has, as far as this machine is one, and more directories; the last of them has programs.
fn debian(more: &[PathBuf]) -> Image {
    let dirs = [PathBuf::from("/usr")].into_iter().chain(more.iter().cloned()).collect();
    let links = vec![("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")];
    let programs = more.last().map(|dir| format!("{}:", dir.display())).unwrap_or_default();
    Image { dirs, links, path: format!("{programs}/usr/bin:/bin") }
}

fn upload(sum: &Sha256) -> Code {
    Code { upload: Some(sum.clone()), ..Code::default() }
}

fn set_up(code: Code, kind: EnvironmentKind) -> Setup {
    Setup { code: Some(code), environment: Some(Environment { kind, ..Environment::default() }), ..Setup::default() }
}

/// Others may read what root keeps in a test's directory.
fn open(dir: &Path) {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn the_same_code_runs_where_there_is_nothing_and_where_there_is_all() {
    let dir = tempfile::tempdir().unwrap();
    luggage::pack(&dir.path().join("code"));
    let server = Server::start().await;
    let sum = server.sent(luggage::archive(&dir.path().join("code")));
    for (what, image) in [("an empty image", Image::default()), ("a Debian", debian(&[]))] {
        let of = server.claimed(Recipe { setup: set_up(upload(&sum), EnvironmentKind::Image), ..command(&["./show"]) });
        let Some(ended) = contained(Root::new(&server, of, &server.url), &image).await else { return };
        let log = log(&server, of);
        assert_eq!((ended.code, stored(&server, of).exit_code), (Some(0), Some(0)), "{what}: {log} {}", ended.message);
        assert!(log.ends_with("\nof the code\n"), "{what}: {log}");
    }
}

#[tokio::test]
async fn python_runs_for_a_user_whom_nobody_knows_without_a_home_on_a_root_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path());
    let (source, bare): (PathBuf, PathBuf) = (dir.path().join("code"), dir.path().join("git/team/vision"));
    luggage::pack(&source);
    run(&source, &["git", "init", "--quiet", "--initial-branch=main"]);
    run(&source, &["git", "add", "-A"]);
    run(&source, &["git", "commit", "--quiet", "-m", "work"]);
    run(dir.path(), &["git", "clone", "--quiet", "--bare", "code", &bare.display().to_string()]);
    let commit = run(&source, &["git", "rev-parse", "HEAD"]);
    fs::remove_dir_all(source.join(".git")).unwrap();
    let index = Index::serve(dir.path(), Ipv4Addr::LOCALHOST).await;
    // Where the tests' uv is, others may not look.
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::copy(uv().join("uv"), bin.join("uv")).unwrap();
    let image = debian(&[dir.path().join("git"), bin]);

    let server = Server::start().await;
    let sum = server.sent(luggage::archive(&source));
    let instead_of = [("https://git.example.com/".to_owned(), format!("file://{}/git/", dir.path().display()))].into();
    let sources = Sources {
        git: Some(GitSource { secret_ref: None, instead_of }),
        indexes: Some(Indexes { url: Some(index.url.clone()), extra: vec![] }),
        ..Sources::default()
    };
    let git = GitCode { url: "https://git.example.com/team/vision".into(), commit, ..GitCode::default() };
    let git = Code { git: Some(git), ..Code::default() };
    for (code, kind) in [(upload(&sum), EnvironmentKind::Venv), (upload(&sum), EnvironmentKind::Uv), (git, EnvironmentKind::Auto)] {
        let recipe = Recipe { setup: set_up(code, kind), sources: sources.clone(), ..command(&["python", "main.py"]) };
        let of = server.claimed(recipe);
        let Some(ended) = contained(Root::new(&server, of, &server.url), &image).await else { return };
        let log = log(&server, of);
        assert_eq!((ended.code, stored(&server, of).exit_code), (Some(0), Some(0)), "{kind}: {log} {}", ended.message);
        assert!(log.contains("\nsaid hello of the code\n"), "{kind}: {log}");
        let user = if nix::unistd::geteuid().is_root() { 1234 } else { 0 };
        assert!(log.contains(&format!("\nuser {user} True False False\n")), "{kind}: {log}");
        assert!(log.contains("\nfrom /slipway/work/env\n"), "{kind}: {log}");
        let notes = stored(&server, of).notes.unwrap_or_default();
        assert!(notes.packages.contains(&"greeting==1.0".to_owned()), "{:?}", notes.packages);
        let steps: Vec<_> = notes.setup.iter().map(|step| (step.what.split([' ', ',']).next().unwrap(), step.failed)).collect();
        let code = if kind == EnvironmentKind::Auto { "git" } else { "unpack" };
        assert_eq!(steps, [(code, false), ("environment", false)]);
        assert!(notes.setup[1].took_ms > 0 && log.contains(&notes.setup[1].what), "{:?}", notes.setup);
    }
}
