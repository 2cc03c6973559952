drop index task_echo_idx;
drop index task_ended_idx;
create index task_ended_idx on task (ended) where ended is not null;
