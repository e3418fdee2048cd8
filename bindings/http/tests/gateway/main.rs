//! What the gateway promises, over sockets: each test has a gateway of its own on a free port, over a store of its own,
//! with a clock that only the test moves (`support.rs`).

mod access;
mod bandwidth;
mod framing;
mod messagebird;
mod names;
mod operations;
mod origin;
mod paging;
mod serving;
mod support;
mod twilio;
mod twilio_messages;
mod twilio_pages;
