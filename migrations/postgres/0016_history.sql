-- As migrations/sqlite/0016 says.
delete from attempt where ended_at is null;
