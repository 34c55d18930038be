//! What every connector must show.

use crate::fixture::SqliteFixture;

forgetd_testkit::conformance!(SqliteFixture);
