//! What every session of ours is set to when it is made, so that nothing in a server's or an account's configuration can
//! change what a statement means.
//!
//! These are variables of the session: the engine has no way to set most of them for one transaction. Poolers for this
//! protocol know them and keep such a session for its client, or put them back. What a transaction can be given, it is
//! given: see [`BEGIN`].

/// Strict, so that a value that does not fit is refused and never bent; and without the modes that give quotes,
/// operators, dates or empty texts another meaning.
const SQL_MODE: &str = "STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION";

/// How every transaction begins: two statements.
pub(crate) const BEGIN: &str = "set transaction isolation level read committed, read write; start transaction";

/// How many statements [`BEGIN`] is.
pub(crate) const BEGIN_STATEMENTS: usize = 2;

/// A comment that MariaDB reads. It keeps what a subquery answered for one row, and gives it to every row whose columns it
/// takes for equal: by their collation, for which case or blanks may make no difference. And its server may be set to
/// check no CHECK constraint.
const MARIADB: &str = "/*M! , optimizer_switch = 'subquery_cache=off', check_constraint_checks = 1 */";

/// The statement that sets a session up. Row locks are waited for in whole seconds; locks of whole tables longer, because
/// a read that waits for one holds up nothing. Nothing is set to its default: that is what the server's configuration says.
pub(crate) fn statement() -> String {
    format!(
        "set names utf8mb4 collate utf8mb4_bin, session sql_mode = '{SQL_MODE}', time_zone = '+00:00', autocommit = 1, \
         completion_type = 0, innodb_lock_wait_timeout = 1, lock_wait_timeout = 2, foreign_key_checks = 1, \
         unique_checks = 1, sql_safe_updates = 0, sql_select_limit = 18446744073709551615, sql_auto_is_null = 0, \
         sql_big_selects = 1, lc_time_names = 'en_US', div_precision_increment = 4, \
         group_concat_max_len = 1073741824 {MARIADB}"
    )
}

#[cfg(test)]
mod tests {
    use super::statement;

    #[test]
    fn what_one_product_has_is_a_comment_to_the_other() {
        let statement = statement();
        let (both, one) = statement.split_once("/*M!").unwrap();
        assert!(one.contains("check_constraint_checks = 1") && one.ends_with("*/") && !both.contains("check_"));
    }
}
