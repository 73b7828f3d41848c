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
