-- What is kept of tasks that have ended (docs/OPERATIONS.md).

-- Its log's bytes, or its events, were removed.
alter table task add column log_expired integer not null default 0 check (log_expired in (0, 1));
alter table task add column events_expired integer not null default 0 check (events_expired in (0, 1));
-- By the end: what is over its time is found without a look at what is not. An array goes with its elements. A row leaves the
-- latter two with its log or its events.
create index task_ended on task (queue, finished_at) where state is not null and idx is null;
create index task_logged on task (queue, finished_at) where state is not null and log_expired = 0;
create index task_told on task (queue, finished_at) where state is not null and events_expired = 0;

-- Children that have not ended: a parent is deleted after them.
create index task_child_open on task (parent) where parent is not null and idx is null and state is null;

-- Tasks whose log bytes are to be removed: written with the commit after which no row promises them any more.
create table unlogged (task integer primary key) strict;

-- The installation that an attempt began under, where that was before a restore: its objects bear that name.
alter table lease add column instance text;
