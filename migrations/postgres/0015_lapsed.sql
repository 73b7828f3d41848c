-- As migrations/sqlite/0015 says.
create index attempt_lapsed on attempt (runner, ended_up) where state is null and ended_at is not null;
