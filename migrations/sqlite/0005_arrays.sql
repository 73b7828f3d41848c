-- Parents, children, arrays.

-- The task that a task belongs to: cancelled with it. An element of an array has an index beside, and shares its array's
-- description: its own `spec` is null.
alter table task add column parent integer;
alter table task add column idx integer check (idx is null or parent is not null);
create index task_by_parent on task (parent, id) where parent is not null;
-- Lists show an array as one row and never read over its elements.
drop index task_by_user;
drop index task_by_queue;
drop index task_by_state;
create index task_top on task (id) where idx is null;
create index task_by_user on task (user, id) where idx is null;
create index task_by_queue on task (queue, id) where idx is null;
-- Also finds what has not ended: those rows have no state.
create index task_by_state on task (state, id) where idx is null;

-- The ids of an array's elements follow its own, in the order of their indices.
create table array (
    task         integer primary key,
    elements     integer not null check (elements > 0),
    -- what the elements are told as its size
    size         integer not null,
    indices      text    not null,
    max_parallel integer check (max_parallel > 0),
    -- the same, and where that is null all
    slots        integer not null,
    -- how many elements are in each state
    waiting      integer not null check (waiting >= 0),
    queued       integer not null check (queued >= 0),
    active       integer not null check (active >= 0),
    succeeded    integer not null default 0,
    failed       integer not null default 0,
    cancelled    integer not null default 0,
    -- how many of those that wait, wait for a slot
    throttled    integer not null check (throttled between 0 and waiting),
    -- whether the array itself stands in `waiting`, so that none of its elements goes on
    gated        integer not null default 0 check (gated in (0, 1)),
    cancel_by    text,
    cancel_at    integer,
    check (waiting + queued + active + succeeded + failed + cancelled = elements),
    check ((cancel_by is null) = (cancel_at is null))
) strict;
-- Arrays that have not ended.
create index array_open on array (task) where waiting + queued + active > 0;
-- Arrays with a slot for an element that waits for one.
create index array_releasing on array (task)
    where gated = 0 and throttled > 0 and waiting + queued + active - throttled - slots < 0;
create index waiting_throttled on waiting (task) where throttled = 1;

-- Children to be cancelled because their parent was, or the elements at `indices` of an array because somebody said so.
-- Those up to `after` have been.
create table cascade (
    id      integer primary key,
    task    integer not null,
    by      text    not null,
    at      integer not null,
    after   integer not null,
    indices text
) strict;
