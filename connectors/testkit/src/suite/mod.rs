//! The conformance suite: what every connector must do, whatever its engine.
//!
//! Each area is a file of functions over `&dyn Fixture`. [`conformance!`](crate::conformance) makes one test of each, and
//! [`conformance_of_documents!`](crate::conformance_of_documents) of those that need no table.

pub mod account;
pub mod bulk;
pub mod divide;
pub mod effect;
pub mod fence;
pub mod held;
pub mod lease;
pub mod locks;
pub mod log;
pub mod nulls;
pub mod poison;
pub mod predicate;
pub mod receipts;
pub mod requests;
pub mod rulebook;
pub mod runs;
pub mod sealed;
pub mod selection;
pub mod settle;
pub mod shapes;
pub mod standings;
pub mod strain;
pub mod sweeps;
pub mod transform;
pub mod walk;

/// Hands every area with its tests to the macro named first. The one list of them, by what they need of an engine: nothing in
/// particular; a lane that commits rows and receipt in one; foreign keys, triggers, constraints or locks of rows.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_areas {
    ($then:path; $($context:tt)*) => {
        $then! {
            $($context)*;
            lease {
                every {
                    a_free_lease_has_one_taker
                    only_holder_and_term_renew
                    a_released_lease_is_free_at_once
                    an_expired_lease_is_taken_under_the_next_term
                    force_takes_a_living_lease
                    instances_do_not_meet
                }
            }
            fence {
                every {
                    a_fence_never_falls
                    a_stale_holder_writes_no_receipt
                }
                atomic {
                    a_stale_holder_changes_nothing
                    a_takeover_and_a_batch_never_both_win
                }
            }
            receipts {
                every {
                    bytes_come_back_as_they_went_in
                    a_sequence_has_one_writer
                    pending_is_never_chosen_by_a_mark
                    acknowledging_twice_changes_nothing
                    pruning_keeps_the_newest_and_the_unacknowledged
                    bodies_are_read_in_the_order_of_their_keys
                }
                atomic {
                    a_commit_leaves_its_cursor
                    a_batch_that_changed_nothing_leaves_no_trace
                }
            }
            runs {
                every {
                    a_run_opens_and_closes_with_its_receipts
                    a_stale_holder_opens_and_closes_no_run
                    batches_of_a_run_are_its_batches_alone
                }
            }
            rulebook {
                every {
                    a_rule_comes_back_as_it_was_kept
                    a_stale_holder_keeps_no_rule
                }
            }
            standings {
                every {
                    standings_come_back_as_they_were_kept
                    a_stale_holder_keeps_and_drops_no_standing
                }
            }
            strain {
                every {
                    a_sign_of_life_is_seen_where_it_was_written
                    an_operators_statement_says_yes_or_no
                    whoever_else_is_at_work_is_seen
                    whoever_waits_for_a_row_of_ours_is_counted
                }
            }
            requests {
                every {
                    a_request_is_posted_once
                    a_request_is_answered_once
                    the_oldest_request_comes_first
                    only_so_many_requests_wait
                    a_stale_holder_answers_no_request
                    what_nobody_needs_any_more_is_forgotten
                }
            }
            log {
                every {
                    a_log_begins_once_and_moves_by_compare_and_swap
                    what_is_published_never_changes
                    a_receipt_has_one_leaf
                    files_of_the_log_are_kept
                    copies_of_a_head_move_only_forward
                    a_stale_holder_publishes_nothing
                }
            }
            walk {
                every {
                    more_ties_than_a_batch_holds
                    ties_in_a_date
                    rows_that_cannot_go_do_not_stop_the_walk
                }
                atomic {
                    a_lane_resumes_where_its_last_commit_left_it
                    a_change_begun_ahead_counts_only_when_asked_for
                }
            }
            divide {
                atomic {
                    two_lanes_share_a_table_and_no_row
                    two_lanes_share_a_table_without_an_index
                    the_first_lane_leaves_what_is_the_seconds
                    a_lane_beyond_its_end_has_nothing_left
                    a_lane_by_row_id_beyond_its_end_has_nothing_left
                    what_two_lanes_cannot_share_is_not_divided
                }
            }
            nulls {
                every {
                    null_is_due_only_where_the_rule_says_so
                    null_in_a_predicate_deletes_nothing
                }
            }
            predicate {
                every {
                    equality_is_exact
                    every_form_of_time_agrees_with_the_oracle
                    zones_and_folds_agree_with_the_oracle
                    plan_and_run_mean_the_same_rows
                    looking_changes_nothing
                }
            }
            selection {
                every {
                    conditions_on_columns_agree_with_the_oracle
                    conditions_inside_json_agree_with_the_oracle
                    several_columns_agree_with_the_oracle
                    activity_elsewhere_agrees_with_the_oracle
                    what_others_keep_agrees_with_the_oracle
                    native_conditions_stay_in_their_parentheses
                }
            }
            account {
                every {
                    rows_are_spread_and_stay_for_reasons
                    a_row_is_judged_by_each_condition
                    statements_are_explained_and_not_run
                    tables_are_listed
                }
            }
            locks {
                tables {
                    locked_rows_are_passed_and_counted
                    a_locked_database_is_waited_for_and_left_alone
                }
            }
            poison {
                tables {
                    one_row_with_a_child_stays_alone
                    one_row_refused_by_a_trigger_stays_alone
                    every_row_poisoned
                }
            }
            effect {
                atomic {
                    keys_of_changed_rows
                }
                tables {
                    an_announced_cascade_is_counted
                    references_that_are_set_are_counted
                    children_that_must_stay_keep_their_parents
                    an_unannounced_loss_rolls_back
                    a_cancelled_delete_is_not_counted_as_done
                }
            }
            held {
                tables {
                    what_a_kept_row_references_stays
                    one_rule_that_keeps_is_enough
                    what_is_held_is_said
                    a_sealed_batch_leaves_what_is_held_by_then
                    a_batch_begun_ahead_leaves_what_is_held_by_then
                }
            }
            sealed {
                every {
                    seal_finish_and_unseal
                    the_predicate_guards_the_change
                    finishing_twice_is_safe
                    an_adopted_seal_is_lost_to_its_holder
                    a_stale_holder_seals_nothing
                    a_sealed_sequence_has_one_writer
                    picking_walks_ties_to_the_end
                    nothing_is_changed_behind_the_deadline
                }
            }
            settle {
                every {
                    anothers_receipt_in_our_place_is_not_ours
                }
                atomic {
                    a_committed_batch_is_present
                    an_abandoned_batch_is_absent
                }
            }
            transform {
                every {
                    computed_values_are_written_once
                    places_inside_json_are_written
                    constants_are_written_exactly
                    values_become_coarser_once
                    a_marker_says_what_is_done
                    every_row_is_walked_once
                    floors_and_other_rules_keep_rows
                    sealed_rows_are_written_once
                }
                atomic {
                    unfit_rows_are_passed_and_counted
                    keys_of_written_rows
                }
                tables {
                    values_that_the_table_refuses_cost_their_rows
                    what_was_not_announced_rolls_back
                    one_row_refused_by_a_trigger_stays_as_it_was
                    locked_rows_are_left_for_later
                }
            }
            bulk {
                every {
                    wide_rows_are_written_few_at_a_time
                    wide_rows_of_a_seal_are_written_few_at_a_time
                }
                tables {
                    a_row_too_large_is_passed_and_counted
                }
            }
            shapes {
                every {
                    rows_are_counted_by_how_they_look
                    statements_hold_nothing_that_is_written
                }
            }
            sweeps {
                every {
                    texts_make_their_rows_due
                    texts_inside_json_make_their_rows_due
                    done_rows_are_read_page_by_page
                    large_rows_are_read_few_at_a_time
                }
            }
        }
    };
}

