//! Finds the values that an attempt must not show: its tokens, and what its container has from Secrets.

use super::Secrets;
use crate::{
    agent::{Vars, place::Place},
    domain::pod::{GIT_DIR, SECRET_ENV, SECRET_FILES},
};
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::Path};

/// The most files that are read below all directories together.
const MOST_FILES: usize = 1_000;
/// The most that a Kubernetes Secret holds, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// What names of variables have in them that hold secrets, where nobody says which ones do.
const SUSPECTS: [&str; 8] = ["TOKEN", "SECRET", "PASSW", "CREDENTIAL", "API_KEY", "APIKEY", "ACCESS_KEY", "PRIVATE_KEY"];

/// The values of `tokens`, and those that the agent's environment `env` says are secret by naming variables and files
/// ([`SECRET_ENV`], [`SECRET_FILES`]), and what git needs to know itself by ([`GIT_DIR`]).
pub(in crate::agent) fn gather(place: &Place, env: &Vars, tokens: &[&str]) -> Secrets {
    let mut secrets = Secrets::default();
    for token in tokens {
        secrets.add("a token", token.as_bytes());
    }
    let listed = |list: &str| env.get(OsStr::new(list)).and_then(|value| value.to_str()).unwrap_or_default().split(',');
    let named: Vec<&str> = listed(SECRET_ENV).filter(|name| !name.is_empty()).collect();
    for (name, value) in env.iter().filter(|(name, _)| named.iter().any(|pattern| is_named(pattern, &name.to_string_lossy()))) {
        secrets.add(&name.to_string_lossy(), value.as_bytes());
    }
    let mut left = MOST_FILES;
    for path in listed(SECRET_FILES).filter(|path| !path.is_empty()) {
        read(&place.rooted(path), Path::new(path), &mut secrets, &mut left);
    }
    if let Some(dir) = place.git_secret() {
        read(&dir, Path::new(GIT_DIR), &mut secrets, &mut left);
    }
    secrets
}

/// Whether a variable is meant: by its name, by the beginning of its name (`APP_*`), or, where nothing is said of it
/// (`*`), by what its name looks like.
fn is_named(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        None => name == pattern,
        Some("") => SUSPECTS.iter().any(|part| name.to_ascii_uppercase().contains(part)),
        Some(beginning) => name.starts_with(beginning),
    }
}

/// Reads a file, or all files below a directory; `name` is what the command knows it by.
fn read(path: &Path, name: &Path, secrets: &mut Secrets, left: &mut usize) {
    let Ok(found) = fs::metadata(path) else { return };
    if found.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            // Kubernetes keeps what the links of such a directory lead to in hidden ones, `..data`.
            if !entry.file_name().as_bytes().starts_with(b"..") {
                read(&entry.path(), &name.join(entry.file_name()), secrets, left);
            }
        }
        return;
    }
    if !found.is_file() || found.len() > MOST_BYTES || *left == 0 {
        return secrets.warn(format!("{} is not masked: it is no file, it is too long, or there are too many", name.display()));
    }
    *left -= 1;
    match fs::read(path) {
        Ok(value) => secrets.add(&name.display().to_string(), &value),
        // What the agent may not read the command may not either: they are the same user.
        Err(error) => tracing::debug!(path = %path.display(), %error, "a secret cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{Mask, Pod};

    #[test]
    fn variables_and_files_are_found_by_what_names_them() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("secrets/..2026")).unwrap();
        fs::write(at("secrets/..2026/key"), "of-a-file\n").unwrap();
        std::os::unix::fs::symlink("..2026/key", at("secrets/key")).unwrap();
        fs::write(at("secrets/pin"), "1234").unwrap();
        fs::write(at("alone"), "of-another-file").unwrap();
        let env = [
            (SECRET_ENV, "KEY,APP_*,*,GONE"),
            (SECRET_FILES, "/secrets,/alone,/gone"),
            ("KEY", "of-a-variable"),
            ("KEYS", "plain-1"),
            ("APP_A", "of-a-prefix"),
            ("MY_TOKEN", "by-its-name"),
            ("PATH", "/usr/bin:/bin"),
            ("APP_PIN", "12345"),
            ("APP_NONE", ""),
        ];
        let env: Vars = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let place = Place::pod(Pod { root: root.path().to_owned(), uid: "u".into(), cwd: "/".into() });
        let secrets = gather(&place, &env, &["a-token"]);
        let text = "of-a-variable of-a-prefix by-its-name of-a-file of-another-file a-token plain-1 /usr/bin:/bin 12345";
        let masked = Mask::new(&secrets).whole(text);
        assert_eq!(masked, "[masked] [masked] [masked] [masked] [masked] [masked] plain-1 /usr/bin:/bin 12345");
        assert_eq!(
            secrets.warnings(),
            [
                "the value of APP_PIN is shorter than 6 bytes and is not masked",
                "the value of /secrets/pin is shorter than 6 bytes and is not masked"
            ]
        );
    }
}
