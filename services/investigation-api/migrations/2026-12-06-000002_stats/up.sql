-- How long the last count took: one that takes long is done less often.
alter table agent_stats add column took double precision not null default 0;
