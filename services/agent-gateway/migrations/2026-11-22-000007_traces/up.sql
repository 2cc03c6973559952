-- the trace in which the action's commands were given out, when that is collected: deliveries and answers go on with it
alter table action_document add column traceparent text;
-- counted for the operators once a minute
create index agent_status_idx on agent (status, transport);
