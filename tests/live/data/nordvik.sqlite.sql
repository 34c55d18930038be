-- Nordvik Marine Supply as it runs in the shops without a server: what SQLite has of nordvik.sql.
--
-- Old rows carry fixed dates of long ago; young ones count back from the moment this script runs, by half days, so that
-- no period of the policy ends near a row. Whatever day it is, the same rows are due; nordvik/sqlite.rs says how many,
-- and why some of them stay.

pragma foreign_keys = on;

-- === Staff ===

create table department (
  id integer primary key,
  name text not null unique,
  head_id int references employee deferrable initially deferred
);

create table employee (
  id integer primary key,
  department_id int not null references department,
  manager_id int references employee on delete set null,
  full_name text not null,
  email text not null collate nocase unique,
  joined_on date not null,
  left_on date check (left_on > joined_on),
  updated_at text not null
);
create index employee_manager on employee (manager_id);
create index employee_department on employee (department_id);

create table employee_history (
  id integer primary key autoincrement,
  employee_id int not null,
  changed_at text not null,
  operation text not null,
  old text not null
);

create table time_entry (
  employee_id int not null references employee on delete cascade,
  day date not null,
  minutes int not null check (minutes between 1 and 1440),
  primary key (employee_id, day)
) without rowid;

-- === Customers ===

create table customer (
  id integer primary key autoincrement,
  number text not null unique,
  name text not null,
  email text not null,
  referred_by int references customer,
  account_manager_id int references employee on delete set null,
  created_at text not null,
  closed_at text check (closed_at > created_at),
  name_searched text generated always as (lower(name)) stored,
  number_only int generated always as (cast(substr(number, 3) as int)) virtual
);
create unique index customer_email on customer (lower(email));
create index customer_manager on customer (account_manager_id);
create index customer_referred on customer (referred_by) where referred_by is not null;

create table contact (
  id text not null primary key,
  customer_id int not null references customer on delete cascade,
  full_name text not null,
  email text collate nocase,
  last_contacted_at datetime
);
create index contact_customer on contact (customer_id);

create table address (
  customer_id int not null references customer on delete cascade,
  kind text not null check (kind in ('billing', 'shipping')),
  street text not null,
  valid_until date,
  primary key (customer_id, kind)
) without rowid;

create table consent (
  customer_id int not null references customer,
  purpose text not null,
  given_at text not null,
  primary key (customer_id, purpose, given_at)
) without rowid;

create table tag (id integer primary key, name text not null unique);

create table customer_tag (
  customer_id int not null references customer on delete cascade,
  tag_id int not null references tag on delete restrict,
  tagged_at text not null,
  primary key (customer_id, tag_id)
);
create index customer_tag_tag on customer_tag (tag_id);

create view active_customer as select id, number, name, email, created_at from customer where closed_at is null;

create trigger active_customer_rename instead of update of name on active_customer begin
  update customer set name = new.name where id = old.id;
end;

-- === Goods ===

create table category (
  id integer primary key,
  parent_id int references category on delete restrict,
  name text not null,
  archived_on date
);
create index category_parent on category (parent_id);

create table product (
  id integer primary key,
  sku text not null unique,
  name text not null,
  category_id int not null default 1 references category on delete set default,
  price real not null check (price >= 0),
  updated_at text not null
) strict;
create index product_category on product (category_id);

create table product_tag (
  product_id int not null references product on delete cascade,
  tag_id int not null references tag on delete restrict,
  primary key (product_id, tag_id)
) without rowid;

create table price_change (
  product_id int not null references product on delete cascade,
  changed_at text not null,
  old real not null,
  new real not null,
  primary key (product_id, changed_at)
);

-- === Orders and money ===

create table "order" (
  id integer primary key,
  customer_id int not null references customer on delete restrict,
  status text not null check (status in ('cart', 'placed', 'shipped', 'cancelled')),
  placed_at text not null
);
create index order_customer on "order" (customer_id);
create index order_placed on "order" (placed_at);

create table order_line (
  order_id int not null references "order" on delete cascade,
  line int not null,
  product_id int not null references product,
  quantity int not null check (quantity > 0),
  unit_price real not null,
  total real generated always as (quantity * unit_price) stored,
  primary key (order_id, line)
);
create index order_line_product on order_line (product_id);

