-- What a signature is known by, however it is written: it orders once. Rows that are older than this column have none;
-- they are found by the text of their action.
alter table signature add column mark bytea unique;
