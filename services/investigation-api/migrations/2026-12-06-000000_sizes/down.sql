alter table command drop column results_size;