create table shipment (
  id text not null primary key,
  order_id int references "order" on delete set null,
  shipped_at text not null
);
create index shipment_order on shipment (order_id);

create table invoice (
  id integer primary key,
  order_id int not null unique references "order" on delete restrict,
  number text not null unique,
  issued_on date not null,
  paid_on date check (paid_on >= issued_on)
);

create table payment (
  id text not null primary key,
  invoice_id int not null references invoice on delete restrict,
  received_at text not null,
  amount real not null
);
create index payment_invoice on payment (invoice_id);

create table refund (payment_id text not null primary key references payment, made_on date not null) without rowid;

create table exchange_rate (
  currency text not null,
  day date not null,
  rate real not null check (rate > 0),
  primary key (currency, day)
) without rowid;

-- === Support ===

create table ticket (
  id integer primary key,
  customer_id int references customer on delete set null,
  assignee_id int references employee on delete set null,
  status text not null,
  opened_at text not null,
  closed_at text,
  check ((status = 'closed') = (closed_at is not null))
);
create index ticket_closed on ticket (closed_at);
create index ticket_customer on ticket (customer_id);
create index ticket_assignee on ticket (assignee_id);

create table ticket_message (
  id integer primary key,
  ticket_id int not null references ticket on delete cascade,
  sent_at text not null,
  body text not null
);
create index ticket_message_ticket on ticket_message (ticket_id);
create index ticket_message_sent on ticket_message (sent_at);

create table upload (
  id text not null primary key,
  message_id int references ticket_message on delete set null,
  file_name text not null,
  legal_hold boolean not null default false,
  uploaded_at text not null
);
create index upload_message on upload (message_id);

-- === Documents ===

create table document (
  id integer primary key,
  owner_id int references employee on delete set null,
  replaced_by int references document,
  kind text not null,
  title text not null,
  metadata text not null check (json_valid(metadata)),
  pages int generated always as (json_extract(metadata, '$.pages')) virtual,
  updated_at text not null
);
create index document_owner on document (owner_id);
create index document_replaced on document (replaced_by);

create table document_version (
  document_id int not null references document on delete cascade,
  version int not null,
  saved_at text not null,
  body blob not null,
  primary key (document_id, version)
) without rowid;

-- What somebody wrote down, and the index that finds it again.
create table memo (id integer primary key, written_at text not null, body text not null);
create index memo_written on memo (written_at);
create virtual table memo_search using fts5 (body, content = 'memo', content_rowid = 'id');

-- === Signing in ===

create table web_session (
  id text not null primary key,
  customer_id int references customer on delete cascade,
  last_seen_at text not null
);
create index web_session_customer on web_session (customer_id);
create index web_session_seen on web_session (last_seen_at);

create table api_token (
  id integer primary key,
  employee_id int not null references employee on delete cascade,
  hash blob not null unique,
  revoked_at int
);
create index api_token_employee on api_token (employee_id);

create table login_attempt (id integer primary key, at real not null, address text not null, succeeded boolean not null);
create index login_attempt_at on login_attempt (at);

create table password_reset (
  id text not null primary key,
  requested_at text not null,
  used_at text,
  expires_at text generated always as (datetime(requested_at, '+1 hour')) stored
);

-- === Marketing ===

create table newsletter_subscription (
  customer_id int not null references customer on delete cascade,
  list text not null,
  status text not null check (status in ('active', 'unsubscribed')),
  unsubscribed_at text,
  primary key (customer_id, list)
);

create table campaign (id integer primary key, name text not null, ended_on date);

create table campaign_recipient (
  campaign_id int not null references campaign on delete cascade,
  email text not null,
  primary key (campaign_id, email)
);

-- === Machinery ===

create table job (
  id integer primary key,
  parent_id int references job on delete set null,
  state text not null,
  finished_at int,
  payload text not null
);
create index job_parent on job (parent_id);
create index job_finished on job (finished_at);

create table job_archive (id int not null, state text not null, archived_at text not null);

create table access_log (at int not null, path text not null, status int not null);

create table feature_flag (name text not null primary key, enabled boolean not null) without rowid;

create table webhook (id integer primary key, url text not null, retired_at int);

