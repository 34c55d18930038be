create table prospect (id integer primary key, email text not null, asked_on date not null);
create index prospect_asked_on on prospect (asked_on);
create table reader (
    id integer primary key,
    email text not null unique,
    full_name text,
    phone text,
    birth_date date,
    postcode text,
    country text not null,
    data text, -- JSON
    registered_on date not null,
    forgotten_at timestamp
);
create table sale (
    id integer primary key,
    reader_id integer not null references reader (id),
    sold_on date not null,
    country text not null,
    cents integer not null
);
create index sale_reader_id on sale (reader_id, sold_on);

insert into prospect with recursive n (n) as (select 1 union all select n + 1 from n where n < 100)
select n, 'prospect' || n || '@example.com', date('now', '-' || (n * 4) || ' days') from n;
insert into reader with recursive n (n) as (select 1 union all select n + 1 from n where n < 200)
select n, 'Reader' || n || '@Example.com', 'Reader ' || n, '+46 70-555 ' || (1000 + n), date('now', '-' || (9000 + n) || ' days'),
       (10000 + n) || '', substr('SENODK', 2 * (n % 3) + 1, 2),
       json_object('addresses', json_array(json_object('street', n || ' Main Street', 'city', 'Uppsala'))), date('now', '-2500 days'), null
from n;
-- The first hundred bought something lately, the others long ago or never.
insert into sale with recursive n (n) as (select 1 union all select n + 1 from n where n < 400)
select n, n % 180 + 1, date('now', '-' || iif(n % 180 < 100, 30 + n, 1500 + n) || ' days'),
       substr('SENODK', 2 * ((n % 180 + 1) % 3) + 1, 2), 100 * n from n;
