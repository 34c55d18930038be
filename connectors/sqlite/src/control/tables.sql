create table if not exists `{prefix}_control` (
  id integer primary key check (id = 1),
  version integer not null,
  generation text not null
) strict;

create table if not exists `{prefix}_lease` (
  instance text primary key not null,
  holder text not null,
  term integer not null,
  expires_at_ms integer not null
) strict;

create table if not exists `{prefix}_fence` (
  instance text primary key not null,
  term integer not null
) strict;

create table if not exists `{prefix}_receipt` (
  instance text not null,
  generation text not null,
  rule text not null,
  lane text not null,
  sequence integer not null,
  run text not null,
  term integer not null,
  state text not null check (state in ('sealed', 'done')),
  body blob not null,
  mac blob not null check (length(mac) = 32),
  commitments blob,
  sealed_keys text,
  sealed_cursor text,
  leaf_index integer,
  written_at_ms integer not null,
  acked_at_ms integer,
  primary key (instance, generation, rule, lane, sequence)
) strict;

create index if not exists `{prefix}_receipt_pending` on `{prefix}_receipt` (instance, generation, rule, lane, sequence)
  where leaf_index is null and state = 'done';

create index if not exists `{prefix}_receipt_run` on `{prefix}_receipt` (instance, run);

create table if not exists `{prefix}_cursor` (
  instance text not null,
  rule text not null,
  lane text not null,
  generation text not null,
  sequence integer not null,
  position text not null,
  primary key (instance, rule, lane, generation, sequence)
) strict;

create table if not exists `{prefix}_run` (
  instance text not null,
  run text not null,
  rule text not null,
  cutoff text not null,
  rule_digest text not null,
  catalog_digest text not null,
  started_at text not null,
  result text,
  primary key (instance, run)
) strict;

create table if not exists `{prefix}_rulebook` (
  instance text not null,
  rule text not null,
  approved_digest text,
  definition text,
  catalog_digest text,
  how text,
  who text,
  reason text,
  approved_at text,
  pending_digest text,
  pending_since text,
  once text,
  last_cutoff text,
  last_at text,
  recent text not null,
  primary key (instance, rule)
) strict;

create table if not exists `{prefix}_standing` (
  instance text not null,
  rule text not null,
  body text not null,
  primary key (instance, rule)
) strict;

create table if not exists `{prefix}_request` (
  instance text not null,
  id text not null,
  body text not null,
  state text not null check (state in ('open', 'taken', 'done')),
  answer text not null,
  posted_at_ms integer not null,
  primary key (instance, id)
) strict;

create index if not exists `{prefix}_request_open` on `{prefix}_request` (instance, posted_at_ms, id)
  where state <> 'done';

create table if not exists `{prefix}_log_head` (
  origin text primary key not null,
  size integer not null,
  root blob not null check (length(root) = 32)
) strict;

create table if not exists `{prefix}_log_object` (
  origin text not null,
  path text not null,
  bytes blob not null,
  primary key (origin, path)
) strict;

create table if not exists `{prefix}_log_leaf` (
  instance text not null,
  generation text not null,
  rule text not null,
  lane text not null,
  sequence integer not null,
  leaf_index integer not null,
  hash blob not null check (length(hash) = 32),
  primary key (instance, generation, rule, lane, sequence)
) strict;

create table if not exists `{prefix}_head_copy` (
  origin text primary key not null,
  size integer not null,
  root blob not null check (length(root) = 32)
) strict;
