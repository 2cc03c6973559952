drop table run_word;
alter table run drop column forgiven_lost;
