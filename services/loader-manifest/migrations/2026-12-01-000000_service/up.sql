-- the service has no tables of its own yet beside those of messaging and auth
select 1;
