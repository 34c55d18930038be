//! The daemon: what runs for months beside an application.
//!
//! Read in this order: `daemon` (what everything shares), `source` (the configuration, and that it changes), `follow`
//! (who acts), `hold` (acting: what is due when), `wave` (one wave of runs), `agenda` (pure: the next thing to do about a
//! rule), `policies` (what other processes have), `request` and `answer` (what people ask), `pauses` (why nothing is
//! started somewhere), `show` (puts it on the board that HTTP and metrics read).
//!
//! A process is one of three: a *follower* looks at the lease in the home database once per lease period and holds no
//! connection; the *holder* keeps one connection to the home database, and connects to everything anew for each wave; an
//! *observer* has no lease to take, because there are no control tables and no rule acts.

pub mod agenda;
mod answer;
mod approve;
mod daemon;
mod follow;
mod hold;
mod home;
mod objects;
mod observe;
mod pauses;
mod policies;
pub mod request;
mod show;
mod source;
mod wave;

pub use daemon::{Ended, Mode, Options, Start, serve};
