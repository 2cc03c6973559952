alter table agent add column destroyed timestamptz;
alter table mailbox add column returned_at timestamptz;
drop index task_run_told_idx;
alter table task_run drop column told;
