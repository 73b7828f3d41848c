-- What queues were, revision by revision, for people: the last ones of each queue.

create table queue_revision (
    queue    text    not null,
    revision integer not null,
    doc      text    not null check (json_valid(doc)),
    -- Who applied it; null where that is not known any more.
    by       text,
    at       integer not null,
    primary key (queue, revision)
) strict, without rowid;
insert into queue_revision (queue, revision, doc, by, at) select name, revision, doc, null, updated_at from queue;
