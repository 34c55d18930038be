//! The table: 180 bytes of row and three indexes beside its key.

/// Whether rows that are due lie together, in order of the primary key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Clustered,
    Scattered,
}

/// A table of 180 bytes a row and three more indexes; of `rows` rows this share is due.
pub(crate) fn fill(table: &str, rows: u64, due: f64, layout: Layout) -> Vec<String> {
    // Whole seconds: a fraction of a day would be rounded away.
    let seconds = (30.0 * 86_400.0 / (1.0 - due)).round();
    let place = match layout {
        Layout::Clustered => "n".to_owned(),
        // A prime: every place once, in no order.
        Layout::Scattered => format!("((n * 7919) % {rows})"),
    };
    // The numbers below a million, joined with themselves as often as it takes.
    let digits = "(select 0 d union all select 1 union all select 2 union all select 3 union all select 4 union all \
                  select 5 union all select 6 union all select 7 union all select 8 union all select 9)";
    let numbers: Vec<String> = (0..8).map(|n| format!("{digits} d{n}")).collect();
    let sum: Vec<String> = (0..8).map(|n| format!("d{n}.d * {}", 10_u64.pow(n))).collect();
    vec![
        format!(
            "create table {table} (id bigint not null primary key, at datetime(6) not null, account_id int not null, \
             email varchar(120) not null, name varchar(80) not null, phone varchar(64) not null, payload varchar(200) not null)"
        ),
        format!(
            "insert into {table} select n, now(6) - interval {seconds} second + interval ({place} / {rows} * {seconds}) second, \
             crc32(n) & 65535, concat(substr(sha2(n, 256), 1, 12), n, '@example.com'), concat('Name ', substr(sha2(n + 7, 256), 1, 10)), \
             concat('+1555', lpad(n % 10000000, 7, '0')), sha2(n * 3, 256) \
             from (select 1 + {} as n from {}) as numbers where n <= {rows} order by n",
            sum.join(" + "),
            numbers.join(", "),
        ),
        format!(
            "alter table {table} add unique index {table}_email (email), add index {table}_at (at), \
             add index {table}_account (account_id)"
        ),
        format!("analyze table {table}"),
    ]
}
