//! The statements of a batch: one packet from BEGIN to the lookup of the next span. Where rows are judged after they were
//! locked, it ends with the locks; where new values are computed here, or what is written has to be looked at, with the
//! rows as they were read.

use forgetd_connector::{Compare, LockWait, Order};

use super::Atomic;
use super::effect::handled;
use super::packet::{About, Packet, Part};
use crate::query::{Carrier, Due, Guard, Query, RowsToWrite, Sql};
use crate::walk::Planned;

impl Atomic {
    /// Turn 1 of an order and its span.
    pub(super) fn turn(&self, order: &Order, planned: &Planned) -> Packet {
        let mut packet = Packet::default();
        packet.push(Part::Begin, Sql::default());
        packet.push(Part::Fence, self.shared.fence(self.claim.term));
        if self.reaches(order) {
            self.turn_reach(order, planned, &mut packet);
            return packet;
        }
        packet.push(Part::Gather, self.query.gather(&planned.span, order.rows_max));
        if self.in_one(order) {
            self.counted(order, &mut packet, |packet| {
                packet.push(Part::Change, self.query.delete_free(order.locks));
            });
            self.exit(order, planned, &mut packet);
            return packet;
        }
        let at_once = !self.query.looks_elsewhere() && !self.query.weighs(order.rows_max.into());
        if self.reads(order) && at_once {
            packet.push(Part::Read, self.query.read_locked(order.locks));
            packet.push(Part::Carried, Query::carried_rows(&[Carrier::Due]));
            return packet;
        }
        packet.push(Part::Lock, self.query.lock(order.locks));
        if self.query.looks_elsewhere() {
            packet.push(Part::Carried, Query::carried_rows(&[Carrier::Due, Carrier::Held]));
        } else {
            self.proceed(order, planned, &mut packet);
        }
        packet
    }

    /// The rest of turn 1 where the rows are taken as one range.
    fn turn_reach(&self, order: &Order, planned: &Planned, packet: &mut Packet) {
        packet.push(Part::Gather, self.query.gather_reach(&planned.span, order.rows_max));
        if let Some(lock) = self.query.lock_reach(&planned.span) {
            packet.push(Part::Lock, lock);
        }
        for delete in self.query.delete_reach(&planned.span) {
            packet.push(Part::Change, delete);
        }
        packet.push(Part::Reached, Query::reached());
        if let Some(ahead) = self.walker.ahead(planned) {
            packet.push(Part::Ahead, ahead);
        }
    }

    /// The packet of a batch whose rows were locked: they are judged again, when the batch is asked for and not before.
    pub(super) fn judge_turn(&self, order: &Order, planned: &Planned) -> Packet {
        let mut packet = Packet::default();
        packet.push(Part::Judge, self.query.judge_held());
        self.proceed(order, planned, &mut packet);
        packet
    }

    /// What is done with the chosen rows: they are changed, or read.
    fn proceed(&self, order: &Order, planned: &Planned, packet: &mut Packet) {
        let chosen = self.query.chosen();
        if self.reads(order) {
            packet.push_read(&self.query, chosen, Due::Locked, order.rows_max.into());
            packet.push(Part::Carried, self.carried_all());
            return;
        }
        if order.want_keys {
            packet.push(Part::Keys, self.query.keys_carried(chosen));
        }
        self.counted(order, packet, |packet| self.change_chosen(packet));
        self.exit(order, planned, packet);
    }

    /// The packet of a batch whose rows were read.
    pub(super) fn write_turn(&self, order: &Order, planned: &Planned, rows: RowsToWrite) -> Packet {
        let mut packet = Packet::default();
        packet.push(Part::Still, Sql::default());
        if !rows.is_empty() {
            let beside = rows.beside();
            packet.push(Part::Gather, rows.carry());
            packet.push_follow(self.query.follow_rows(beside, &self.survey.indexes));
            let write = self.query.write_rows(beside, Guard::Locked, &self.survey.clocked);
            self.counted(order, &mut packet, |packet| packet.push(Part::Change, write));
            if self.checks(order) {
                packet.push(Part::Check, self.query.check_rows(beside));
            }
        }
        self.exit(order, planned, &mut packet);
        packet
    }

    /// Reads the session's counters right before and right behind what `change` adds, where they are compared: a statement
    /// that only looks can count as well, for tables that the engine makes for itself.
    fn counted(&self, order: &Order, packet: &mut Packet, change: impl FnOnce(&mut Packet)) {
        if self.checks(order) {
            packet.push(Part::Before, handled());
        }
        change(packet);
        if self.checks(order) {
            packet.push(Part::After, handled());
        }
    }

    fn change_chosen(&self, packet: &mut Packet) {
        let chosen = self.query.chosen();
        if let Some(write) = self.query.write_carried(chosen, &self.survey.clocked) {
            packet.push_follow(self.query.follow_carried(chosen, &self.survey.indexes));
            packet.push(Part::Change, write);
            return;
        }
        packet.push_delete(&self.query, &self.survey.indexes);
    }

    fn exit(&self, order: &Order, planned: &Planned, packet: &mut Packet) {
        if order.locks == LockWait::Skip || self.checks(order) {
            packet.push(Part::Left, self.query.due_carried(Carrier::Due));
        }
        if !self.reads(order) {
            let simple = self.in_one(order);
            packet.push(Part::Carried, if simple { Query::carried_rows(&[Carrier::Due]) } else { self.carried_all() });
        }
        if let Some(ahead) = self.walker.ahead(planned) {
            packet.push(Part::Ahead, ahead);
        }
    }

    fn carried_all(&self) -> Sql {
        Query::carried_rows(&[Carrier::Due, self.query.chosen()])
    }

    /// Whether locking and deleting are one statement: nothing has to be known of the rows in between.
    fn in_one(&self, order: &Order) -> bool {
        let query = &self.query;
        !query.rewrites() && !query.looks_elsewhere() && !query.takes_along() && !order.want_keys
    }

    /// Whether the rows are taken as one range, if they are neighbours: where nothing else is asked of them.
    fn reaches(&self, order: &Order) -> bool {
        let may = self.reach.takes() && !self.walker.turned();
        may && self.in_one(order) && !self.checks(order) && order.locks == LockWait::Wait
    }

    /// Whether rows are read before they are written.
    pub(super) fn reads(&self, order: &Order) -> bool {
        self.query.rewrites() && (!self.query.computed().is_empty() || self.checks(order))
    }

    /// Whether what was done is looked at once more, and the session's counters are compared: always where something of the table's own may do more, and else from
    /// time to time, for the role may not see its triggers.
    pub(super) fn checks(&self, order: &Order) -> bool {
        self.survey.watched || order.compare == Compare::All
    }

    pub(super) fn about(&self, order: &Order) -> About<'_> {
        About {
            shared: &self.shared,
            place: &self.place,
            own: &self.step.table.name,
            locks: order.locks,
            rows_max: order.rows_max,
            rewrites: self.query.rewrites(),
        }
    }
}
