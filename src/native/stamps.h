// Whether the files of a tree are as they were when they were hashed: src/package/stamp-check.ts.
#ifndef WARDER_STAMPS_H
#define WARDER_STAMPS_H

/** Does what the words of the command line say and ends the process. Returns where they say something else. */
void run_stamps(int argc, char **argv);

#endif
