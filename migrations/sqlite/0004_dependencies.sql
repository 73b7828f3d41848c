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
