//! Open files: as many as the system lets this process have, before connections need them.
//!
//! A process begins with a soft limit for programs that open few files, 1,024 most often, and may raise it to the hard
//! one by itself. The tool does so where it serves. The library never does: a program's limits are the program's.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open whatever the number of connections: the store's, the runtime's, the log.
const OWN: u64 = 256;

/// A connection, and the file that a large body is stored in while it comes.
const OF_A_CONNECTION: u64 = 2;

/// Raises the soft limit to the hard one, and says so; warns where so many connections may need more.
pub(crate) fn allow_for(connections: usize) {
    let Rlimit { current: soft, maximum: hard } = getrlimit(Resource::Nofile);
    let allowed = match setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!("the limit of open files stays at {}: {error}", shown(soft));
            soft
        }
    };
    if allowed != soft {
        tracing::info!("the limit of open files is raised from {} to {}", shown(soft), shown(allowed));
    }
    let needed = OWN + OF_A_CONNECTION * connections as u64;
    if allowed.is_some_and(|allowed| allowed < needed) {
        tracing::warn!(
            "{connections} connections may need {needed} open files, and the system allows {}: when they run out, clients \
             wait to be accepted and large uploads fail; have the system allow more (LimitNOFILE= of systemd, ulimit \
             -Hn), or lower `connections` in the table [limits]",
            shown(allowed)
        );
    }
}

/// `None` is no limit.
fn shown(limit: Option<u64>) -> String {
    limit.map_or_else(|| "unlimited".into(), |limit| limit.to_string())
}
