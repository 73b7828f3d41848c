//! What names a database.

use super::error::{Result, StoreError};
use std::path::{Path, absolute};

/// Refuses what does not name a Postgres database: the driver takes any address for one.
pub(super) fn postgres(url: &str) -> Result<()> {
    let (scheme, rest) = url.split_once(':').unwrap_or_default();
    let word = !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let wrong = match scheme.to_ascii_lowercase().as_str() {
        "postgres" | "postgresql" if rest.starts_with("//") => return Ok(()),
        "sqlite" => {
            "SQLite's file is the data directory's slipway.db: name that directory with --data-dir, and leave this address away".to_owned()
        }
        // Before a colon that nothing follows a password may stand, too.
        other if word && rest.starts_with("//") => format!("tasks cannot be kept in {other}"),
        _ => "it does not begin with postgres://".to_owned(),
    };
    Err(StoreError::BadUrl(wrong))
}

/// Whether an address (`sqlite:FILE` or `sqlite://FILE`) names this very file.
#[must_use]
pub fn names_file(url: &str, file: &Path) -> bool {
    let Some((scheme, rest)) = url.split_once(':') else { return false };
    let named = Path::new(rest.strip_prefix("//").unwrap_or(rest));
    let whole = |path: &Path| {
        let path = absolute(path).ok()?;
        let dir = path.parent()?;
        // A directory that is still to be made is taken by its name.
        Some((dir.canonicalize().unwrap_or_else(|_| dir.to_owned()), path.file_name()?.to_owned()))
    };
    scheme.eq_ignore_ascii_case("sqlite") && whole(named).is_some_and(|named| whole(file) == Some(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_postgres_database_is_refused_without_its_password() {
        for good in ["postgres://a@b/c", "postgresql:///c?host=/run", "Postgres://u:secret@b"] {
            assert!(postgres(good).is_ok(), "{good}");
        }
        for (bad, part) in [
            ("mysql://u:secret@b/c", "tasks cannot be kept in mysql"),
            ("https://u:secret@b/c", "tasks cannot be kept in https"),
            ("u:secret@b/c", "does not begin with postgres://"),
            ("secret:", "does not begin with postgres://"),
            ("secret:u@b", "does not begin with postgres://"),
            ("postgres:secret", "does not begin with postgres://"),
            ("secret", "does not begin with postgres://"),
            ("", "does not begin with postgres://"),
            ("sqlite:/secret.db", "--data-dir"),
        ] {
            let said = postgres(bad).unwrap_err().to_string();
            assert!(said.contains(part) && !said.contains("secret"), "{bad}: {said}");
        }
    }

    #[test]
    fn a_file_is_known_however_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = (dir.path().join("slipway.db"), dir.path().display());
        for same in [
            format!("sqlite:{path}/slipway.db"),
            format!("sqlite://{path}/./slipway.db"),
            format!("SQLITE:{path}/../{}/slipway.db", dir.path().file_name().unwrap().display()),
        ] {
            assert!(names_file(&same, &file), "{same}");
        }
        assert!(names_file(&format!("sqlite:{path}/new/slipway.db"), &dir.path().join("new/slipway.db")), "a directory to come");
        for other in
            [format!("sqlite:{path}/other.db"), format!("postgres:{path}/slipway.db"), "sqlite:".to_owned(), format!("{path}/slipway.db")]
        {
            assert!(!names_file(&other, &file), "{other}");
        }
    }
}