create table webhook_delivery (
  id integer primary key,
  webhook_id int not null references webhook on delete cascade,
  attempted_at_ms int not null,
  status int
);
create index webhook_delivery_webhook on webhook_delivery (webhook_id);

create table event (day date not null, id int not null, kind text not null, primary key (day, id)) without rowid;

create table audit_entry (
  id integer primary key autoincrement,
  at text not null,
  "table" text not null,
  operation text not null,
  row_id int
);
create index audit_entry_at on audit_entry (at);

-- === The forum, and what the old application left ===

create table topic (id integer primary key, title text not null, posts int not null default 0);

create table post (id integer primary key, topic_id int not null references topic, posted_at text not null);
create index post_topic on post (topic_id);

create table announcement (id integer primary key, posted_at text not null);
create table announcement_reader (announcement_id int not null, reader text not null);

create table "Notes v1.0" ("Note No" integer primary key, "Created At" datetime not null, "Written By" text);

-- === Rows ===

create temp table n as
  with recursive n (n) as (select 1 union all select n + 1 from n where n < 900) select n from n;

insert into department (id, name) values (1, 'Sales'), (2, 'Support'), (3, 'Warehouse'), (4, 'Finance'), (5, 'People'), (6, 'IT');

insert into employee
select n, 1 + n % 6, case when n > 12 then 1 + n % 12 end, 'Employee ' || n, 'E' || n || '@nordvik.example',
  date('2011-01-10', (n * 30) || ' days'),
  case when n % 4 = 0 then date('2021-03-01', n || ' days') when n % 4 = 1 and n > 40 then date('now', '-100 days') end,
  '2020-01-01 12:00:00'
from n where n <= 60;

-- One head left and was never replaced.
update department set head_id = case id when 4 then 16 else id end;

insert into time_entry
select e.n, case when d.n <= 5 then date('2022-05-02', d.n || ' days') else date('now', -d.n || ' days') end, 450
from n e, n d where e.n <= 60 and d.n <= 10 and (d.n <= 5 or e.n % 4 <> 0);

insert into customer (number, name, email, account_manager_id, created_at, closed_at)
select printf('K-%04d', n), 'Customer ' || n, 'Info' || n || '@customer.example', 1 + n % 60, '2012-01-01T12:00:00Z',
  case n % 5
    when 0 then strftime('%Y-%m-%dT%H:%M:%SZ', '2020-01-01 12:00:00', n || ' days')
    when 1 then strftime('%Y-%m-%dT%H:%M:%f+02:00', 'now', -n || ' days', '-12 hours')
  end
from n where n <= 200;

update customer set referred_by = id - 100 where id > 100 and id % 10 = 0;

insert into contact
select 'contact-' || c.n || '.' || k.n, c.n, 'Contact ' || c.n, 'c' || c.n || '.' || k.n || '@customer.example',
  case
    when k.n = 2 and c.n % 40 = 35 then datetime('now', -c.n || ' days', '-12 hours')
    when k.n = 1 and c.n % 2 = 0 or c.n % 5 = 0 then datetime('2021-06-01 08:00:00', c.n || ' hours')
    when k.n = 2 and c.n % 7 = 0 then null
    else datetime('now', -c.n || ' days', '-12 hours')
  end
from n c, n k where c.n <= 200 and k.n <= 2;

insert into address select n, 'billing', 'Main Street ' || n, null from n where n <= 200;
insert into address select n, 'shipping', 'Quay ' || n, '2019-12-31' from n where n <= 200 and n % 2 = 0;

insert into consent select n, 'newsletter', '2018-05-25' from n where n <= 60;

insert into tag select n, 'tag ' || n from n where n <= 10;
insert into customer_tag
select n, 1 + n % 10, case when n <= 80 or n % 5 = 0 then '2016-01-01 12:00:00.5' else datetime('now', -n || ' days', '-12 hours') end
from n where n <= 200;

insert into category
select n, case when n > 10 then n - 8 end, 'Category ' || n, case when n % 3 = 0 then '2020-02-02' end from n where n <= 30;

insert into product
select n, 'S' || n, 'Product ' || n, 1 + n % 30, 10.0 + n, '2020-01-01 12:00:00' from n where n <= 150;
create trigger product_price after update of price on product when old.price <> new.price begin
  insert into price_change values (new.id, '2023-05-01 12:00:00', old.price, new.price);
