-- Times named *_at are Unix milliseconds for people; times named *_up are milliseconds of server uptime and decide
-- deadlines (docs/decisions/0004-uptime-deadlines.md).

create table meta (
    key   text primary key,
    value text not null
) strict, without rowid;

create table queue (
    name          text primary key,
    doc           text not null check (json_valid(doc)),
    paused_by     text,
    paused_reason text,
    paused_at     integer,
    revision      integer not null,
    created_at    integer not null,
    updated_at    integer not null
) strict, without rowid;

-- Written at submit and at the end. autoincrement: an id is never used again, whatever is deleted.
create table task (
    id           integer primary key autoincrement,
    queue        text    not null,
    user         text    not null,
    name         text,
    labels       text    not null check (json_valid(labels)),
    band         integer not null check (band between 0 and 3),
    spec         text    not null check (json_valid(spec)),
    rerun_of     integer,
    created_at   integer not null,
    state        text    check (state in ('succeeded', 'failed', 'cancelled')),
    class        text,
    reason       text,
    message      text,
    exit_code    integer,
    signal       integer,
    log_complete integer,
    attempt      integer not null default 0,
    started_at   integer,
    finished_at  integer,
    check ((state is null) = (finished_at is null))
) strict;
create index task_by_user on task (user, id);
create index task_by_queue on task (queue, id);
-- Also finds what has not ended: those rows have no state.
create index task_by_state on task (state, id);

-- The hot tables: a task that has not ended stands in exactly one of ready, waiting and lease.
create table ready (
    queue   text    not null,
    band    integer not null,
    task    integer not null,
    attempt integer not null,
    gpus    integer not null,
    primary key (queue, band, task)
) strict, without rowid;
-- A claim takes the first rows of each size that fits, so those that do not fit are never read.
create index ready_by_size on ready (queue, gpus, band, task);

create table waiting (
    task    integer primary key,
    queue   text    not null,
    attempt integer not null,
    due_up  integer not null
) strict;
create index waiting_by_due on waiting (due_up);

create table lease (
    task        integer primary key,
    attempt     integer not null check (attempt > 0),
    queue       text    not null,
    runner      text    not null,
    claim       text    not null,
    gpus        integer not null,
    phase       text,
    claimed_at  integer not null,
    -- set until the start; after it silence and time end nothing
    expires_up  integer,
    -- erased at the first heartbeat
    start_token text,
    uid         text,
    nonce       text,
    token_hash  blob,
    started_at  integer,
    cancel_by   text,
    cancel_at   integer,
    cancel_up   integer,
    result      text check (result is null or json_valid(result)),
    log_bytes   integer,
    log_crc     integer,
    settle_up   integer,
    check ((uid is null) = (started_at is null)),
    check ((result is null) = (settle_up is null))
) strict;
create index lease_by_runner on lease (runner, claim);
create index lease_by_queue on lease (queue);
create index lease_expiring on lease (expires_up) where expires_up is not null;
create index lease_settling on lease (settle_up) where settle_up is not null;

create table attempt (
    task         integer not null,
    attempt      integer not null,
    runner       text    not null,
    claim        text    not null,
    uid          text,
    token_hash   blob,
    claimed_at   integer not null,
    started_at   integer,
    ended_at     integer,
    state        text check (state in ('succeeded', 'failed', 'cancelled')),
    class        text,
    reason       text,
    message      text,
    exit_code    integer,
    signal       integer,
    log_complete integer,
    primary key (task, attempt)
) strict, without rowid;

-- What of a log survives a crash; the bytes are files.
create table log (
    task    integer not null,
    attempt integer not null,
    member  integer not null,
    durable integer not null,
    crc     integer,
    gaps    text not null check (json_valid(gaps)),
    primary key (task, attempt, member)
) strict, without rowid;

-- Append only; the id is the cursor of every watcher.
create table event (
    id      integer primary key autoincrement,
    at      integer not null,
    task    integer,
    attempt integer,
    kind    text not null,
    actor   text,
    data    text check (data is null or json_valid(data))
) strict;
create index event_by_task on event (task, id) where task is not null;

create table runner (
    name          text primary key,
    instance      text not null,
    doc           text not null check (json_valid(doc)),
    registered_at integer not null
) strict, without rowid;

create table token (
    id         integer primary key autoincrement,
    hash       blob not null unique,
    user       text not null,
    role       text not null check (role in ('viewer', 'submitter', 'operator', 'admin', 'runner')),
    tail       text not null,
    created_by text not null,
    created_at integer not null,
    expires_at integer,
    revoked_at integer
) strict;

create table idempotency (
    principal  text not null,
    route      text not null,
    key        text not null,
    digest     blob not null,
    ids        text not null check (json_valid(ids)),
    created_at integer not null,
    primary key (principal, route, key)
) strict, without rowid;
create index idempotency_by_age on idempotency (created_at);
