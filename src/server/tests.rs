//! The routes as callers see them, through the router without a socket.

mod access;
mod agents;
mod arrays;
mod claims;
mod document;
mod events;
mod evidence;
mod export;
mod finishing;
mod listing;
mod logs;
mod meta;
mod own;
mod pods;
mod problems;
mod queues;
mod races;
mod reading;
mod retention;
mod rig;
mod runners;
mod tasks;
mod tokens;
mod why;
mod wires;
