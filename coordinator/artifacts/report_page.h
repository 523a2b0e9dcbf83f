// report.html: a run on one page that needs no other file and no network.
#pragma once

#include <string>
#include <vector>

#include "coordinator/artifacts/report_videos.h"
#include "coordinator/artifacts/run_facts.h"

namespace shoal {

// The page, as well-formed XHTML. A function of its arguments alone: two calls give equal text.
// Everything that comes from the run is escaped. Thread-safe.
std::string ReportPage(const RunFacts& facts, const std::vector<ReportVideo>& videos = {});

}  // namespace shoal
