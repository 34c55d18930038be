create table web_session (
  id uuid primary key default gen_random_uuid(),
  last_seen_at timestamptz not null
);
create index on web_session (last_seen_at);

create table lead (
  id bigint generated always as identity primary key,
  email text not null,
  status text not null, -- open, won, lost
  closed_on date -- null while it is open
);
create index on lead (closed_on);

create table call (
  id bigint generated always as identity primary key,
  lead_id bigint not null references lead (id) on delete cascade,
  started_at timestamptz not null
);
create index on call (lead_id);
create index on call (started_at);

create table cart (
  id bigint generated always as identity primary key,
  ordered boolean not null,
  updated_at timestamptz not null
);
create index on cart (updated_at);

create table customer (
  id bigint generated always as identity primary key,
  email varchar(100) not null unique,
  full_name text,
  birth_date date,
  last_order_at timestamptz not null
);
create index on customer (last_order_at);

insert into web_session (last_seen_at)
select now() - make_interval(days => i % 40) from generate_series(1, 400) i;

insert into lead (email, status, closed_on)
select 'person-' || i || '@example.com',
       case i % 3 when 0 then 'open' when 1 then 'won' else 'lost' end,
       case when i % 3 > 0 then current_date - i end
from generate_series(1, 200) i;

insert into call (lead_id, started_at)
select id, now() - make_interval(days => id::int % 190) from lead;

insert into customer (email, full_name, birth_date, last_order_at)
select 'customer-' || i || '@example.com', 'Customer ' || i, date '1960-01-01' + i, now() - make_interval(days => 10 * i)
from generate_series(1, 200) i;

insert into cart (ordered, updated_at)
select i % 2 = 0, now() - make_interval(days => i) from generate_series(1, 200) i;
