drop index agent_status_idx;
alter table action_document drop column traceparent;
