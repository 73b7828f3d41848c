-- `user` and `array` are words of SQL's own that Postgres does not take as names.
alter table task rename column user to usr;
alter table ready rename column user to usr;
alter table lease rename column user to usr;
alter table usage rename column user to usr;
alter table token rename column user to usr;
alter table audit rename column user to usr;
alter table array rename to task_array;
