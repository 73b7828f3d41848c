-- Which stretch of a log who wrote into the object store: [[from, tag], …]; empty where the bytes are files of the data
-- directory. What lies in the store counts only as far as this row says (docs/decisions/0021).
alter table log add column stints text not null default '[]';
