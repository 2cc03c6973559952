-- How many bytes the results have as text, so that as many rows are read at once as have room. Of rows that are older
-- than this column it is counted when they are read.
alter table command add column results_size bigint;