end;
update product set price = price + 1 where id <= 80;

insert into product_tag select n, 1 + n % 10 from n where n <= 100;

insert into "order"
select n, 1 + (n * 3) % 150, case n % 3 when 0 then 'placed' when 1 then 'shipped' else 'cancelled' end,
  case when n <= 120 then datetime('2012-02-01 12:00:00', n || ' days') else datetime('now', (100 - n) || ' days', '-12 hours') end
from n where n <= 300;

insert into order_line (order_id, line, product_id, quantity, unit_price)
select o.id, n, 1 + (o.id * 7 + n) % 150, n, 100 from "order" o, n where n <= 1 + o.id % 3;

insert into shipment select 'shipment-' || id, id, datetime(placed_at, '2 days') from "order" where id <= 200;

insert into invoice
select id, id, 'F-' || id, date(placed_at, '10 days'), case when id % 8 <> 0 then date(placed_at, '30 days') end
from "order" where id <= 40 or id between 121 and 160;

insert into payment
select 'payment-' || id, id, paid_on || ' 10:00:00', 100 from invoice where paid_on is not null;

insert into refund select 'payment-' || n, '2012-12-01' from n where n <= 3;

insert into exchange_rate
select column1, date('2024-01-01', n || ' days'), 1 + n / 100.0 from (values ('EUR'), ('NOK'), ('USD')), n where n < 100;

create trigger invoice_keep_unpaid before delete on invoice when old.paid_on is null begin select raise(ignore); end;

insert into ticket
select n, n, 1 + n % 60, case when n % 5 < 2 then 'open' else 'closed' end, datetime('2019-01-01 12:00:00', n || ' days'),
  case
    when n % 5 in (2, 3) then datetime('2021-01-01 12:00:00', n || ' days')
    when n % 5 = 4 then datetime('now', -n || ' days', '-12 hours')
  end
from n where n <= 100;

insert into ticket_message (ticket_id, sent_at, body)
select t.n,
  case
    when k.n <= 2 or t.n % 5 in (2, 3) and t.n % 10 <> 3 then datetime('2019-06-01 12:00:00', t.n || ' days', k.n || ' hours')
    else datetime('now', -t.n || ' days', '-12 hours')
  end, 'message ' || k.n
from n t, n k where t.n <= 100 and k.n <= 4;

insert into upload
select 'upload-' || n, n, 'file ' || n || '.pdf', n % 10 = 0,
  case when n <= 66 then '2020-05-01T12:00:00Z' else strftime('%Y-%m-%dT%H:%M:%fZ', 'now', -n || ' days', '-12 hours') end
from n where n <= 150;
create trigger upload_keep_held before delete on upload when old.legal_hold begin
  select raise(abort, 'held');
end;

insert into document (id, owner_id, kind, title, metadata, updated_at)
select n, 1 + n % 60, case when n <= 40 then 'draft' else 'contract' end, 'Document ' || n, json_object('pages', n),
  case when n <= 30 then datetime('2021-07-01 12:00:00', n || ' days') else datetime('now', -n || ' days', '-12 hours') end
from n where n <= 100;
update document set replaced_by = id - 50 where id between 51 and 55;

insert into document_version
select d.n, v.n, case when v.n = 1 or d.n <= 25 then '2015-01-01 12:00:00' else datetime('now', -d.n || ' days', '-12 hours') end, x'00'
from n d, n v where d.n <= 100 and v.n <= 3;

create trigger memo_insert after insert on memo begin
  insert into memo_search (rowid, body) values (new.id, new.body);
end;
create trigger memo_delete after delete on memo begin
  insert into memo_search (memo_search, rowid, body) values ('delete', old.id, old.body);
end;
insert into memo
select n, case when n <= 20 then '2019-01-01 12:00:00' else datetime('now', -n || ' days') end, 'memo number ' || n
from n where n <= 50;

insert into web_session
select 'session-' || n, case when n % 5 <> 4 then n % 200 + 1 end,
  datetime('now', -case when n <= 160 then 30 + n else n % 30 end || ' days', '-12 hours')
from n where n <= 300;

insert into api_token (employee_id, hash, revoked_at)
select n, randomblob(0) || n, case when n % 5 < 2 then 1640995200 when n % 5 = 2 then unixepoch('now', '-10 days') end
from n where n <= 50;

