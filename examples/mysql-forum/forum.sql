-- For MySQL 8 and later and MariaDB 10.6 and later.
create table login_session (
  id bigint unsigned not null auto_increment primary key,
  seen_at timestamp not null, -- a moment: the server keeps it in UTC
  key login_session_seen_at (seen_at)
);

create table draft (
  id binary(16) not null primary key, -- a UUID
  state enum('open', 'discarded') not null,
  saved_at datetime(3) not null, -- what the clock on the wall in Stockholm said
  key draft_saved_at (saved_at)
);

create table thread (
  id int unsigned not null auto_increment primary key,
  title varchar(200) not null,
  closed_on date, -- null while it is open
  key thread_closed_on (closed_on)
);

create table post (
  id int unsigned not null auto_increment primary key,
  thread_id int unsigned not null,
  body text not null,
  written_at timestamp not null,
  key post_written_at (written_at),
  foreign key (thread_id) references thread (id) on delete cascade
);

create table member (
  id int unsigned not null auto_increment primary key,
  email varchar(100) not null,
  nick varchar(60),
  birth_date date,
  last_seen_at timestamp not null,
  updated_at timestamp not null default current_timestamp on update current_timestamp,
  unique key member_email (email),
  key member_last_seen_at (last_seen_at)
);

-- From the forum's first year: a table without transactions.
create table page_view (
  id int unsigned not null auto_increment primary key,
  path varchar(200) not null,
  viewed_at int unsigned not null, -- seconds since 1970
  key page_view_viewed_at (viewed_at)
) engine = MyISAM;

insert into login_session (seen_at)
with recursive n (i) as (select 1 union all select i + 1 from n where i < 400)
select now() - interval (i % 40) day from n;

insert into draft (id, state, saved_at)
with recursive n (i) as (select 1 union all select i + 1 from n where i < 200)
select unhex(left(sha2(i, 256), 32)), if(i % 2 = 0, 'open', 'discarded'), now() - interval i day from n;

insert into thread (title, closed_on)
with recursive n (i) as (select 1 union all select i + 1 from n where i < 200)
select concat('thread ', i), if(i % 3 = 0, null, current_date - interval (3 * i) day) from n;

insert into post (thread_id, body, written_at)
select id, concat('post in ', title), coalesce(closed_on, current_date) - interval 10 day from thread;

insert into member (email, nick, birth_date, last_seen_at)
with recursive n (i) as (select 1 union all select i + 1 from n where i < 200)
select concat('member-', i, '@example.com'), concat('Member ', i), '1960-01-01' + interval i day,
       now() - interval (10 * i) day from n;

insert into page_view (path, viewed_at)
with recursive n (i) as (select 1 union all select i + 1 from n where i < 300)
select concat('/thread/', i), unix_timestamp() - i * 3600 * 6 - 3600 from n; -- none of them is 30 days old to the second
