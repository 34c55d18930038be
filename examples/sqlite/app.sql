create table sign_in (
  id integer primary key,
  account text not null,
  day text not null -- 2026-01-31
);
create index sign_in_day on sign_in (day);

create table upload (
  id integer primary key,
  state text not null, -- waiting, done, failed
  created_at integer not null -- seconds since 1970
);
create index upload_created_at on upload (created_at);

create table note (
  id integer primary key,
  body text not null,
  deleted_at text -- 2026-01-31T12:00:00Z; null while it is alive
);
create index note_deleted_at on note (deleted_at);

with recursive n (i) as (select 1 union all select i + 1 from n where i < 200)
insert into sign_in (account, day) select 'account-' || (i % 7), date('now', '-' || i || ' days') from n;

with recursive n (i) as (select 1 union all select i + 1 from n where i < 200)
insert into upload (state, created_at)
select case i % 3 when 0 then 'waiting' when 1 then 'done' else 'failed' end, unixepoch('now', '-' || i || ' days') from n;

with recursive n (i) as (select 1 union all select i + 1 from n where i < 200)
insert into note (body, deleted_at)
select 'note ' || i, case i % 2 when 0 then strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-' || (2 * i) || ' days') end from n;
