//! What every connector must show.

use crate::fixture::SqliteFixture;

forgetd_testkit::conformance!(SqliteFixture);
forgetd_testkit::transforms!(SqliteFixture);
