//! `{"keep_for": "30d", "since": .., "when_null": .., "where": .., "native": ..}`.

use forgetd_connector::{Joined, Latest, Predicate, Since, SinceColumn, TableRef, WhenNull};
use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use super::{Read, condition, each, member, optional, text, wrong};
use crate::generator::RuleSpec;
use crate::oracle::Native;

pub(super) fn write(rule: &RuleSpec) -> Json {
    json!({
        "keep_for": rule.keep_for,
        "since": match &rule.since {
            Since::Column(since) => column(since),
            Since::Greatest(all) => json!({ "greatest": all.iter().map(column).collect::<Vec<_>>() }),
            Since::Latest(latest) => json!({
                "latest": {
                    "table": latest.table.name,
                    "at": column(&latest.at),
                    "on": latest.on.iter().map(|on| json!([on.other, on.own])).collect::<Vec<_>>(),
                },
                "or": latest.or.as_ref().map(column),
            }),
        },
        "when_null": rule.when_null.as_ref().map(|when_null| match when_null {
            WhenNull::Keep => json!("keep"),
            WhenNull::Delete => json!("delete"),
            WhenNull::Use(column) => json!({ "use": column }),
        }),
        "where": condition::write(&rule.predicate),
        "native": rule.native.map(Native::text),
    })
}

fn column(since: &SinceColumn) -> Json {
    match &since.zone {
        Some(zone) => json!({ "column": since.column, "zone": zone.iana_name() }),
        None => json!(since.column),
    }
}

pub(super) fn read(json: &Json) -> Read<RuleSpec> {
    let since = member(json, "since")?;
    let native = match optional(json, "native") {
        Some(native) => {
            let known = native.as_str().and_then(Native::called);
            Some(known.ok_or_else(|| wrong("native condition that the oracle knows", native))?)
        }
        None => None,
    };
    Ok(RuleSpec {
        keep_for: text(json, "keep_for")?.into(),
        since: self::since(since)?,
        when_null: optional(json, "when_null").map(when_null).transpose()?,
        predicate: optional(json, "where").map_or(Ok(Predicate::always()), condition::read)?,
        native,
    })
}

fn since(json: &Json) -> Read<Since> {
    if let Some(all) = optional(json, "greatest") {
        return Ok(Since::Greatest(each(all, moment)?));
    }
    let Some(latest) = optional(json, "latest") else { return Ok(Since::Column(moment(json)?)) };
    let joined = |pair: &Json| {
        let name = |n: usize| pair.get(n).and_then(Json::as_str).map(str::to_owned);
        match (name(0), name(1)) {
            (Some(other), Some(own)) => Ok(Joined { other, own }),
            _ => Err(wrong("pair of columns", pair)),
        }
    };
    Ok(Since::Latest(Box::new(Latest {
        table: TableRef { schema: None, name: text(latest, "table")?.into() },
        at: moment(member(latest, "at")?)?,
        on: each(member(latest, "on")?, joined)?,
        or: optional(json, "or").map(moment).transpose()?,
    })))
}

fn moment(json: &Json) -> Read<SinceColumn> {
    if let Some(column) = json.as_str() {
        return Ok(SinceColumn { column: column.into(), zone: None, form: None });
    }
    let zone = TimeZone::get(text(json, "zone")?).map_err(|_| wrong("zone", json))?;
    Ok(SinceColumn { column: text(json, "column")?.into(), zone: Some(zone), form: None })
}

fn when_null(json: &Json) -> Read<WhenNull> {
    match json.as_str() {
        Some("keep") => Ok(WhenNull::Keep),
        Some("delete") => Ok(WhenNull::Delete),
        _ => Ok(WhenNull::Use(text(json, "use")?.into())),
    }
}
