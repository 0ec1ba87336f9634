// Linked behind the program's files: see first.c.
char last_variable[16] = {1};
char last_zeros[16];
