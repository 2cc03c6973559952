drop table auth.digest;
drop table auth.investigator;
drop schema auth;
