//! The numbers of sessions that may hold the fence across turns, so that a successor can end those of a holder that is
//! frozen: the engine ends no transaction that lies idle.

use forgetd_connector::Fault;

use super::MyControl;
use crate::answer::{get, odd};
use crate::connect::{Ask, Held};
use crate::connector::{Known, Shared};
use crate::query::Sql;

/// The most sessions that are ended for one fence.
const ENDED_MAX: usize = 16;

impl Shared {
    /// Writes the session's number down before it first holds the fence from one turn to the next.
    pub(crate) async fn announce(&self, held: &mut Held) -> Result<(), Fault> {
        if *held.announced() {
            return Ok(());
        }
        let mut sql = Sql::default();
        let values = [
            sql.bind(self.link.context.instance.as_str()),
            sql.bind(held.variables().server().as_str()),
            sql.bind(held.id()),
        ];
        let text = format!(
            "insert into {} (instance, server, id, seen_at) values ({}, utc_timestamp(6)) \
             on duplicate key update seen_at = utc_timestamp(6)",
            self.names.table("session"),
            values.join(", ")
        );
        for answer in held.turn("announce session", &[Ask::Query(&sql.say(text))]).await? {
            answer.map_err(|error| self.control_fault(&error, "announce session"))?;
        }
        *held.announced() = true;
        Ok(())
    }
}

impl MyControl {
    /// Ends the instance's other sessions on this server, as far as they are still there and ours to end. One that was
    /// announced before the server started is gone, and its number may be anybody's.
    pub(super) async fn end_others(&self) -> Result<(), Fault> {
        let mut own = vec![];
        let mut held = self.shared.desk.take().await?;
        own.push(held.id());
        own.extend(self.shared.idle_ids());
        let server = held.variables().server();
        let answers = held.turn("find sessions", &[Ask::Say("show global status like 'Uptime'")]).await?;
        let answers =
            answers.into_iter().map(|answer| answer.map_err(|e| self.shared.control_fault(&e, "find sessions")));
        let answers = answers.collect::<Result<Vec<_>, _>>()?;
        let row = answers.first().and_then(|answer| answer.rows.first()).ok_or_else(|| odd(&self.place()))?;
        let uptime: u64 = get::<String>(row, 1, &self.place())?.parse().map_err(|_| odd(&self.place()))?;
        let mut sql = Sql::default();
        let (instance, bound) = (sql.bind(self.instance()), sql.bind(server.as_str()));
        // It is told in whole seconds.
        let uptime = sql.bind(uptime + 1);
        let text = format!(
            "select s.id from {} as s join information_schema.processlist as p on p.id = s.id \
             where s.instance = {instance} and s.server = {bound} and p.user = substring_index(user(), '@', 1) \
             and s.seen_at >= utc_timestamp(6) - interval {uptime} second \
             order by s.seen_at",
            self.table("session")
        );
        let answers = held.turn("find sessions", &[Ask::Query(&sql.say(text))]).await?;
        held.give_back();
        let mut ids = vec![];
        for answer in answers {
            let answer = answer.map_err(|error| self.shared.control_fault(&error, "find sessions"))?;
            for row in &answer.rows {
                ids.push(get::<u64>(row, 0, &self.place())?);
            }
        }
        for id in ids.into_iter().filter(|id| !own.contains(id)).take(ENDED_MAX) {
            self.shared.link.end(&Known { server: server.clone(), id }).await?;
        }
        Ok(())
    }

    /// The statement that forgets sessions which are gone from this server.
    pub(super) fn forget_sessions(&self, server: &str) -> Sql {
        let mut sql = Sql::default();
        let (instance, server) = (sql.bind(self.instance()), sql.bind(server));
        let text = format!(
            "delete from {} where instance = {instance} and server = {server} \
             and id not in (select p.id from information_schema.processlist as p)",
            self.table("session")
        );
        sql.say(text)
    }
}
