//! The routes as callers see them, through the router without a socket.
