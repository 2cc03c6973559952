drop table device_code;
