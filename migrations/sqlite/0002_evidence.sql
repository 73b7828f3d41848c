-- What runners saw of attempts, one document each: beside the hot rows, which stay narrow. Kept while the attempt lives,
-- and afterwards where it did not succeed.
create table evidence (
    task    integer not null,
    attempt integer not null,
    doc     text    not null check (json_valid(doc)),
    seen_at integer not null,
    primary key (task, attempt)
) strict;

-- An attempt that has ended and has no state was given back before its start: it cost nothing. Its reason, if any, is
-- why it found no place.
alter table attempt add column ended_up integer;
