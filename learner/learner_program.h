// The program shoal-learner, for whatever it is that learns: arguments, signals, log, exit codes.
#pragma once

#include "learner/learner_state.h"

namespace shoal {

// What main returns. Does not come back where there was a run: the process ends with the code, since
// an update in progress cannot be interrupted and nobody waits for it. Codes: 0 the run is over, or
// the learner was told to stop; 1 failed; 2 wrong usage. Call it once, before any other thread.
int LearnerMain(int argc, char** argv, TrainerFactory factory);

}  // namespace shoal
