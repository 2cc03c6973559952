-- names the request that told of the run: one that could not be answered is tried again, and its run is kept once; null for
-- what was told before, and by processes of before
alter table task_run add column told uuid;
create unique index task_run_told_idx on task_run (told);
-- nobody ever wrote or read these
alter table mailbox drop column returned_at;
alter table agent drop column destroyed;
