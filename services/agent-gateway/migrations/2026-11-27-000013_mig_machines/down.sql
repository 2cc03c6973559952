drop index agent_mig_open_idx;
drop index agent_mig_revoked_idx;
alter table agent drop column given_tags;
alter table agent drop column given_name;
