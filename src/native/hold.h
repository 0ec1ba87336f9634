// What stands between the daemon and a server for a moment: src/sandbox/linux/hold.ts.
#ifndef WARDER_HOLD_H
#define WARDER_HOLD_H

/** Does what the words of the command line say and becomes another program. Returns where they say something else. */
void run_stage(int argc, char **argv);

#endif
