alter table step
    drop column assignee_id,
    drop column answered_by_id;
