//! Texts of foreign files: what nobody expanded so far is not expanded now.

use crate::template::text::{Piece, pieces};

/// Escapes every macro of a text that `own` does not take for one of the file's own format.
pub(super) fn keep(text: &mut String, own: impl Fn(&str) -> bool) {
    if !text.contains("${") {
        return;
    }
    let mut kept = String::with_capacity(text.len() + 8);
    for piece in pieces(text) {
        match piece {
            Piece::Plain(text) => kept += text,
            Piece::Variable(name) => kept.extend(["{{", name, "}}"]),
            Piece::Macro(inside) => kept.extend([if own(inside) { "${" } else { "$${" }, inside, "}"]),
            Piece::Escape => kept += "$$${",
        }
    }
    *text = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_expanded_stays() {
        for (text, expected) in [
            ("echo ${HOME} ${run_id} $HOME ${X:-1} ${}", "echo $${HOME} ${run_id} $HOME ${X:-1} ${}"),
            ("${a}${b", "$${a}${b"),
            ("$${a} {{b}} $(C)", "$$${a} {{b}} $(C)"),
            ("plain", "plain"),
        ] {
            let mut kept = text.to_owned();
            keep(&mut kept, |name| name == "run_id");
            assert_eq!(kept, expected);
        }
    }
}
