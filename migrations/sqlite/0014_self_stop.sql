-- 1 where the agent stops its command by itself once it gets no answer for long enough: then the attempt may be followed by another
-- without proof that it is over (docs/ARCHITECTURE.md, proof of death). Written at the start, because a queue may change later.
alter table lease add column self_stop integer not null default 0;
