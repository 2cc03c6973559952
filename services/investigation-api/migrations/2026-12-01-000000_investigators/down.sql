drop table investigator;
