// The plots of a run, all in one look: survival, first_death, penalty_vs_first_death,
// penalty_vs_entropy, multi_eval_timeline, tail_queue, step_one_heading_polar,
// multi_eval_hist/iterNNN_death_hist (PNG), and curve.gif, which draws training survival iteration
// by iteration.
//
// Functions of the facts alone; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/artifacts/gnuplot.h"
#include "coordinator/artifacts/run_facts.h"

namespace shoal {

// PNGs by their paths under plots/. Those about which the run has measured nothing are left out:
// all before the first iteration, tail_queue of a run without a queue, and so on.
std::vector<GnuplotPicture> PlotsOf(const RunFacts& facts);

// curve.gif; nothing before the first iteration with a survival rate.
std::vector<GnuplotPicture> CurveOf(const RunFacts& facts);

}  // namespace shoal
