-- A small CRM with invented people. Ages are in whole days before today and keep three days away from every cutoff of
-- the demo's policy, so that what is due does not change between two runs on one day.
create table lead (
    id integer primary key,
    full_name text not null,
    email text not null,
    status text not null,
    closed_at datetime
);
create table call (
    id integer primary key,
    lead_id integer not null references lead (id) on delete cascade,
    started_at datetime not null,
    notes text
);
create table message (
    id integer primary key,
    sender text not null,
    sent_at datetime not null,
    body text not null
);
create table web_session (
    token text primary key not null,
    last_seen_on date not null
) without rowid;
create table customer (
    id integer primary key,
    email text not null unique,
    full_name text,
    phone text,
    birth_date date,
    country text not null,
    signed_up_on date not null
);
create table "order" (
    id integer primary key,
    customer_id integer not null references customer (id),
    placed_at datetime not null,
    country text not null,
    total_cents integer not null
);

create temp table n as
with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 40000)
select n from numbers;

-- Closed leads are due after 180 days, open ones never.
insert into lead
select n, 'Lead ' || n, 'lead' || n || '@example.com',
       case n % 3 when 0 then 'open' else 'closed' end,
       case when n % 3 = 0 then null
            else datetime('now', 'start of day', '+12 hours', '-' || (n % 400 + iif(abs(n % 400 - 180) <= 3, 10, 0)) || ' days')
       end
from temp.n where n <= 12000;

-- Two calls a lead; they go with their lead, and by themselves after 90 days.
insert into call
select n, (n - 1) / 2 + 1,
       datetime('now', 'start of day', '+9 hours', '-' || (n % 500 + iif(abs(n % 500 - 90) <= 3, 10, 0)) || ' days'),
       'talked about offer ' || n
from temp.n where n <= 24000;

-- Messages are due after 90 days.
insert into message
select n, 'lead' || (n % 12000 + 1) || '@example.com',
       datetime('now', 'start of day', '+15 hours', '-' || (n % 300 + iif(abs(n % 300 - 90) <= 3, 10, 0)) || ' days'),
       'Hello, this is message ' || n
from temp.n where n <= 20000;

-- Sessions are due after 30 days; a DATE column holds many rows a day.
insert into web_session
select 's' || n, date('now', '-' || (n % 60 + iif(abs(n % 60 - 30) <= 3, 10, 0)) || ' days')
from temp.n where n <= 15000;

-- Customers; one in five never ordered anything and signed up long ago.
insert into customer
select n, 'Customer' || n || '@Example.com', 'Customer ' || n, '+46 70 ' || (1000000 + n),
       date('now', '-' || (8000 + n) || ' days'), substr('SEDEFRPLIT', 2 * (n % 5) + 1, 2), date('now', '-2000 days')
from temp.n where n <= 3000;

-- Orders must be kept for ten years: the rule observes and finds nothing. A customer's orders are of about the same age; after three
-- years without one the customer's name goes, and the sales stay as they are.
insert into "order"
select o.n, c.id,
       datetime('now', 'start of day', '+10 hours', '-' || (c.id % 1500 + o.n % 3 + iif(abs(c.id % 1500 - 1095) <= 6, 20, 0)) || ' days'),
       c.country, o.n % 90000 + 500
from temp.n o join customer c on c.id = o.n % 3000 + 1 where o.n <= 9000 and c.id % 5 <> 0;

drop table temp.n;
create index lead_closed_at on lead (closed_at);
create index call_lead_id on call (lead_id);
create index call_started_at on call (started_at);
create index message_sent_at on message (sent_at);
create index order_customer_id on "order" (customer_id, placed_at);
create index web_session_last_seen_on on web_session (last_seen_on);
analyze;
