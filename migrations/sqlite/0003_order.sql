-- The order of service (docs/ORDER.md).

-- Where a task stands among its user's own; null: by its id, times 2^24, so that others fit between.
alter table task add column rank integer;
-- Set by operators: before every priority.
alter table task add column boosted integer not null default 0 check (boosted in (0, 1));
-- The uptime at which it was ready first: it ages from then on.
alter table task add column queued_up integer;

-- Who drains a queue: no task is taken into it, those in it are served.
alter table queue add column draining_by text;
alter table queue add column draining_reason text;
alter table queue add column draining_at integer;
-- What a task of it costs that says nothing itself: GPUs and weight (thousandths) of its template, derived when it is saved.
alter table queue add column template_gpus integer not null default 0;
alter table queue add column template_weight integer not null default 0;

-- What the live attempts of several queues may use together; the queues name it.
create table budget (
    name       text primary key,
    doc        text not null check (json_valid(doc)),
    revision   integer not null,
    created_at integer not null,
    updated_at integer not null
) strict, without rowid;

-- What each user has used of a queue by attempts that are over, in slot-milliseconds of the time at which `epoch_up` in
-- `meta` stands: later use counts more, which is the same as forgetting earlier use.
create table usage (
    queue text    not null,
    user  text    not null,
    used  integer not null check (used >= 0),
    primary key (queue, user)
) strict, without rowid;

-- A task that a budget, or a runner's GPUs, are kept for.
create table reservation (
    kind text not null check (kind in ('budget', 'runner')),
    name text not null,
    task integer not null,
    primary key (kind, name)
) strict, without rowid;

-- Ready tasks in the order in which each user's are served: what has one queue, tier, user and size is a lane, and a claim
-- reads only the first rows of the lanes that it takes from.
create table ready_new (
    queue    text    not null,
    tier     integer not null check (tier between 0 and 4),
    user     text    not null,
    gpus     integer not null,
    weight   integer not null,
    rank     integer not null,
    task     integer not null,
    attempt  integer not null,
    -- It has been ready since then.
    since_up integer not null,
    -- It rises a tier then; none in the tiers where none rises.
    age_up   integer,
    primary key (queue, tier, user, gpus, weight, rank, task)
) strict, without rowid;
insert into ready_new (queue, tier, user, gpus, weight, rank, task, attempt, since_up, age_up)
    select r.queue, r.band + 1, t.user, r.gpus, 0, r.task << 24, r.task, r.attempt, u.up, iif(r.band > 0, u.up + 21600000, null)
    from ready r join task t on t.id = r.task, (select coalesce((select cast(value as integer) from meta where key = 'uptime'), 0) as up) u;
drop table ready;
alter table ready_new rename to ready;
create unique index ready_by_task on ready (task);
create index ready_by_age on ready (age_up) where age_up is not null;

-- What an attempt that lives counts for, fixed by its claim.
alter table lease add column user text not null default '';
alter table lease add column since_up integer;
alter table lease add column claimed_up integer not null default 0;
-- Its cost in GPUs and in weight, in thousandths.
alter table lease add column load_gpus integer not null default 0;
alter table lease add column load_weight integer not null default 0;
update lease set user = (select t.user from task t where t.id = lease.task), load_gpus = gpus * 1000,
    claimed_up = coalesce((select cast(value as integer) from meta where key = 'uptime'), 0);
