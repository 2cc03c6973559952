drop index step_step_id_idx;
alter table step drop column size;
