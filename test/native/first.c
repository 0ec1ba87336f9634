// Linked before the program's files, as last.c is behind them: their variables lie between these.
char first_variable[16] = {1};
char first_zeros[16];
