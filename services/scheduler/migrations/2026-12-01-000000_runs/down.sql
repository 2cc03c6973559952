drop table command;
drop table run;
