drop table command;
