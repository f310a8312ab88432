//! What Open MPI 4.1 does not take in a hostfile that is clear otherwise.

use std::fmt::{self, Display};

/// Something that `mpirun` stumbles over, measured with Open MPI 4.1.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oddity {
    /// The line, from 1.
    pub line: usize,
    /// What it is.
    pub kind: OddityKind,
}

/// Shown as what `mpirun` makes of it, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OddityKind {
    /// Lines end as on Windows.
    CarriageReturn,
    /// The last line has a comment and no end.
    CommentWithoutNewline,
    /// An IPv6 address.
    Ipv6,
    /// `^host`.
    Exclusion,
    /// `first.last@host`: the first name is taken for the host; `username=first.last` is ignored.
    UserWithDot,
    /// A host's name with an underscore.
    Underscore,
    /// Two names that are one up to the first dot.
    SameShortName {
        /// A host.
        first: String,
        /// Another.
        second: String,
    },
}

impl OddityKind {
    /// Whether it is still there when the same hosts are written to another file.
    #[must_use]
    pub fn is_about_names(&self) -> bool {
        match self {
            Self::Ipv6 | Self::UserWithDot | Self::Underscore | Self::SameShortName { .. } => true,
            Self::CarriageReturn | Self::CommentWithoutNewline | Self::Exclusion => false,
        }
    }
}

impl Display for OddityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CarriageReturn => {
                "mpirun refuses lines that end in a carriage return: `sed -i 's/\\r$//' HOSTFILE`"
            }
            Self::CommentWithoutNewline => {
                "mpirun refuses a comment on a last line without a newline: end the line"
            }
            Self::Ipv6 => "mpirun refuses IPv6 addresses: give the host a name in /etc/hosts",
            Self::Exclusion => "mpirun refuses or ignores `^`: delete the host's lines",
            Self::UserWithDot => {
                "mpirun takes no user's name with a dot: name the user in ~/.ssh/config"
            }
            Self::Underscore => "mpirun refuses names of hosts with `_`: use another name or address",
            Self::SameShortName { first, second } => {
                return write!(
                    f,
                    "mpirun takes `{first}` and `{second}` for one host, as they are the same up to \
                     the first dot: use addresses, or start it with `--mca orte_keep_fqdn_hostnames 1`"
                );
            }
        })
    }
}
