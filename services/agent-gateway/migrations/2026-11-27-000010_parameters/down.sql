drop index task_state_idx;
drop index agent_team_id_idx;
create index agent_team_id_idx on agent (team_id) where team_id is not null;
alter table plugin drop column parameters;
