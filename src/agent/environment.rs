//! The rules for what a command's environment begins with, before the task's own variables.

use crate::domain::pod::ENV_PREFIX;
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// Variables by name.
pub type Vars = BTreeMap<OsString, OsString>;

/// The command's directories.
#[derive(Clone, Debug)]
pub(super) struct Dirs {
    pub(super) home: PathBuf,
    pub(super) tmp: PathBuf,
}

/// On a machine it is made anew, so that nothing of whoever started the runner gets into a task: `PATH`, `USER` and
/// `LANG` as the agent has them, `HOME` and `TMPDIR` in the attempt's directory.
pub(super) fn of_machine(agents: Vars, dirs: &Dirs) -> Vars {
    let mut vars: Vars = agents.into_iter().filter(|(name, _)| ["PATH", "USER", "LANG"].iter().any(|kept| name == kept)).collect();
    vars.insert("HOME".into(), dirs.home.clone().into());
    vars.insert("TMPDIR".into(), dirs.tmp.clone().into());
    vars.insert("PYTHONUNBUFFERED".into(), "1".into());
    vars
}

/// In a pod it is the container's, from image and template, without what is ours; what that lacks for a user that no
/// image knows and a root that cannot be written is added.
///
/// A `HOME` that is missing or not `usable` is replaced, and then the caches that tools keep in it are named too: a home
/// that the image prepared keeps the caches that it may hold.
pub(super) fn of_container(container: Vars, dirs: &Dirs, user: &str, usable: impl Fn(&Path) -> bool) -> Vars {
    let mut vars: Vars = container.into_iter().filter(|(name, _)| !name.as_bytes().starts_with(ENV_PREFIX.as_bytes())).collect();
    let mut default = |name: &str, value: &OsStr| {
        vars.entry(name.into()).or_insert_with(|| value.to_owned());
    };
    default("USER", user.as_ref());
    default("TMPDIR", dirs.tmp.as_os_str());
    default("PYTHONUNBUFFERED", "1".as_ref());
    if !vars.get(OsStr::new("HOME")).is_some_and(|home| usable(Path::new(home))) {
        vars.insert("HOME".into(), dirs.home.clone().into());
        let cache = dirs.home.join(".cache");
        for (name, path) in [("XDG_CACHE_HOME", cache.clone()), ("PIP_CACHE_DIR", cache.join("pip")), ("UV_CACHE_DIR", cache.join("uv"))] {
            vars.entry(name.into()).or_insert_with(|| path.into());
        }
    }
    vars
}

/// Where the search path of an environment has a program.
pub(super) fn program(vars: &Vars, name: &str) -> Option<PathBuf> {
    let path = vars.get(OsStr::new("PATH"))?;
    std::env::split_paths(path).map(|dir| dir.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.is_file() && nix::unistd::access(file, nix::unistd::AccessFlags::X_OK).is_ok()
}

/// The name of a user id in a password file, or a name for one that is not there, which programs need nevertheless.
pub(super) fn user(passwd: &str, uid: u32) -> &str {
    let entry = passwd.lines().find_map(|line| {
        let (name, rest) = line.split_once(':')?;
        (rest.split(':').nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    entry.filter(|name| !name.is_empty()).unwrap_or("slipway")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(of: &[(&str, &str)]) -> Vars {
        of.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn dirs() -> Dirs {
        Dirs { home: "/w/home".into(), tmp: "/w/tmp".into() }
    }

    #[test]
    fn a_machine_gives_what_a_command_needs_and_nothing_else() {
        let got = of_machine(vars(&[("PATH", "/bin"), ("HOME", "/root"), ("AWS_SECRET", "x"), ("SLIPWAY_TOKEN", "y")]), &dirs());
        assert_eq!(got, vars(&[("PATH", "/bin"), ("HOME", "/w/home"), ("TMPDIR", "/w/tmp"), ("PYTHONUNBUFFERED", "1")]));
    }

    #[test]
    fn a_container_keeps_what_it_says_and_gets_what_it_lacks() {
        let image = [("PATH", "/opt/bin"), ("SECRET", "s"), ("SLIPWAY_POD_UID", "u"), ("SLIPWAYS", "mine"), ("HOME", "/")];
        let bare = of_container(vars(&image), &dirs(), "slipway", |_| false);
        let expected = [
            ("PATH", "/opt/bin"),
            ("SECRET", "s"),
            ("SLIPWAYS", "mine"),
            ("HOME", "/w/home"),
            ("USER", "slipway"),
            ("TMPDIR", "/w/tmp"),
            ("PYTHONUNBUFFERED", "1"),
            ("XDG_CACHE_HOME", "/w/home/.cache"),
            ("PIP_CACHE_DIR", "/w/home/.cache/pip"),
            ("UV_CACHE_DIR", "/w/home/.cache/uv"),
        ];
        assert_eq!(bare, vars(&expected));

        let said = [("HOME", "/home/me"), ("USER", "me"), ("TMPDIR", "/scratch"), ("PYTHONUNBUFFERED", "")];
        assert_eq!(of_container(vars(&said), &dirs(), "slipway", |home| home == "/home/me"), vars(&said));

        let cached = of_container(vars(&[("UV_CACHE_DIR", "/cache/uv")]), &dirs(), "slipway", |_| true);
        assert_eq!(cached[OsStr::new("UV_CACHE_DIR")], "/cache/uv");
        assert_eq!(cached[OsStr::new("HOME")], "/w/home", "an unset HOME cannot be usable");
    }

    #[test]
    fn a_user_is_called_as_the_image_calls_it() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n\nbroken\napp:x:1234:1234::/app:\n:x:7:7:::\n";
        assert_eq!([user(passwd, 0), user(passwd, 1234), user(passwd, 7), user("", 1)], ["root", "app", "slipway", "slipway"]);
    }
}
