-- The numbers of who is asked and who answered: two people may have one name. They are absent in older rows, and where
-- nobody had to say who they are; the name counts there.
alter table step
    add column assignee_id bigint,
    add column answered_by_id bigint;