insert into login_attempt (at, address, succeeded)
select unixepoch('now') - 43200.25 - 86400 * case when n % 2 = 0 then 90 + n else n % 80 end, '192.0.2.7', n % 3 = 0
from n where n <= 500;

insert into password_reset (id, requested_at)
select 'reset-' || n, case when n <= 50 then '2023-10-29 02:15:00' else datetime('now', -(n % 6) || ' days', '-12 hours') end
from n where n <= 100;

insert into newsletter_subscription
select n, 'offers', case when n % 2 = 0 or n % 5 = 0 then 'unsubscribed' else 'active' end,
  case when n % 4 = 0 or n % 5 = 0 then '2022-02-02 12:00:00' when n % 2 = 0 then datetime('now', '-60 days') end
from n where n <= 180;

insert into campaign select n, 'Campaign ' || n, '2020-01-01' from n where n <= 5;
insert into campaign_recipient select 1 + n % 5, 'r' || n || '@example.com' from n where n <= 50;

insert into job
select n, case when n > 200 then n - 200 end,
  case n % 4 when 1 then 'failed' when 3 then 'queued' else 'done' end,
  case
    when n % 4 = 3 then null
    when n <= 200 then unixepoch('now', -(14 + n) || ' days', '-12 hours')
    else unixepoch('now', -(n % 14) || ' days', '-12 hours')
  end, '{}'
from n where n <= 400;
create trigger job_archived after delete on job begin
  insert into job_archive values (old.id, old.state, datetime('now'));
end;

insert into access_log
select unixepoch('now', -case when n % 2 = 0 then 30 + n else n % 30 end || ' days', '-12 hours'), '/', 200 from n;

insert into feature_flag values ('new-cart', true), ('dark-mode', false);

insert into webhook select n, 'https://example.com/' || n, case when n = 1 then 1577880000 end from n where n <= 5;
insert into webhook_delivery
select n, 1 + n % 5,
  1000 * unixepoch('now', -case when n <= 300 then 90 + n else n % 90 end || ' days', '-12 hours'), 200
from n where n <= 500;

insert into event
select case when n <= 150 then date('2022-11-01', (n / 10) || ' days') else date('now', -n || ' days') end, n,
  case when n % 2 = 0 then 'view' else 'sale' end
from n where n <= 300;

insert into topic (id, title) select n, 'Topic ' || n from n where n <= 5;
create trigger post_added after insert on post begin update topic set posts = posts + 1 where id = new.topic_id; end;
create trigger post_gone after delete on post begin update topic set posts = posts - 1 where id = old.topic_id; end;
insert into post
select n, 1 + n % 5, case when n <= 30 then '2017-01-01 12:00:00' else datetime('now', -n || ' days') end from n where n <= 60;

-- A cascade by hand, from before foreign keys were switched on.
create trigger announcement_gone after delete on announcement begin
  delete from announcement_reader where announcement_id = old.id;
end;
insert into announcement select n, case when n <= 5 then '2017-01-01 12:00:00' else datetime('now') end from n where n <= 10;
insert into announcement_reader select n % 10 + 1, 'reader ' || n from n where n <= 40;

insert into "Notes v1.0"
select n, case when n <= 70 then '2014-08-01 10:00:00' else datetime('now', -n || ' days') end, 'somebody' from n where n <= 120;

insert into audit_entry (at, "table", operation)
select case when n <= 200 then '2020-01-01 12:00:00' else datetime('now', -n || ' days') end, 'customer', 'update'
from n where n <= 260;

create trigger customer_record after delete on customer begin
  insert into audit_entry (at, "table", operation, row_id) values (datetime('now'), 'customer', 'delete', old.id);
end;
create trigger contact_record after delete on contact begin
  insert into audit_entry (at, "table", operation, row_id) values (datetime('now'), 'contact', 'delete', old.customer_id);
end;
create trigger employee_touch after update on employee when new.updated_at = old.updated_at begin
  update employee set updated_at = datetime('now') where id = new.id;
end;
create trigger employee_gone after delete on employee begin
  insert into employee_history (employee_id, changed_at, operation, old)
  values (old.id, datetime('now'), 'delete', json_object('name', old.full_name));
end;

drop table n;
analyze;
