drop table agent_stats;
drop index investigator_name_trgm_idx, agent_seen_idx, agent_version_idx, agent_name_trgm_idx, command_found_idx,
    command_status_started_idx, command_agent_started_idx, command_action_started_idx, command_started_idx,
    action_started_idx, action_threat_family_trgm_idx, action_name_trgm_idx;
create index command_agent_idx on command (agent_id, id);
alter table action drop column threat_family;
