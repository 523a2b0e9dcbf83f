// Plots of single deaths. Private to this folder; pure and thread-safe.
#pragma once

#include <vector>

#include "coordinator/artifacts/gnuplot.h"
#include "coordinator/artifacts/run_facts.h"

namespace shoal {

// step_one_heading_polar.png, if there was a step-one death.
void AddHeadings(const RunFacts& facts, std::vector<GnuplotPicture>& pictures);

// multi_eval_hist/iterNNN_death_hist.png of every multi-evaluation, and iterNNN_KIND_death_hist.png of
// every other evaluation: "final", "final_own", "best", "ordered".
void AddDeathHistograms(const RunFacts& facts, std::vector<GnuplotPicture>& pictures);

}  // namespace shoal
