//! The conformance suite: what every connector must do, whatever its engine.
//!
//! Each area is a file of functions over `&dyn Fixture`. [`conformance!`](crate::conformance) makes one test of each;
//! [`all`] runs them one after another.

pub mod account;
pub mod effect;
pub mod fence;
pub mod lease;
pub mod locks;
pub mod log;
pub mod nulls;
pub mod poison;
pub mod predicate;
pub mod receipts;
pub mod rulebook;
pub mod runs;
pub mod sealed;
pub mod selection;
pub mod settle;
pub mod shapes;
pub mod sweeps;
pub mod transform;
pub mod walk;

/// Hands every area with its tests to the macro named first. The one list of them.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_areas {
    ($then:path; $($context:tt)*) => {
        $then! {
            $($context)*;
            lease {
                a_free_lease_has_one_taker
                only_holder_and_term_renew
                a_released_lease_is_free_at_once
                an_expired_lease_is_taken_under_the_next_term
                force_takes_a_living_lease
                instances_do_not_meet
            }
            fence {
                a_fence_never_falls
                a_stale_holder_changes_nothing
                a_stale_holder_writes_no_receipt
                a_takeover_and_a_batch_never_both_win
            }
            receipts {
                bytes_come_back_as_they_went_in
                a_sequence_has_one_writer
                pending_is_never_chosen_by_a_mark
                acknowledging_twice_changes_nothing
                pruning_keeps_the_newest_and_the_unacknowledged
                bodies_are_read_in_the_order_of_their_keys
                a_commit_leaves_its_cursor
                a_batch_that_changed_nothing_leaves_no_trace
            }
            runs {
                a_run_opens_and_closes_with_its_receipts
                a_stale_holder_opens_and_closes_no_run
                batches_of_a_run_are_its_batches_alone
            }
            rulebook {
                a_rule_comes_back_as_it_was_kept
                a_stale_holder_keeps_no_rule
            }
            log {
                a_log_begins_once_and_moves_by_compare_and_swap
                what_is_published_never_changes
                a_receipt_has_one_leaf
                files_of_the_log_are_kept
                copies_of_a_head_move_only_forward
                a_stale_holder_publishes_nothing
            }
            walk {
                more_ties_than_a_batch_holds
                ties_in_a_date
                a_lane_resumes_where_its_last_commit_left_it
                rows_that_cannot_go_do_not_stop_the_walk
                a_change_begun_ahead_counts_only_when_asked_for
            }
            nulls {
                null_is_due_only_where_the_rule_says_so
                null_in_a_predicate_deletes_nothing
            }
            predicate {
                equality_is_exact
                every_form_of_time_agrees_with_the_oracle
                zones_and_folds_agree_with_the_oracle
                plan_and_run_mean_the_same_rows
                looking_changes_nothing
            }
            selection {
                conditions_on_columns_agree_with_the_oracle
                conditions_inside_json_agree_with_the_oracle
                several_columns_agree_with_the_oracle
                activity_elsewhere_agrees_with_the_oracle
                what_others_keep_agrees_with_the_oracle
                native_conditions_stay_in_their_parentheses
            }
            account {
                rows_are_spread_and_stay_for_reasons
                a_row_is_judged_by_each_condition
                statements_are_explained_and_not_run
                tables_are_listed
            }
            locks {
                locked_rows_are_passed_and_counted
                a_locked_database_is_waited_for_and_left_alone
            }
            poison {
                one_row_with_a_child_stays_alone
                one_row_refused_by_a_trigger_stays_alone
                every_row_poisoned
            }
            effect {
                an_announced_cascade_is_counted
                references_that_are_set_are_counted
                children_that_must_stay_keep_their_parents
                an_unannounced_loss_rolls_back
                a_cancelled_delete_is_not_counted_as_done
                keys_of_changed_rows
            }
            sealed {
                seal_finish_and_unseal
                the_predicate_guards_the_change
                finishing_twice_is_safe
                an_adopted_seal_is_lost_to_its_holder
                a_stale_holder_seals_nothing
                a_sealed_sequence_has_one_writer
                picking_walks_ties_to_the_end
            }
            settle {
                a_committed_batch_is_present
                an_abandoned_batch_is_absent
            }
            transform {
                computed_values_are_written_once
                places_inside_json_are_written
                constants_are_written_exactly
                values_become_coarser_once
                a_marker_says_what_is_done
                unfit_rows_are_passed_and_counted
                values_that_the_table_refuses_cost_their_rows
                what_was_not_announced_rolls_back
                one_row_refused_by_a_trigger_stays_as_it_was
                locked_rows_are_left_for_later
                keys_of_written_rows
                every_row_is_walked_once
                floors_and_other_rules_keep_rows
                sealed_rows_are_written_once
            }
            shapes {
                rows_are_counted_by_how_they_look
                statements_hold_nothing_that_is_written
            }
            sweeps {
                texts_make_their_rows_due
                texts_inside_json_make_their_rows_due
                done_rows_are_read_page_by_page
                large_rows_are_read_few_at_a_time
            }
        }
    };
}

/// One test for every function of the suite, on the fixture that the expression makes.
///
/// ```text
/// forgetd_testkit::conformance!(PostgresFixture::new());
/// ```
#[macro_export]
macro_rules! conformance {
    ($fixture:expr) => {
        $crate::conformance_areas! { $crate::conformance_tests; $fixture }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($fixture:expr; $($area:ident { $($test:ident)+ })+) => {
        $(
            mod $area {
                #[allow(unused_imports, reason = "the fixture's expression may need nothing from outside")]
                use super::*;
                $(
                    #[tokio::test]
                    async fn $test() {
                        let fixture = $fixture;
                        if $crate::Fixture::is_there(&fixture) {
                            $crate::suite::$area::$test(&fixture).await;
                        }
                    }
                )+
            }
        )+
    };
}

macro_rules! run_all {
    ($fixture:expr; $($area:ident { $($test:ident)+ })+) => {
        $($( $area::$test($fixture).await; )+)+
    };
}

/// Runs the whole suite.
#[allow(clippy::too_many_lines, reason = "a list")]
pub async fn all(fixture: &dyn crate::Fixture) {
    conformance_areas! { run_all; fixture }
}
