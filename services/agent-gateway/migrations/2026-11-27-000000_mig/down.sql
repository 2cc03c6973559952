alter table action_document drop column sent;
alter table action_document drop column started;
drop index mailbox_push_idx;
alter table mailbox drop column push_at;
drop index agent_mig_idx;
alter table agent drop column conflict_since;
alter table agent drop column described;
