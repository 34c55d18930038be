//! What every connector must show.

use crate::fixture::PostgresFixture;

forgetd_testkit::conformance!(PostgresFixture);
