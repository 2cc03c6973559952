alter table command drop column given_up;
