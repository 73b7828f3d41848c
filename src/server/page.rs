//! The one page: what this is, and three commands.

/// The page, complete in itself: it asks nothing of any other host.
pub(super) fn hello() -> String {
    include_str!("page.html").replace("{version}", env!("CARGO_PKG_VERSION"))
}
