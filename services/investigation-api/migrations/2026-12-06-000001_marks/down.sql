alter table signature drop column mark;
