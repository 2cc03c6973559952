-- tasks by the clock that agents were told of are kept for more than a year, and are not gone through until then
drop index task_ended_idx;
create index task_ended_idx on task (ended) where ended is not null and (cron is null or offered is null);
create index task_echo_idx on task (ended) where ended is not null and cron is not null and offered is not null;
