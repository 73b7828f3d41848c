-- What attempts say of themselves beside their logs: usage, progress, results, outputs.
create table notes (
    task    integer not null,
    attempt integer not null,
    doc     text    not null check (json_valid(doc)),
    primary key (task, attempt)
) strict, without rowid;
