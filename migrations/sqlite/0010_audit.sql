-- Roles that count in some queues alone, when a token was used last, and what took its place.
alter table token add column queues text check (queues is null or json_valid(queues));
alter table token add column last_used_at integer;
alter table token add column rotated_to integer;

-- Who did what, to what, from where, and how it ended. Rows are appended, and removed by age alone.
create table audit (
    id         integer primary key autoincrement,
    at         integer not null,
    user       text    not null,
    action     text    not null,
    object     text    not null,
    address    text    not null,
    status     integer not null,
    request_id text    not null
) strict;
create index audit_by_age on audit (at);