/// One test for every function of the suite, on the fixture of an engine of tables that the expression makes.
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

/// The same on the fixture of an engine of documents: the functions that need no table, and no lane that commits rows and
/// receipt in one.
#[macro_export]
macro_rules! conformance_of_documents {
    ($fixture:expr) => {
        $crate::conformance_areas! { $crate::conformance_tests_of_documents; $fixture }

        #[test]
        fn only_an_engine_of_documents_leaves_the_rest_out() {
            assert_eq!($crate::Fixture::keeps(&$fixture), $crate::Keeps::Documents);
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($fixture:expr; $($area:ident { $($need:ident { $($test:ident)+ })+ })+) => {
        $(
            mod $area {
                #[allow(unused_imports, reason = "the fixture's expression may need nothing from outside")]
                use super::*;
                $( $crate::conformance_group! { every; $fixture; $area $($test)+ } )+
            }
        )+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests_of_documents {
    ($fixture:expr; $($area:ident { $($need:ident { $($test:ident)+ })+ })+) => {
        $(
            mod $area {
                #[allow(unused_imports, reason = "not every area has something for documents")]
                use super::*;
                $( $crate::conformance_group! { $need; $fixture; $area $($test)+ } )+
            }
        )+
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! conformance_group {
    (every; $fixture:expr; $area:ident $($test:ident)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                let fixture = $fixture;
                if $crate::Fixture::is_there(&fixture) {
                    $crate::suite::$area::$test(&fixture).await;
                }
            }
        )+
    };
    (atomic; $($rest:tt)*) => {};
    (tables; $($rest:tt)*) => {};
}
