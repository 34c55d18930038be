-- Another application's database; its people type their addresses as they like.
create table recipient (id integer primary key, email text not null, last_letter_on date not null);
create index recipient_last_letter_on on recipient (last_letter_on);
insert into recipient with recursive n (n) as (select 1 union all select n + 1 from n where n < 200)
select n, ' reader' || n || '@example.com', date('now', '-' || iif(n > 50, 800, 100) || ' days') from n;
