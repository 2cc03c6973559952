drop index agent_named_idx;
drop table loader;
