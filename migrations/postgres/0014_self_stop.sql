-- As migrations/sqlite/0014 says.
alter table lease add column self_stop smallint not null default 0;
