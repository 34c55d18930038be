//! What every connector must show.

use crate::fixture::PostgresFixture;

forgetd_testkit::conformance!(PostgresFixture);
forgetd_testkit::transforms!(PostgresFixture);
