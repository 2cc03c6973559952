-- An action that the scheduler has never spoken of may have reached it since then.
update action set status = 'expired', finished = now(), updated = now(),
    reason = 'it had not begun when the house was saved, and the house was restored since then'
where run_version = 0 and status = 'pending';
delete from messaging.outbox where kind in ('action.accepted.v1', 'action.steered.v1');
-- Copies that are ahead of this backup take the owner's word again.
update investigator set version = version + 1000000;
update auth.investigator set version = version + 1000000;
delete from auth.digest;
