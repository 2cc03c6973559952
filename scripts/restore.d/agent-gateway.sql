-- What waited for agents, or was out, may have been fetched and answered since then: it is given to nobody again.
update mailbox set state = 'withdrawn', leased_until = null where state in ('waiting', 'leased');
update task set state = 'withdrawn', ended = now(), leased_until = null where state in ('waiting', 'offered') and cron is null;
-- Copies that are ahead of this backup take what is told from now on.
update agent set revision = revision + 1000000;
-- Numbers that were given out after this backup are known elsewhere already.
select setval(pg_get_serial_sequence('agent', 'number'), nextval(pg_get_serial_sequence('agent', 'number')) + 1000000);
delete from auth.digest;
