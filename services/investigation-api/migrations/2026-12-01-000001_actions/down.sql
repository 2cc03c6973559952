drop table command_count;
drop table command;
drop table signature;
drop table action;
