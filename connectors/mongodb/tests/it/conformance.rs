//! What every connector must show: the areas that need no collection of the application.

use crate::fixture::MongoFixture;

forgetd_testkit::conformance_tests! {
    MongoFixture;
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
    }
    runs {
        every {
            a_stale_holder_opens_and_closes_no_run
        }
    }
    rulebook {
        every {
            a_rule_comes_back_as_it_was_kept
            a_stale_holder_keeps_no_rule
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
}
