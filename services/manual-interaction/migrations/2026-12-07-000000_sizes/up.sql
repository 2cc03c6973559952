-- How many bytes the content has as text, so that as many rows are read at once as have room. Of rows that are older than
-- this column it is counted when they are read.
alter table step add column size bigint;

-- the runs of one step, newest first
create index step_step_id_idx on step (step_id, seq);
