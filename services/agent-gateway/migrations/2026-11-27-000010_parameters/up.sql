-- the parameters of the plugin's commands by published name, as far as the source tells them; null for plugins of before
alter table plugin add column parameters jsonb;
-- the agents of a team, by number
drop index agent_team_id_idx;
create index agent_team_id_idx on agent (team_id, number) where team_id is not null;
-- the tasks in a state; of those that are done there are many
create index task_state_idx on task (state, id) where state <> 'done';
