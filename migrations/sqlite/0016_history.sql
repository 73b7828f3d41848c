-- An attempt stands in its lease until it ends, and in the history from then on: no more is written of it at its start.
delete from attempt where ended_at is null;
