alter table command drop column forgiven;
alter table run drop column tries, drop column put_off;
