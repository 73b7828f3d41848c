-- What users sent to go with their tasks. The bytes are files, by their SHA-256; a row says that this user sent all of them,
-- so a task of theirs may name them.
create table upload (
    sha256     text    not null check (length(sha256) = 64),
    owner      text    not null,
    size       integer not null,
    created_at integer not null,
    primary key (sha256, owner)
) strict, without rowid;
create index upload_by_age on upload (created_at);

-- The tasks that need them. Without one an upload goes after a day.
create table upload_use (
    sha256 text    not null,
    task   integer not null,
    primary key (sha256, task)
) strict, without rowid;
create index upload_use_by_task on upload_use (task);
