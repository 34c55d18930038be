-- Another application's database, in which some of the CRM's customers are subscribers. They write their addresses as they like.
create table subscriber (
    id integer primary key,
    email text not null unique,
    last_opened_at datetime not null
);

with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 2000)
insert into subscriber
select n, 'customer' || n || '@example.com',
       datetime('now', 'start of day', '+8 hours', '-' || (n % 1400 + iif(abs(n % 1400 - 730) <= 3, 10, 0)) || ' days')
from numbers;
create index subscriber_last_opened_at on subscriber (last_opened_at);
analyze;
