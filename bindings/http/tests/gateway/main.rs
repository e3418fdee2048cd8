//! What the gateway promises, over sockets: each test has a gateway of its own on a free port, over a store of its own,
//! with a clock that only the test moves (`support.rs`).

mod access;
mod bandwidth;
mod conformance;
mod contract;
mod framing;
mod links;
mod messagebird;
mod names;
mod native;
mod native_refusals;
mod operations;
mod origin;
// Each runner takes its own part of this.
#[allow(dead_code)]
#[path = "../../../../tests/conformance/options.rs"]
mod options;
mod paging;
#[path = "../../../../tests/conformance/script.rs"]
mod script;
mod serving;
mod signals;
mod support;
mod twilio;
mod twilio_messages;
mod twilio_pages;
