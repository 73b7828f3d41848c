-- A glue that comes back asks which of its attempts ended before they started: it may have died between Secret and Job of one, and
-- nobody may list Secrets. Few attempts end so, and no other row stands in the index.
create index attempt_lapsed on attempt (runner, ended_up) where state is null and ended_at is not null;
