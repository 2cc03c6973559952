-- the trace in which the action was accepted, when that is collected: what is done later goes on with it
alter table run add column traceparent text;
