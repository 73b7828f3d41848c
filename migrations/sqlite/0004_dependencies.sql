-- What holds a task back, and until when.

-- Not to be started before this time of day, in Unix ms: a wish of the user, and no deadline of ours.
alter table task add column not_before integer;

-- A task waits for any of: the end of a pause, a time of day, tasks that it depends on, a slot of its array. It is due when
-- nothing is left of these.
create table waiting_anew (
    task       integer primary key,
    queue      text    not null,
    attempt    integer not null,
    due_up     integer,
    not_before integer,
    blockers   integer not null default 0 check (blockers >= 0),
    throttled  integer not null default 0 check (throttled in (0, 1)),
    -- Over the pause after an attempt that found no place it keeps the uptime since which it was ready.
    since_up   integer
) strict;
insert into waiting_anew (task, queue, attempt, due_up) select task, queue, attempt, due_up from waiting;
drop table waiting;
alter table waiting_anew rename to waiting;
create index waiting_by_queue on waiting (queue);
-- The clockwork looks for rows that nothing but time holds: each kind has an index of its own, and no row stands in two.
create index waiting_pausing on waiting (due_up) where due_up is not null and blockers = 0 and throttled = 0;
create index waiting_until on waiting (not_before)
    where not_before is not null and due_up is null and blockers = 0 and throttled = 0;
create index waiting_free on waiting (task) where not_before is null and due_up is null and blockers = 0 and throttled = 0;

-- What a task waits for, one row each; `blockers` of its waiting row counts those that have not been counted as ended.
create table dependency (
    task       integer not null,
    on_task    integer not null,
    kind       text    not null check (kind in ('success', 'any')),
    on_failure text    not null check (on_failure in ('cancel', 'fail')),
    -- how on_task ended, once that has been counted
    ended      text    check (ended in ('succeeded', 'failed', 'cancelled')),
    primary key (task, on_task)
) strict, without rowid;
create index dependency_open on dependency (on_task, task) where ended is null;

-- Tasks that have ended while others waited for them, until those have been told. It keeps how they ended, so that it stands
-- by itself.
create table awaited (
    task  integer primary key,
    state text not null check (state in ('succeeded', 'failed', 'cancelled'))
) strict;

-- The limits of a task in uptime, from when it was first queued to its end; only of tasks that have any.
create table deadline (
    task     integer primary key,
    -- it must have started by then; null once it has
    start_up integer,
    -- it must have ended by then; while its command runs, its agent sees to that
    end_up   integer,
    running  integer not null check (running in (0, 1))
) strict;
create index deadline_to_start on deadline (start_up) where start_up is not null;
create index deadline_to_end on deadline (end_up) where end_up is not null and running = 0;
